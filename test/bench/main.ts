import { masObjects, toYaml } from "../fixtures/mas";
import { benchRestarts } from "./restarts";
import { mustSucceed, RELEASE_NAMESPACE, World, chartPath } from "../integration/world/world";

/**
 * `make bench`: the upgrade with its restarts beside the plain helm + kubectl way, in the same run on the same cluster,
 * the time of a preview with 10 and with 100 workloads, and restarts whose pods take differently long (only these:
 * `--restarts`). Prints figures, judges nothing.
 */
const WORKLOADS = 6;

async function main(): Promise<void> {
  const world = await World.open();
  console.log(world.engine.describePlugins());
  try {
    const rows: [string, string][] = [];
    const record = (what: string, seconds: number) => rows.push([what, `${seconds.toFixed(1)} s`]);
    await world.helmInstall("0.1.0");
    await world.useVersion("0.1.0");
    mustSucceed(await world.up());
    for (const [what, seconds] of await benchRestarts(world)) record(what, seconds);
    if (process.argv.includes("--restarts")) return print(rows);
    // A stack and a cluster as if that had not been.
    await world.kubectl(["delete", "namespace", "mas-mixed"]);
    await world.config({ restarts: undefined });
    mustSucceed(await world.up());
    await deploy(world, WORKLOADS);

    const byHand = `by hand: kubectl apply CRDs, helm upgrade --wait, ${WORKLOADS} x kubectl rollout restart + status`;
    const hand = await timed(() => upgradeByHand(world, "0.2.0"));
    record(byHand, hand);

    // Back to the start, the same way for both; then known to the stack, so that the measured run is only the upgrade.
    await upgradeByHand(world, "0.1.0");
    mustSucceed(await world.up());
    await world.useVersion("0.2.0");
    record(
      `pulumi up, maxConcurrent 1, ${WORKLOADS} workloads`,
      await timed(async () => mustSucceed(await world.up())),
    );
    record("pulumi up again, nothing to do", await timed(async () => mustSucceed(await world.up())));
    await world.useVersion("0.1.0", { restarts: { maxConcurrent: 3 } });
    record(
      `pulumi up, maxConcurrent 3, ${WORKLOADS} workloads`,
      await timed(async () => mustSucceed(await world.up())),
    );

    await world.useVersion("0.2.0");
    for (const count of [10, 100]) {
      await deploy(world, count);
      record(
        `pulumi preview, ${count} workloads to restart`,
        await timed(async () => mustSucceed(await world.preview())),
      );
    }
    print(rows);
  } finally {
    await world.close();
  }
}

/** A table in Markdown. */
function print(rows: readonly [string, string][]): void {
  const all: [string, string][] = [["what", "time"], ["---", "---"], ...rows];
  const width = Math.max(...all.map(([what]) => what.length));
  console.log(all.map(([what, time]) => `| ${what.padEnd(width)} | ${time.padStart(8)} |`).join("\n"));
}

async function deploy(world: World, count: number): Promise<void> {
  await world.kubectl(["apply", "-f", "-"], toYaml(masObjects({ workloads: count, replicas: 1, readyAfter: "3s" })));
  await world.kubectl(["rollout", "status", "deployments", "-n", "mas-load", "--timeout=120s"]);
}

/** The manual page, as far as it goes: CRDs, chart, and the workloads one after the other. */
async function upgradeByHand(world: World, version: string): Promise<void> {
  await world.kubectl([
    "apply",
    "--server-side",
    "--force-conflicts",
    "-f",
    `${chartPath(`casa-runtime-${version}`)}/crds`,
  ]);
  await world.helm("upgrade", "casa", chartPath(`casa-runtime-${version}`), "-n", RELEASE_NAMESPACE, "--wait");
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
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
