import { expect } from "chai";
import { withProgress } from "../../../cli/progress";

describe("progress on the terminal", function () {
  this.timeout(20_000);

  class Screen {
    written: string[] = [];
    columns = 40;
    private readonly waiting: (() => void)[] = [];
    constructor(readonly isTTY: boolean) {}
    write(text: string): void {
      this.written.push(text);
      for (const go of this.waiting.splice(0)) go();
    }
    next(): Promise<void> {
      return new Promise((resolve) => this.waiting.push(resolve));
    }
  }

  it("says nothing of what is short, nor where nobody looks", async () => {
    for (const screen of [new Screen(true), new Screen(false)]) {
      expect(await withProgress("reading", async () => Promise.resolve(7), screen)).to.equal(7);
      expect(screen.written).to.deep.equal([]);
    }
  });

  it("shows in one line for how long it goes on, and takes it away at the end, also of what fails", async () => {
    const screen = new Screen(true);
    const work = async () => {
      await screen.next();
      await screen.next();
      throw new Error("failed");
    };
    const error = await withProgress("previewing a very long name of something", work, screen).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(Error);
    expect(screen.written).to.have.length(3);
    expect(screen.written[0]).to.match(/^\r\x1b\[Kpreviewing a very long name of so … \d s$/);
    expect(screen.written.at(-1)).to.equal("\r\x1b[K");
  });
});
