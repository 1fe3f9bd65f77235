import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import execa from "execa";
import { parseCommand } from "../../../cli/arguments";
import type { Shell } from "../../../cli/completion";

const SHELLS = ["bash", "zsh", "fish"] as const;

describe("shell completion", function () {
  this.timeout(30_000);
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), "casa-upgrade-completion-"))));
  after(() => rmSync(folder, { recursive: true, force: true }));

  function script(shell: Shell): string {
    const command = parseCommand(["completion", shell]);
    if (!("text" in command)) throw new Error("no script");
    return command.text;
  }

  /** What bash offers for a line that ends where the cursor is. */
  async function offered(line: string): Promise<string[]> {
    const file = join(folder, "bash");
    writeFileSync(file, script("bash"));
    const words = line.split(" ");
    const run = `. ${file}; COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}; _casa_upgrade; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = await execa("bash", ["--norc", "-c", run], { cwd: folder });
    return stdout.split("\n");
  }

  it("bash: commands, then their options, then the values of those that have a few", async () => {
    expect(await offered("casa-upgrade pl")).to.deep.equal(["plan"]);
    expect(await offered("casa-upgrade -s production r")).to.deep.equal(["rollback", "restore"]);
    expect(await offered("casa-upgrade plan --o")).to.deep.equal(["--out"]);
    expect(await offered("casa-upgrade -C a history --j")).to.deep.equal(["--json"]);
    expect(await offered("casa-upgrade permissions --role ")).to.deep.equal(["review", "upgrade"]);
    expect(await offered("casa-upgrade completion z")).to.deep.equal(["zsh"]);
  });

  it("bash: files where an option takes one", async () => {
    writeFileSync(join(folder, "plan.json"), "");
    expect(await offered("casa-upgrade up --plan pl")).to.deep.equal(["plan.json"]);
  });

  for (const shell of SHELLS) {
    it(`${shell}: the script has no mistake in it`, async function () {
      const file = join(folder, shell);
      writeFileSync(file, script(shell));
      const run = await execa(shell, ["-n", file], { reject: false });
      if ((run as { code?: string }).code === "ENOENT") {
        console.log(`      ${shell} is not installed here`);
        this.skip();
      }
      expect(run.stderr).to.equal("");
      expect(run.exitCode).to.equal(0);
    });

    it(`${shell}: every command is in it`, () => {
      for (const name of ["plan", "up", "history", "rollback", "restore", "permissions"]) {
        expect(script(shell)).to.contain(name);
      }
    });
  }
});
