import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect } from "chai";
import execa from "execa";

const ROOT = resolve(__dirname, "../../..");

/** A small project with our own loader. */
describe("bundles", function () {
  this.timeout(60_000);
  let project: string;

  beforeEach(() => {
    project = mkdtempSync(join(tmpdir(), "bundles-"));
    cpSync(join(ROOT, "bundle"), join(project, "bundle"), { recursive: true });
    for (const room of ["config", "shared", "policies"]) mkdirSync(join(project, room));
    cpSync(join(ROOT, "shared/stack-traces.ts"), join(project, "shared/stack-traces.ts"));
    for (const file of ["package-lock.json", "tsconfig.json"]) cpSync(join(ROOT, file), join(project, file));
    symlinkSync(join(ROOT, "node_modules"), join(project, "node_modules"));
    write(
      "bundle/entries.json",
      '{ "index": "index.ts", "policies": "policies/index.ts", "greet": "config/greet.ts" }',
    );
    write("policies/index.ts", "export {};\n");
    write("shared/word.ts", 'export const word: string = "one";\n');
    write("config/greet.ts", 'import { word } from "../shared/word";\nconsole.log(word, ...process.argv.slice(2));\n');
    write("index.ts", "export {};\n");
  });
  afterEach(() => rmSync(project, { recursive: true, force: true }));

  const write = (file: string, text: string) => writeFileSync(join(project, file), text);
  const greet = (...args: string[]) =>
    execa("node", ["bundle/program.cjs", "greet", ...args], { cwd: project, reject: false });
  const madeAt = () => statSync(join(project, "dist/greet.cjs")).mtimeMs;

  it("are made at the first run, kept as long as no source changes, and made anew after that", async () => {
    expect((await greet("--context", "c")).stdout).to.equal("one --context c");
    const first = madeAt();
    expect((await greet()).stdout).to.equal("one");
    expect(madeAt()).to.equal(first);
    write("shared/word.ts", 'export const word: string = "another";\n');
    expect((await greet()).stdout).to.equal("another");
    expect(madeAt()).to.be.greaterThan(first);
  });

  it("are made by several at the same time", async () => {
    const runs = await Promise.all([greet(), greet(), greet()]);
    expect(runs.map(({ stdout }) => stdout)).to.deep.equal(["one", "one", "one"]);
  });

  it("name the source that cannot be read, and how to go on", async () => {
    write("shared/word.ts", "export const word = ;\n");
    const { exitCode, stderr, stdout } = await greet();
    expect(exitCode).to.equal(1);
    expect(stdout).to.equal("");
    expect(stderr).to.contain("the program cannot be bundled: ").and.contain("shared/word.ts:1:");
    expect(stderr).to.contain("Fix: npm ci");
  });

  it("run as they are where there are no sources", async () => {
    await greet();
    rmSync(join(project, "index.ts"));
    rmSync(join(project, "shared"), { recursive: true });
    expect((await greet()).stdout).to.equal("one");
  });

  it("keep the code that V8 made, of the newest bundle only, and go on where it may not be kept or is spoilt", async () => {
    const kept = () => readdirSync(join(project, "dist")).filter((file) => /^greet\.cjs\.v.*\.code$/.test(file));
    await greet();
    const [first = ""] = kept();
    expect(first).not.to.equal("");
    write("shared/word.ts", 'export const word: string = "another";\n');
    expect((await greet()).stdout).to.equal("another");
    const [second = "", ...others] = kept();
    expect(others).to.deep.equal([]);
    expect(second).not.to.equal(first);
    write(`dist/${second}`, "no code");
    expect((await greet()).stdout).to.equal("another");
    expect(statSync(join(project, "dist", second)).size).to.be.greaterThan(100);
    rmSync(join(project, "dist", second));
    mkdirSync(join(project, "dist", second)); // in its place, nothing can be written or read
    expect((await greet()).stdout).to.equal("another");
  });

  it("load what is large in the SDK only when it is asked for", async () => {
    const large = "/typescript/lib/typescript.js|/arborist/lib/index.js|/pulumi/automation/index.js";
    const loaded = `Object.keys(require.cache).filter((file) => new RegExp(${JSON.stringify(large)}).test(file)).length`;
    write(
      "config/greet.ts",
      `import * as pulumi from "@pulumi/pulumi";\nconsole.log(typeof pulumi.Output, ${loaded});\n`,
    );
    expect((await greet()).stdout).to.equal("function 0");
    write(
      "config/greet.ts",
      'import * as pulumi from "@pulumi/pulumi";\nconsole.log(typeof pulumi.automation.LocalWorkspace);\n',
    );
    expect((await greet()).stdout).to.equal("function");
  });

  it("tell lines of the source in stack traces", async () => {
    write(
      "config/greet.ts",
      'import "../shared/stack-traces";\n\nfunction fails(): void {\n  throw new Error("accident");\n}\nfails();\n',
    );
    const { stderr } = await greet();
    expect(stderr).to.contain(`at fails (${join(project, "config/greet.ts")}:4:9)`);
  });
});
