import { appendFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { version as sdkVersion } from "@pulumi/pulumi/package.json";
import { expect } from "chai";
import execa from "execa";
import { Engine, secret } from "../../../sandbox/engine";
import { Progress } from "../../../sandbox/progress";
import { ensureTools } from "../../../sandbox/tools";
import { LANGUAGE_HOSTS } from "../../../sandbox/tools/catalog";
import { demoObjects, toYaml } from "../../fixtures/mas";
import { chartPath, mustSucceed, ROOT, type Run, World } from "../world/world";

/** The programs are those of docs/component.md, as copied. */
const DOCS = readFileSync(join(ROOT, "docs/component.md"), "utf8");

function program(language: string): string {
  const [, text] = new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(DOCS) ?? [];
  if (text === undefined) throw new Error(`docs/component.md has no program in ${language}`);
  return text;
}

const PROGRAMS = {
  typescript: { runtime: "nodejs", file: "index.ts" },
  yaml: { runtime: "yaml", file: "Main.yaml" },
  python: { runtime: "python", file: "__main__.py" },
};
const PASSWORD = "postgres";

/** What the package holds besides its bundles and types. */
const FILES = [
  ...["LICENSE", "PulumiPlugin.yaml", "README.md", "package.json"],
  ...["bundle/cached-code.cjs", "bundle/load.cjs", "bundle/main.cjs", "bundle/program.cjs"],
  ...["cli/bin.cjs", "cli/no-settings.json", "docs/review.schema.json", "package/schema.json"],
  ...["PulumiPolicy.yaml", "dist/index.cjs", "index.cjs", "package.json"].map((file) => `policies/${file}`),
];
/** 2.6 MB when it was made; much more is something that does not belong there. */
const MOST_BYTES = 4_000_000;

/**
 * One stack of one runtime, upgraded by this repository's program first, then by programs of others: in TypeScript from
 * the npm package, in YAML and in Python through the Pulumi package.
 */
describe("the package in programs of others", function () {
  this.timeout(600_000);
  let world: World;
  let tarball: string;
  let python: string;
  let pythonProblem: string | undefined;

  before(async () => {
    world = await World.open({ postgres: true });
    await world.helmInstall("0.1.0");
    await world.kubectl(["apply", "-f", "-"], toYaml(demoObjects({ policies: false })));
    await world.helm(
      ...[
        "install",
        "second",
        chartPath("casa-runtime-0.1.0"),
        "--namespace",
        "second",
        "--create-namespace",
        "--wait",
      ],
    );
    await ensureTools(new Progress(), LANGUAGE_HOSTS);
    python = join(world.scratch, "venv/bin/python");
    pythonProblem = await installPython().catch((error: unknown) => (error as execa.ExecaError).shortMessage);
  });
  after(async () => world?.close());

  /** Python's Pulumi SDK, from its own registry. @returns undefined; throws where there is no Python for it. */
  async function installPython(): Promise<undefined> {
    await execa("python3", ["-m", "venv", join(world.scratch, "venv")]);
    await execa(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", `pulumi==${sdkVersion}`]);
  }

  /** Writes the program, for the same project and stack. */
  function folderOf(language: keyof typeof PROGRAMS, text = program(language)): string {
    const folder = join(world.scratch, language);
    const { runtime, file } = PROGRAMS[language];
    mkdirSync(folder, { recursive: true });
    const project = join(folder, "Pulumi.yaml");
    if (!existsSync(project)) writeFileSync(project, `name: casa-upgrade\nruntime: ${runtime}\n`);
    writeFileSync(join(folder, file), text);
    return folder;
  }

  /** The stack's engine, with another program. */
  function engineFor(folder: string): Engine {
    const env = { KUBECONFIG: world.cluster.kubeconfig, CASA_UPGRADE_PYTHON: python };
    return new Engine({ tools: world.tools, dir: world.scratch, env, projectDir: folder });
  }

  async function runIn(folder: string, command: "preview" | "up", ...args: string[]): Promise<Run> {
    const { exitCode, all } = await engineFor(folder)[command](world.stack, args);
    return { ok: exitCode === 0, text: all };
  }

  const installed = () => join(world.scratch, "typescript/node_modules/casa-upgrade");

  async function chartsOf(release: string, namespace: string): Promise<string[]> {
    const history = await world.helm("history", release, "-n", namespace, "-o", "json");
    return (JSON.parse(history) as { chart: string; status: string }[]).map(
      ({ chart, status }) => `${chart} ${status}`,
    );
  }

  /** Sets the chart, by a path that is the same wherever the program is. */
  const useVersion = (version: string) =>
    world.config({ chart: join(ROOT, chartPath(`casa-runtime-${version}`)), version });

  it("is packed with what is needed and nothing else", async () => {
    const pack = ["pack", "--ignore-scripts=false", "--json", "--pack-destination", world.scratch];
    const { stdout } = await execa("npm", pack, { cwd: ROOT });
    const [packed] = JSON.parse(stdout.slice(stdout.indexOf("["))) as [
      { filename: string; size: number; unpackedSize: number; files: { path: string }[] },
    ];
    tarball = join(world.scratch, packed.filename);
    console.log(`      ${packed.filename}: ${packed.size} bytes, ${packed.unpackedSize} unpacked`);
    const generated = /^dist\/(?!index\.)([a-z-]+\.cjs|types\/[a-z/-]+\.d\.ts)$/;
    const others = packed.files.map(({ path }) => path).filter((path) => !generated.test(path));
    expect(others.sort()).to.deep.equal([...FILES].sort());
    expect(packed.size).to.equal(statSync(tarball).size).and.to.be.lessThan(MOST_BYTES);
  });

  it("has entries and types that every way to load it finds", async () => {
    await execa("npx", ["publint", "run", tarball, "--strict"], { cwd: ROOT });
    await execa("npx", ["attw", tarball], { cwd: ROOT });
  });

  it("runs its command line from an empty folder", async () => {
    const app = folderOf("typescript");
    writeFileSync(join(app, "package.json"), '{ "name": "app", "private": true }');
    const install = ["install", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", tarball];
    await execa("npm", install, { cwd: app });
    const { stdout } = await execa("npx", ["casa-upgrade", "--help"], { cwd: app });
    expect(stdout).to.contain("Usage: casa-upgrade");
  });

  it("takes over the stack of this repository's program without a change", async () => {
    // The password is the one that the chart has anyway, so nothing changes by it.
    const secretValues = secret({ postgresAuth: { password: PASSWORD } });
    await world.config({ kubeconfig: undefined, restarts: { maxConcurrent: 5 }, secretValues });
    await useVersion("0.1.0");
    mustSucceed(await world.up());
    await world.config({ password: secret(PASSWORD) });
    const run = mustSucceed(await runIn(folderOf("typescript"), "preview", "--expect-no-changes"));
    expect(run.text).to.match(/\d+ unchanged/);
  });

  it("upgrades two releases from a TypeScript program, one after the other", async () => {
    const second = `
new CasaUpgrade(
  "second",
  {
    context: config.require("context"),
    chart: config.require("chart"),
    version: config.require("version"),
    ...{ release: "second", namespace: "second", backup: { enabled: false }, restarts: { enabled: false } },
  },
  { dependsOn: upgrade },
);
`;
    const app = folderOf("typescript", program("typescript") + second);
    await useVersion("0.2.0");
    const preview = mustSucceed(await runIn(app, "preview"));
    expect(preview.text).to.contain("release casa-runtime/casa").and.contain("release second/second");
    expect(preview.text).to.contain("restarts: 5 workloads, 5 at a time");
    // Each CRD is adopted by the second one only if it reads the cluster after the first one is done.
    mustSucceed(await runIn(app, "up"));
    expect(await engineFor(app).outputs(world.stack)).to.deep.equal({ versions: { before: "0.1.0", after: "0.2.0" } });
    expect(await chartsOf("casa", "casa-runtime")).to.include("casa-runtime-0.2.0 deployed");
    expect(await chartsOf("second", "second")).to.include("casa-runtime-0.2.0 deployed");
    const state = JSON.stringify(await engineFor(app).state(world.stack));
    expect(state).to.contain("node node_modules/casa-upgrade/bundle/program.cjs backup --context");
    expect(state).not.to.contain(ROOT + "/bundle");
  });

  it("goes on in YAML, from the installed package: no change, policies, an upgrade", async () => {
    const second = `
  second:
    type: casa-upgrade:CasaUpgrade
    properties:
      context: \${context}
      chart: \${chart}
      version: \${version}
      release: second
      namespace: second
      backup: { enabled: false }
      restarts: { enabled: false }
    options: { dependsOn: ["\${casa}"] }
outputs:`;
    const folder = folderOf("yaml", program("yaml").replace("\noutputs:", second));
    appendFileSync(join(folder, "Pulumi.yaml"), `packages:\n  casa-upgrade: ${installed()}\n`);
    mustSucceed(await runIn(folder, "preview", "--expect-no-changes"));

    await useVersion("0.3.0");
    const judged = await runIn(folder, "preview", "--policy-pack", join(installed(), "policies"));
    expect(judged.ok).to.equal(false);
    for (const upgrade of ["casa", "second"]) {
      expect(judged.text).to.match(new RegExp(`UpgradeReview.*${upgrade}-review`));
    }
    expect(judged.text).to.match(/\[mandatory\]/);

    mustSucceed(await runIn(folder, "up"));
    const versions = { before: "0.2.0", after: "0.3.0" };
    expect(await engineFor(folder).outputs(world.stack)).to.deep.equal({ versions });
    expect(await chartsOf("second", "second")).to.include("casa-runtime-0.3.0 deployed");
  });

  it("goes on in Python, from a checkout: no change, another value, a refusal in one error", async function () {
    if (pythonProblem !== undefined) {
      console.log(`      not tried: ${pythonProblem}`);
      this.skip();
    }
    const second = `
casa.CasaUpgrade(
    "second",
    context=config.require("context"),
    chart=config.require("chart"),
    version=config.require("version"),
    release="second",
    namespace="second",
    backup=casa.BackupArgs(enabled=False),
    restarts=casa.RestartsArgs(enabled=False),
    opts=pulumi.ResourceOptions(depends_on=[upgrade]),
)
`;
    const folder = folderOf("python", program("python") + second);
    await engineFor(folder).packageAdd(ROOT, folder);
    await execa(python, ["-m", "pip", "install", "--quiet", join(folder, "sdks/casa-upgrade")]);
    mustSucceed(await runIn(folder, "preview", "--expect-no-changes"));

    const other = program("python").replace(
      "    restarts=",
      '    values={"authService": {"replicaCount": 2}},\n    restarts=',
    );
    folderOf("python", other + second);
    mustSucceed(await runIn(folder, "up"));
    const { spec } = await world.json<{ spec: { replicas: number } }>(
      "deployment/casa-auth-service",
      "-n",
      "casa-runtime",
    );
    expect(spec.replicas).to.equal(2);

    folderOf("python", other.replace("max_concurrent=5", "max_concurrent=0"));
    const refused = await runIn(folder, "preview");
    expect(refused.ok).to.equal(false);
    expect(refused.text).to.contain('CasaUpgrade "casa" has its configuration from its arguments');
    const told = refused.text.slice(refused.text.indexOf("Diagnostics:"));
    expect(told.split("restarts.maxConcurrent: is 0")).to.have.length(2);
  });
});
