import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { masObjects, toYaml } from "../fixtures/mas";
import { chartPath, mustSucceed, RELEASE_NAMESPACE, ROOT, type Run, World } from "../integration/world/world";
import { type Figure, json, median, misses, table } from "./figures";
import { emptyProgram } from "./floor";
import { largeCrdChart } from "./large-crds";
import { benchRestarts } from "./restarts";
import { watchUsage } from "./usage";

/**
 * `make bench`: each figure beside `helm` and `kubectl` by hand and beside a Pulumi program that declares nothing, in
 * one run on one cluster. Backups, gate, policies and review are on, as users have them. Prints a table in Markdown;
 * `JSON=<file>` writes the figures, `CHECK=1` ends with exit code 1 where a limit is missed, `ROUNDS` is how often each
 * is measured (default 5). `--upgrade`, `--large-crds`, `--restarts`: only that part.
 */
const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
const WORKLOADS = 6;
const [FROM, TO] = ["0.1.0", "0.2.0"];
/** In a database's pod. */
const DUMP = 'PGPASSWORD="$POSTGRES_PASSWORD" pg_dump --username "$POSTGRES_USER" "$POSTGRES_DB"';

async function main(): Promise<void> {
  const only = process.argv.find((arg) => arg.startsWith("--"));
  const figures: Figure[] = [];
  if (only === undefined || only === "--upgrade") figures.push(...(await inWorld(benchUpgrade, { postgres: true })));
  if (only === undefined || only === "--large-crds") figures.push(...(await inWorld(benchLargeCrds)));
  if (only === undefined || only === "--restarts") {
    const rows = await inWorld(async (world) => {
      await installed(world);
      return benchRestarts(world);
    });
    figures.push(...rows.map(([what, seconds]) => ({ what, seconds: [seconds] })));
  }
  console.log(table(figures));
  const file = process.env["JSON"];
  if (file) writeFileSync(file, `${json(figures)}\n`);
  const missed = figures.flatMap(misses);
  for (const text of missed) console.log(`missed: ${text}`);
  if (process.env["CHECK"] === "1" && missed.length > 0) process.exitCode = 1;
}

async function inWorld<T>(bench: (world: World) => Promise<T>, options: { postgres?: boolean } = {}): Promise<T> {
  const world = await World.open(options);
  console.log(world.engine.describePlugins());
  try {
    return await bench(world);
  } finally {
    await world.close();
  }
}

async function installed(world: World): Promise<void> {
  await world.helmInstall(FROM);
  await world.useVersion(FROM);
  mustSucceed(await world.up());
}

/** The upgrade with its restarts, preview and a repeated run, from one version to the next and back, in rounds. */
async function benchUpgrade(world: World): Promise<Figure[]> {
  const empty = await emptyProgram(world);
  await installed(world);
  await world.kubectl(
    ["apply", "-f", "-"],
    toYaml(masObjects({ workloads: WORKLOADS, replicas: 1, readyAfter: "3s" })),
  );
  await world.kubectl(["rollout", "status", "deployments", "-n", "mas-load", "--timeout=120s"]);
  const pack = ["--policy-pack", join(ROOT, "policies")];
  const times = { hand: [], floor: [], preview: [], one: [], again: [], three: [] } as Record<string, number[]>;
  const measure = async (name: string, run: () => Promise<unknown>) => times[name]?.push(await timed(run));
  for (let round = 0; round < ROUNDS; round++) {
    await measure("hand", () => byHand(world, TO));
    // Back to the start, the same way for both; then known to the stack, so that the measured run is only the upgrade.
    await byHand(world, FROM);
    await world.useVersion(FROM, { restarts: undefined });
    mustSucceed(await world.up());
    await world.useVersion(TO);
    if (round === 0) await acknowledgeAll(world, await world.preview(pack));
    await measure("floor", empty);
    await measure("preview", async () => mustSucceed(await world.preview(pack)));
    await measure("one", async () => mustSucceed(await world.up(pack)));
    await measure("again", async () => mustSucceed(await world.up(pack)));
    await world.useVersion(FROM, { restarts: { maxConcurrent: 3 } });
    // The way back, and half of the workloads at once: policies would refuse both.
    await measure("three", async () => mustSucceed(await world.up()));
    console.log(`round ${round + 1} of ${ROUNDS}: ${JSON.stringify(times)}`);
  }
  const of = (name: string) => times[name] ?? [];
  const floor = median(of("floor"));
  const hand = median(of("hand"));
  const what = `${WORKLOADS} workloads whose pods take 3 s`;
  return [
    {
      what: `by hand: pg_dump, kubectl apply of CRDs, helm upgrade --wait, kubectl rollout restart + status; ${what}`,
      seconds: of("hand"),
    },
    {
      what: `pulumi up, one at a time; ${what}`,
      seconds: of("one"),
      limit: { seconds: 1.12 * hand, of: "1.12 x by hand" },
    },
    { what: `pulumi up, back again, three at a time, without policies; ${what}`, seconds: of("three") },
    { what: "preview of a program that declares nothing", seconds: of("floor") },
    {
      what: "pulumi preview of the upgrade",
      seconds: of("preview"),
      limit:
        1.3 * floor > 3
          ? { seconds: 1.3 * floor, of: "1.3 x an empty program" }
          : { seconds: 3, of: "3 s; 1.3 x an empty program is less" },
    },
    { what: "pulumi up again, nothing to do", seconds: of("again"), limit: { seconds: 3.5, of: "3.5 s" } },
  ];
}

/** A preview of a chart with ten CRDs of half a megabyte each. */
async function benchLargeCrds(world: World): Promise<Figure[]> {
  const [before, after] = [largeCrdChart(world, "0.1.0"), largeCrdChart(world, "0.2.0")];
  const namespace = ["--namespace", RELEASE_NAMESPACE];
  await world.helm("install", "casa", before, ...namespace, "--create-namespace");
  const nothingElse = { restarts: { enabled: false }, migrationGate: { enabled: false } };
  await world.config({ chart: before, version: "0.1.0", ...nothingElse });
  mustSucceed(await world.up());
  await world.config({ chart: after, version: "0.2.0" });
  const plain: number[] = [];
  const seconds: number[] = [];
  let memoryMiB = 0;
  for (let round = 0; round < ROUNDS; round++) {
    plain.push(await timed(() => world.helm("upgrade", "casa", after, ...namespace, "--dry-run=server")));
    const start = Date.now();
    const { peakMiB } = await watchUsage(async () => mustSucceed(await world.preview()));
    seconds.push((Date.now() - start) / 1000);
    memoryMiB = Math.max(memoryMiB, peakMiB);
  }
  const what = "a chart with ten CRDs, 5 MB in all";
  return [
    { what: `helm upgrade --dry-run=server, ${what}`, seconds: plain },
    {
      ...{ what: `pulumi preview, ${what}`, seconds, memoryMiB, memoryLimitMiB: 600 },
      limit: { seconds: 8, of: "8 s" },
    },
  ];
}

/** The sample stack is unsafe on purpose; its owner accepts that for a week. */
async function acknowledgeAll(world: World, { text }: Run): Promise<void> {
  const week = new Date(Date.now() + 7 * 86_400_000).toISOString().slice(0, 10);
  const policies = new Set([...text.matchAll(/'acknowledge\.([a-z-]+)'/g)].map(([, policy = ""]) => policy));
  const accepted = [...policies].map((policy) => [policy, `${week} a bench`] as const);
  await world.config({ acknowledge: Object.fromEntries(accepted) });
}

/** The manual page, as far as it goes: dumps (nobody tries them), CRDs, chart, and the workloads one by one. */
async function byHand(world: World, version: string): Promise<void> {
  for (const database of ["auth", "keycloak"]) {
    const dump = ["exec", `deployment/casa-postgres-${database}`, "-n", RELEASE_NAMESPACE, "--", "sh", "-c", DUMP];
    writeFileSync(join(world.scratch, `${database}.sql`), await world.kubectl(dump));
  }
  const chart = chartPath(`casa-runtime-${version}`);
  await world.kubectl(["apply", "--server-side", "--force-conflicts", "-f", `${chart}/crds`]);
  await world.helm("upgrade", "casa", chart, "-n", RELEASE_NAMESPACE, "--wait");
  const names = await world.kubectl(["get", "deployments", "-n", "mas-load", "-o", "name"]);
  for (const name of names.split("\n")) {
    await world.kubectl(["rollout", "restart", name, "-n", "mas-load"]);
    await world.kubectl(["rollout", "status", name, "-n", "mas-load"]);
  }
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = Date.now();
  await run();
  return (Date.now() - start) / 1000;
}

main().then(
  () => process.exit(),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
