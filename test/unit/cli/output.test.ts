import { join } from "node:path";
import { expect } from "chai";
import execa from "execa";

describe("what casa-upgrade prints", function () {
  this.timeout(60_000);
  const bin = join(__dirname, "../../../cli/bin.cjs");
  const { NO_COLOR: _no, FORCE_COLOR: _force, ...plain } = process.env;
  const run = (args: string[], env: NodeJS.ProcessEnv = {}) =>
    execa("node", [bin, ...args], { env: { ...plain, ...env }, extendEnv: false, reject: false });

  it("has no colours where it goes into a pipe, nor with NO_COLOR, and has them where they are asked for", async () => {
    const runs = [
      await run(["plna"]),
      await run(["plna"], { NO_COLOR: "1" }),
      await run(["plna"], { FORCE_COLOR: "1" }),
    ];
    expect(runs.map(({ exitCode }) => exitCode)).to.deep.equal([1, 1, 1]);
    expect(runs.map(({ stderr }) => stderr.split("\x1b").length > 1)).to.deep.equal([false, false, true]);
    expect(runs[0]?.stderr).to.contain('error: there is no command "plna"; did you mean: casa-upgrade plan');
  });

  it("with --json a failure is JSON on stdout, and the same words on stderr", async () => {
    const { stdout, stderr, exitCode } = await run(["plan", "--json", "-C", "/nowhere"]);
    expect(exitCode).to.equal(1);
    const parsed = JSON.parse(stdout) as { error: { code: string; problem: string; fix: string } };
    expect(parsed.error.code).to.be.oneOf(["stack", "tool-missing"]);
    expect(stderr).to.contain(`error: ${parsed.error.problem}`);
    const unknown = await run(["plan", "--json", "--nonsense"]);
    expect(JSON.parse(unknown.stdout)).to.have.nested.property("error.code", "usage");
  });

  it("help and completion go to stdout", async () => {
    const [help, completion] = [await run(["up", "--help"]), await run(["completion", "bash"])];
    expect(help.stdout).to.contain("Usage: casa-upgrade up");
    expect(completion.stdout).to.contain("complete -o filenames");
    expect([help.exitCode, completion.exitCode]).to.deep.equal([0, 0]);
  });
});
