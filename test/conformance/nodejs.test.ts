import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import type { ExecaChildProcess } from "execa";
import { Engine, PulumiError, secret } from "../../sandbox/engine";
import { Progress } from "../../sandbox/progress";
import { ensureTools, type Tools } from "../../sandbox/tools";

const fixtures = path.resolve(__dirname, "../fixtures");

describe("Node language host", function () {
  this.timeout(120_000);
  let tools: Tools;
  let scratch: string;

  before(async function () {
    this.timeout(0);
    tools = await ensureTools(Progress.silent());
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), "casa-upgrade-nodejs-"));
  });

  after(() => fs.rmSync(scratch, { recursive: true, force: true }));

  async function stackOf(program: string, config: Record<string, unknown> = {}): Promise<Engine> {
    const dir = fs.mkdtempSync(path.join(scratch, `${program}-`));
    const engine = new Engine({ tools, dir, projectDir: path.join(fixtures, "programs", program) });
    await engine.stackInit("dev");
    await engine.setConfig("dev", config);
    return engine;
  }

  describe("a program", () => {
    let engine: Engine;

    before(async () => {
      engine = await stackOf("outputs", {
        greeting: "hello",
        values: { a: { b: [1, "two"] } },
        password: secret("correct horse"),
        credentials: secret({ "dotted.key": ["battery staple"] }),
      });
    });

    it("is previewed as a dry run, and its log and stdout lines are shown", async () => {
      const { all } = await engine.preview("dev");
      expect(all).to.contain("a line of the log").and.contain("a line on stdout");
      expect(all).to.match(/dryRun\s*: true/);
    });

    it("gets configuration, project, stack, node arguments and folders, and returns outputs", async () => {
      expect((await engine.up("dev")).exitCode).to.equal(0);
      const program = path.join(fixtures, "programs/outputs");
      expect(await engine.outputs("dev")).to.deep.equal({
        greeting: "hello",
        password: "[secret]",
        credentials: "[secret]",
        values: { a: { b: [1, "two"] } },
        stack: "fixture/dev",
        dryRun: false,
        nodeArguments: ["--require", "esbuild-register"],
        directory: program,
        root: engine.projectDirectory,
      });
    });

    it("keeps a secret out of the state, the configuration file and what is printed", async () => {
      const { all } = await engine.up("dev");
      const { stdout: state } = await engine.pulumi(["stack", "export", "--stack", "dev"]);
      for (const text of [all, state, fs.readFileSync(engine.configFile("dev"), "utf8")]) {
        expect(text).not.to.contain("correct horse").and.not.contain("battery staple");
      }
      expect(await engine.outputs("dev", true)).to.deep.include({
        password: "correct horse",
        credentials: { "dotted.key": ["battery staple"] },
      });
    });

    it("changes nothing when run again", async () => {
      const { changes, counts } = await engine.previewSummary("dev");
      expect(changes).to.deep.equal([]);
      expect(counts).to.deep.equal({ same: 1 });
    });
  });

  describe("a program that fails", () => {
    const source = path.join(fixtures, "programs/failing/index.ts");

    it("shows a RunError once, without a stack trace and without a second message", async () => {
      const engine = await stackOf("failing", { how: "run-error" });
      const { all, exitCode } = await engine.preview("dev");
      expect(exitCode).not.to.equal(0);
      expect(diagnostics(all).match(/the chart cannot be read/g)).to.have.length(1);
      expect(diagnostics(all).match(/error:/g)).to.have.length(1);
      expect(all).not.to.contain("    at ");
    });

    it("shows another error with its place in the TypeScript source", async () => {
      const engine = await stackOf("failing", { how: "accident" });
      const { all } = await engine.preview("dev");
      expect(diagnostics(all).match(/an unexpected accident/g)).to.have.length(1);
      const line =
        fs
          .readFileSync(source, "utf8")
          .split("\n")
          .findIndex((text) => text.includes("an unexpected")) + 1;
      expect(all).to.contain(`failing/index.ts:${line}:`);
    });

    it("is reported by exit code when it said nothing", async () => {
      const engine = await stackOf("failing", { how: "exit-code" });
      const { all } = await engine.preview("dev");
      expect(all).to.contain("Program exited with non-zero exit code: 7");
    });

    it("can be thrown, with the whole output in the error", async () => {
      const engine = await stackOf("failing", { how: "run-error" });
      const error: unknown = await engine.up("dev", [], { reject: true }).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(PulumiError);
      expect(String(error)).to.contain("the chart cannot be read");
    });
  });

  describe("a run that is stopped", () => {
    let engine: Engine;
    let run: ExecaChildProcess;
    let program: number;
    let plugins: number[];

    beforeEach(async () => {
      engine = await stackOf("failing", { how: "hang" });
      run = engine.spawnUp("dev");
      program = await waitForProgram(run);
      plugins = childrenOf(run.pid ?? 0);
      expect(plugins).not.to.be.empty;
    });

    it("by an interrupt ends the program and everything else", async () => {
      run.kill("SIGINT");
      const { exitCode } = await run;
      expect(exitCode).not.to.equal(0);
      await allGone([program, ...plugins]);
    });

    it("by kill -9 of the engine ends the program and everything else, and cancel frees the stack", async () => {
      run.kill("SIGKILL");
      await run;
      await allGone([program, ...plugins]);
      const { all } = await engine.up("dev");
      expect(all).to.contain("the stack is currently locked");
      await engine.cancel("dev");
      await engine.setConfig("dev", { how: "run-error" });
      const again = await engine.up("dev");
      expect(again.all).to.contain("the chart cannot be read");
    });
  });

  describe("a policy pack", () => {
    const pack = ["--policy-pack", path.join(fixtures, "policies/no-greeting")];

    it("sees project, stack and configuration, and lets a good stack pass", async () => {
      const engine = await stackOf("outputs", { greeting: "hello", values: {}, password: secret("x") });
      const { all } = await engine.preview("dev", pack);
      expect(all).to.contain("checked 1 resources of fixture/dev");
      expect(all).to.contain("no-greeting@v0.0.1");
    });

    it("stops the preview of a stack that breaks a mandatory policy", async () => {
      const engine = await stackOf("outputs", { greeting: "forbidden", values: {}, password: secret("x") });
      const { all, exitCode } = await engine.preview("dev", pack);
      expect(exitCode).not.to.equal(0);
      expect(all).to.contain('fixture/dev must not greet with "forbidden"').and.contain("[mandatory]");
    });
  });

  describe("a provider written in TypeScript, with an error hook in the program", () => {
    it("is retried as long as the hook says so", async () => {
      const engine = await stackOf("hooks", { retries: 2 });
      const { all } = await engine.up("dev");
      expect(all).to.contain("hook saw: create one: attempt 1 failed").and.contain("attempt 2 failed");
      expect(await engine.outputs("dev")).to.deep.equal({ attempts: 3 });
    });

    it("fails when the hook gives up", async () => {
      const engine = await stackOf("hooks", { retries: 1 });
      const { all, exitCode } = await engine.up("dev");
      expect(exitCode).not.to.equal(0);
      expect(all).to.contain("attempt 2 failed").and.not.contain("attempt 3");
    });
  });

  it("serves several engines at once", async () => {
    const engines = await Promise.all(
      ["one", "two", "three"].map((greeting) =>
        stackOf("outputs", { greeting, values: {}, password: secret(greeting) }),
      ),
    );
    await Promise.all(engines.map((engine) => engine.up("dev")));
    const outputs = await Promise.all(engines.map((engine) => engine.outputs("dev")));
    expect(outputs.map(({ greeting }) => greeting)).to.deep.equal(["one", "two", "three"]);
  });
});

/** The part of the output after the progress lines. */
function diagnostics(output: string): string {
  return output.slice(output.indexOf("Diagnostics:"));
}

/** Waits until the hanging program runs, and resolves to its process id. */
async function waitForProgram(run: ExecaChildProcess): Promise<number> {
  let seen = "";
  return new Promise((resolve, reject) => {
    run.stdout?.on("data", (data: Buffer) => {
      seen += data.toString();
      const found = /waiting as process (\d+)/.exec(seen);
      if (found) resolve(Number(found[1]));
    });
    void run.then(({ all }) => reject(new Error(`ended early: ${all ?? ""}`)));
  });
}

/** Process ids of everything that descends from a process. */
function childrenOf(pid: number): number[] {
  const children = fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => statOf(Number(name))?.parent === pid)
    .map(Number);
  return children.flatMap((child) => [child, ...childrenOf(child)]);
}

function statOf(pid: number): { state: string; parent: number } | undefined {
  try {
    // The name in parentheses may hold spaces.
    const [state = "", parent = ""] = fs
      .readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return { state, parent: Number(parent) };
  } catch {
    return undefined;
  }
}

/** Resolves when no such process runs any more; throws after 3 s. */
async function allGone(pids: number[]): Promise<void> {
  const isRunning = (pid: number) => !["Z", undefined].includes(statOf(pid)?.state);
  for (let tries = 0; tries < 30 && pids.some(isRunning); tries++) await sleep(100);
  expect(pids.filter(isRunning)).to.deep.equal([]);
}
