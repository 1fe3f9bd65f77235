import * as fs from "node:fs";
import * as path from "node:path";
import execa from "execa";
import { demoObjects, toYaml } from "../test/fixtures/mas";
import { startCluster, type Cluster } from "./cluster/cluster";
import { Engine } from "./engine";
import { CHECKOUT, STATE_DIR } from "./paths";
import { Progress } from "./progress";
import { runSql } from "./postgres";
import { ensureSystemPackages } from "./system";
import { installIstioCrds, startIstiod } from "./istio";
import { ensureTools, toolIfBuilt, type Tools } from "./tools";
import { ISTIOD } from "./tools/catalog";

/**
 * The main job, end to end: a CASA runtime that was installed the manual way is adopted, previewed and upgraded by
 * Pulumi on a real API server. Nothing is left running, unless KEEP=1.
 */
const STACK = "demo";
const NAMESPACE = "casa-runtime";
const chart = (version: string) => `test/fixtures/charts/casa-runtime-${version}`;
/** The project's own policies. */
const POLICIES = ["--policy-pack", path.join(CHECKOUT, "policies")];
/** The rules of the documentation. */
const MIGRATIONS = "docs/examples/custom-resource-migrations.yaml";
const KEEP = process.env["KEEP"] === "1";

async function main(): Promise<void> {
  const progress = new Progress();
  const started = Date.now();
  await ensureSystemPackages(progress);
  const tools = await ensureTools(progress);
  const dir = path.join(STATE_DIR, "demo");
  fs.rmSync(dir, { recursive: true, force: true });
  const cluster = await startCluster(tools, { postgres: true, detached: KEEP, progress });
  const engine = new Engine({ tools, dir, env: { KUBECONFIG: cluster.kubeconfig } });
  console.log(engine.describePlugins());
  const istio = process.env["ISTIO"] === "0" ? undefined : await toolIfBuilt(ISTIOD);
  console.log(istio ? "Istio: its real control plane" : `Istio: none (${withoutIstio()})`);
  try {
    if (istio) {
      await installIstioCrds(cluster, tools);
      await startIstiod(cluster, tools, istio);
    }
    await story(tools, cluster, engine, dir, istio !== undefined);
    const seconds = ((Date.now() - started) / 1000).toFixed(0);
    console.log(`\nDone in ${seconds} s. A first upgrade of a real cluster: see README.md.`);
    console.log(`What its reviewer saw, for a browser: ${path.join(dir, "review", "plan.html")}`);
    if (KEEP) console.log(`The cluster stays: export KUBECONFIG=${cluster.kubeconfig}; make stop NAME=${cluster.name}`);
  } finally {
    if (!KEEP) await cluster.stop();
  }
}

function withoutIstio(): string {
  return process.env["ISTIO"] === "0" ? "ISTIO=0" : "not built; CASA_UPGRADE_ISTIO=1 make setup builds it";
}

async function story(tools: Tools, cluster: Cluster, engine: Engine, dir: string, istio: boolean): Promise<void> {
  const run = (tool: "helm" | "kubectl", args: string[], input?: string) => shell(tools, cluster, tool, args, input);

  title("The runtime as somebody installed it by hand, and two systems that use it");
  await run("helm", ["install", "casa", chart("0.1.0"), "-n", NAMESPACE, "--create-namespace", "--wait"]);
  await run("kubectl", ["apply", "-f", "-"], toYaml(demoObjects({ policies: false })));
  for (const namespace of ["mas-travel", "mas-finance"]) {
    await run("kubectl", ["rollout", "status", "deployments,statefulsets", "-n", namespace]);
  }

  title("What the databases hold");
  await fill(cluster);

  title("The stack: which cluster, which version, the values of the installed release");
  await engine.stackInit(STACK);
  await engine.setConfig(STACK, {
    context: cluster.context,
    chart: chart("0.2.0"),
    version: "0.2.0",
    restarts: { maxConcurrent: 2 },
    backup: { destination: path.join(dir, "backups") },
  });
  console.log(fs.readFileSync(engine.configFile(STACK), "utf8").trim());

  title("pulumi preview: the policies refuse what is unsafe");
  await refusedPreview(engine);

  title("What it says is repaired: a second Keycloak, so that nobody is locked out while one is replaced");
  console.log("$ pulumi config set --path values.keycloak.replicaCount 2");
  await engine.pulumi(["config", "set", "--stack", STACK, "--path", "values.keycloak.replicaCount", "2"]);
  await refusedPreview(engine);

  title("For the rest somebody takes responsibility, for a day");
  const today = new Date().toISOString().slice(0, 10);
  const entry = ["acknowledge.keycloak-clustered", `${today} maintenance window for the demo`];
  console.log(`$ pulumi config set --path '${entry[0]}' '${entry[1]}'`);
  await engine.pulumi(["config", "set", "--stack", STACK, "--path", ...entry]);

  title("pulumi preview: what a reviewer sees; nothing changes");
  const preview = await engine.preview(STACK, POLICIES);
  console.log(readable(preview.all));
  if (preview.exitCode !== 0) throw new Error("the preview failed");

  title("The same as a report");
  await report(engine, path.join(dir, "review"));

  title("pulumi up: a verified backup, CRDs, the chart, its migration, then the workloads, two at a time");
  const update = engine.spawnUp(STACK, POLICIES);
  update.stdout?.on("data", (chunk: Buffer) => process.stdout.write(readable(chunk.toString())));
  const result = await update;
  if (result.exitCode !== 0) throw new Error(`pulumi up failed:\n${result.stderr}`);

  title("What the cluster says");
  await run("helm", ["history", "casa", "-n", NAMESPACE]);
  await run("kubectl", ["get", "crds", "multiagentsystems.casa.io", "casapolicies.casa.io"]);
  const stamp = "STAMP:.spec.template.metadata.annotations.casa-upgrade\\.dev/config-stamp";
  const columns = `custom-columns=NAMESPACE:.metadata.namespace,NAME:.metadata.name,AVAILABLE:.status.availableReplicas,${stamp}`;
  for (const namespace of ["mas-travel", "mas-finance"]) {
    await run("kubectl", ["get", "deployments,statefulsets", "-n", namespace, "-o", columns]);
  }

  if (istio) {
    console.log("Who injected the proxies of their pods:");
    const of = `custom-columns=NAMESPACE:.metadata.namespace,POD:.metadata.name,REVISION:.metadata.annotations.istio\\.io/rev`;
    for (const namespace of ["mas-travel", "mas-finance"])
      await run("kubectl", ["get", "pods", "-n", namespace, "-o", of]);
  }

  title("pulumi up again: nothing changes");
  console.log(readable((await engine.up(STACK, [...POLICIES, "--expect-no-changes"])).all));

  await fieldThatGoes(engine, run);
}

/** The next version, whose CRD renames one field that objects use and drops another. */
async function fieldThatGoes(engine: Engine, run: (tool: "kubectl", args: string[]) => Promise<void>): Promise<void> {
  const columns = "custom-columns=NAME:.metadata.name,REALM:.spec.realm,KEYCLOAKREALM:.spec.keycloakRealm";
  const look = () => run("kubectl", ["get", "multiagentsystems.casa.io", "-A", "-o", columns]);
  title("The next version: its CRD no longer has two fields that objects use");
  await look();
  await engine.setConfig(STACK, { chart: chart("0.3.0"), version: "0.3.0" });
  await refusedPreview(engine);

  title("Rules say what becomes of the fields: one is renamed, one may go");
  console.log(`$ pulumi config set customResourceMigrations ${MIGRATIONS}`);
  await engine.setConfig(STACK, { customResourceMigrations: MIGRATIONS });
  const update = await engine.up(STACK, POLICIES);
  console.log(readable(update.all));
  if (update.exitCode !== 0) throw new Error("the second upgrade failed");
  await look();
}

/** Rows, so that a backup has something to compare. */
async function fill(cluster: Cluster): Promise<void> {
  const tables = [
    ["auth", "grants", 2_000],
    ["keycloak", "sessions", 500],
  ] as const;
  for (const [database, table, rows] of tables) {
    const sql = `CREATE TABLE ${table} AS SELECT i AS id, md5(i::text) AS value FROM generate_series(1, ${rows}) i;`;
    await runSql(cluster.postgresEnv ?? {}, sql, database);
    console.log(`${database}: ${rows} rows in ${table}`);
  }
}

async function refusedPreview(engine: Engine): Promise<void> {
  const { all, exitCode } = await engine.preview(STACK, POLICIES);
  console.log(policyPart(all));
  if (exitCode === 0) throw new Error("the policies should have refused this upgrade");
}

/** `casa-upgrade plan`; exit code 2 says that there are changes. */
async function report(engine: Engine, out: string): Promise<void> {
  console.log(`$ casa-upgrade plan --out ${path.relative(CHECKOUT, out)}`);
  const args = ["plan", "--out", out, "-C", engine.projectDirectory, "-s", STACK];
  const { exitCode, all } = await execa("node", [path.join(CHECKOUT, "cli/bin.cjs"), ...args], {
    env: engine.environment,
    extendEnv: false,
    reject: false,
    all: true,
  });
  if (exitCode !== 2) throw new Error(`the plan failed:\n${all ?? ""}`);
  console.log(/^written: .*$/m.exec(all ?? "")?.[0] ?? all);
}

/** Runs a command, shown as a user would type it. */
async function shell(tools: Tools, cluster: Cluster, tool: "helm" | "kubectl", args: string[], input?: string) {
  console.log(`$ ${tool} ${args.join(" ")}`);
  const { all } = await execa(tools.path(tool), ["--kubeconfig", cluster.kubeconfig, ...args], {
    cwd: CHECKOUT,
    input,
    all: true,
  });
  console.log((all ?? "").trimEnd());
}

function title(text: string): void {
  console.log(`\n=== ${text} ===`);
}

/** Of a refused preview, what the policies said. */
function policyPart(text: string): string {
  return (/^Policies:\n[\s\S]*?(?=\n\n\S)/m.exec(text)?.[0] ?? readable(text)).trimEnd();
}

/** The engine's output without the dots of its progress display for terminals that cannot redraw. */
function readable(text: string): string {
  return text.replace(/^@ .*\n+/gm, "");
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
