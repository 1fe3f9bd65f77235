import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect } from "chai";
import execa from "execa";
import { UserError } from "../../../shared/user-error";

const ROOT = resolve(__dirname, "../../..");

describe("helper programs", function () {
  this.timeout(30_000);
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), "helper-program-"))));
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs a helper program whose body is given, as a command of the upgrade does. */
  async function run(body: string, stdin: string, args = ["--context", "c"], more = "") {
    const file = join(folder, "program.ts");
    writeFileSync(
      file,
      `import { z } from ${JSON.stringify(join(ROOT, "node_modules/zod/index.js"))};
       import { runHelperProgram } from ${JSON.stringify(join(ROOT, "shared/helper-program"))};
       const job = z.strictObject({ name: z.string(), password: z.string().optional() });
       runHelperProgram("greet.ts", { job, run: async (context, job) => { ${body} }, ${more} });`,
    );
    const options = { cwd: ROOT, input: stdin, reject: false } as const;
    const { exitCode, stdout, stderr } = await execa("node", ["--require", "esbuild-register", file, ...args], options);
    return { exitCode, stdout, stderr };
  }

  it("take their job from stdin, tell what they do on stderr, and print the result as JSON on stdout", async () => {
    const done = await run('console.error("greeting"); return { greeted: job.name, in: context };', '{"name":"a"}');
    expect(done).to.deep.equal({ exitCode: 0, stdout: '{"greeted":"a","in":"c"}', stderr: "greeting" });
    expect(await run("return undefined;", '{"name":"a"}')).to.include({ exitCode: 0, stdout: "" });
  });

  it("end although connections are open, and print a large result whole", async () => {
    const body = 'setInterval(() => undefined, 1e6); return { text: "x".repeat(1e6) };';
    const { exitCode, stdout } = await run(body, '{"name":"a"}');
    expect(exitCode).to.equal(0);
    expect(stdout).to.have.lengthOf(1e6 + '{"text":""}'.length);
  });

  it("fail with their words, without a stack trace, on stderr or where they say", async () => {
    const failing = "throw new Error(`no ${job.name}`);";
    expect(await run(failing, '{"name":"a"}')).to.deep.equal({ exitCode: 1, stdout: "", stderr: "no a" });
    const words = "failure: (error) => `nothing was greeted: ${error.message}`, failureTo: 'stdout'";
    expect(await run(failing, '{"name":"a"}', undefined, words)).to.deep.equal({
      ...{ exitCode: 1, stdout: "nothing was greeted: no a", stderr: "" },
    });
  });

  it("say what is wrong with a job and not what it holds", async () => {
    const usage = "usage: greet.ts --context CONTEXT, with its job as JSON on stdin";
    const wrong = await run("return {};", '{"name":"a","password":{"secret":"hunter2"}}');
    expect(wrong).to.include({ exitCode: 1, stdout: "" });
    expect(wrong.stderr)
      .to.contain("the job on stdin is wrong: password: ")
      .and.contain(usage)
      .and.not.contain("hunter2");
    const cut = await run("return {};", '{"name":"hunter2');
    expect(cut.stderr).to.equal(`the job on stdin is not JSON\n${usage}`);
    expect((await run("return {};", '{"name":"a"}', [])).stderr).to.equal(usage);
  });

  it("end with 1 when they stop without having said that they succeeded", async () => {
    expect(await run("await new Promise(() => undefined);", '{"name":"a"}')).to.include({ exitCode: 1, stdout: "" });
  });
});

describe("errors for users", () => {
  it("are the problem and its fix, in one form", () => {
    const error = new UserError("chart", "the chart is broken", "repair it");
    expect(error).to.include({ code: "chart", problem: "the chart is broken", fix: "repair it" });
    expect(error.message).to.equal("the chart is broken\n  Fix: repair it");
    expect(new UserError("usage", "which one?").message).to.equal("which one?");
  });
});
