import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { expect } from "chai";
import { jobsFor, testFiles } from "../../runner/jobs";
import { addCounts, sumLine } from "../../runner/result";
import { runJob } from "../../runner/run-job";

const CHECKOUT = resolve(__dirname, "../../..");
const BASE = join(CHECKOUT, ".sandbox", "tests");

describe("test runner", () => {
  describe("jobs", () => {
    it("are one for all unit tests, and one for each file that waits for clusters; the longest first", () => {
      const files = [
        "test/unit/a.test.ts",
        "test/integration/b.test.ts",
        "test/unit/c.test.ts",
        "test/conformance/d.test.ts",
      ];
      const jobs = jobsFor([...files, "test/integration/new.test.ts"], {
        "test/integration/b.test.ts": 5,
        "test/conformance/d.test.ts": 60,
      });
      expect(jobs.map((job) => job.files)).to.deep.equal([
        ["test/unit/a.test.ts", "test/unit/c.test.ts"],
        ["test/integration/new.test.ts"],
        ["test/conformance/d.test.ts"],
        ["test/integration/b.test.ts"],
      ]);
    });

    it("find the files of a room, and a file by its name without the ending", () => {
      const own = "test/unit/runner/runner.test.ts";
      expect(testFiles(CHECKOUT, "test/unit/runner")).to.deep.equal([own]);
      expect(testFiles(CHECKOUT, "test/unit/runner/runner")).to.deep.equal([own]);
      expect(testFiles(CHECKOUT, own)).to.deep.equal([own]);
      expect(() => testFiles(CHECKOUT, "test/unit/nowhere")).to.throw("test/unit/nowhere");
    });
  });

  it("sums up in one line", () => {
    const sum = addCounts([
      { passed: 2, failed: 0, skipped: 0 },
      { passed: 1, failed: 3, skipped: 0 },
    ]);
    expect(sumLine(sum)).to.equal("3 passed, 3 failed");
    expect(sumLine({ passed: 1, failed: 0, skipped: 2 })).to.equal("1 passed, 0 failed, 2 skipped");
  });

  describe("one job", function () {
    this.timeout(60_000);
    let scratch: string;

    before(() => {
      mkdirSync(BASE, { recursive: true });
      scratch = mkdtempSync(join(BASE, "runner-"));
    });
    after(() => rmSync(scratch, { recursive: true, force: true }));

    let id = 0;
    async function outcome(code: string) {
      const file = join(scratch, `${++id}.test.ts`);
      writeFileSync(file, code);
      return runJob(CHECKOUT, { title: "sample", files: [relative(CHECKOUT, file)] }, scratch, id);
    }

    it("tells what passed, what failed and why, and what was skipped", async () => {
      const { result, output } = await outcome(`
        describe("outer", () => {
          it("is well", () => undefined);
          it("is not", () => { throw new Error("some reason"); });
          it.skip("is left out", () => undefined);
        });`);
      expect(result).to.include({ passed: 1, failed: 1, skipped: 1 });
      expect(result.failures).to.contain("some reason").and.contain("is not");
      expect(result.files.map(({ file, failed }) => [file.endsWith("1.test.ts"), failed])).to.deep.equal([[true, 1]]);
      expect(result.headlines).to.deep.equal(["outer is not: some reason"]);
      expect(output).to.contain("is well").and.not.contain("1 passed, 1 failed");
    });

    it("tells which command a test waited for that took too long, and what it said", async () => {
      const { result } = await outcome(`
        import { running } from ${JSON.stringify(join(CHECKOUT, "sandbox/engine/running"))};
        it("waits", function () {
          this.timeout(50);
          running.add({ command: "pulumi up", started: Date.now() - 7000, output: "waiting for a pod" });
          return new Promise(() => undefined);
        });`);
      expect(result.failures).to.contain("`pulumi up` has run for 7 s:").and.contain("waiting for a pod");
    });

    const wrong: [name: string, code: string, problem: string][] = [
      [
        "has a failing set-up",
        `describe("x", () => { before(() => { throw new Error("no cluster"); }); it("y", () => undefined); });`,
        "no cluster",
      ],
      ["runs no test", `describe("x", () => undefined);`, "no test ran"],
      ["crashes while loading", `throw new Error("at load");`, "before its tests were done"],
      [
        "ends in the middle",
        `describe("x", () => { it("y", () => process.exit(0)); });`,
        "exit code 0 before its tests were done",
      ],
      [
        "is killed",
        `describe("x", () => { it("y", () => { process.kill(process.pid, "SIGKILL"); return new Promise(() => undefined); }); });`,
        "signal SIGKILL",
      ],
      [
        "holds an exclusive test",
        `describe("x", () => { it.only("y", () => undefined); it("z", () => undefined); });`,
        "before its tests were done",
      ],
      [
        "is killed after its last test",
        `describe("x", () => { it("y", () => void setTimeout(() => process.kill(process.pid, "SIGKILL"), 500)); });`,
        "signal SIGKILL",
      ],
    ];
    for (const [name, code, problem] of wrong) {
      it(`that ${name} counts as failed`, async () => {
        const { result } = await outcome(code);
        expect(result.failed).to.equal(1);
        expect(result.failures).to.contain(problem);
        expect(result.headlines.join()).to.contain(problem);
      });
    }
  });
});
