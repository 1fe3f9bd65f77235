import { timesOf } from "../../components/workload-restarts/queue";
import { masObjects, READY_AFTER, toYaml } from "../fixtures/mas";
import { followRestarts, Watcher, WORKLOAD_PATHS } from "../integration/world/watcher";
import { mustSucceed, type World } from "../integration/world/world";

const WORKLOADS = 30;
const PLACES = 3;
const NAMESPACE = "mas-mixed";
/** Seconds until a pod of each workload is ready: 1 to 10, each three times, mixed. */
const SECONDS = Array.from({ length: WORKLOADS }, (_, i) => 1 + ((i * 7) % 10));

/**
 * Restarts workloads whose pods take between 1 s and 10 s, beside the best that their times allow and beside kubectl by
 * hand.
 *
 * @param world a stack that is up to date and has no other MAS workloads.
 * @returns rows of a table: what, seconds.
 */
export async function benchRestarts(world: World): Promise<[string, number][]> {
  const names = await deploy(world);
  const byHand = await watched(world, () => inPlaces(names, (name) => restartByHand(world, name)));
  await world.config({ restarts: { maxConcurrent: PLACES, reason: "bench" } });
  const byPulumi = await watched(world, async () => mustSucceed(await world.up()));
  const what = `${WORKLOADS} workloads of 1 s to 10 s, ${PLACES} at a time`;
  return [
    [`${what}: best schedule, computed`, best()],
    [`${what}: in order, any free place, computed`, timesOf([WORKLOADS], PLACES, SECONDS).end],
    [`${what}: in order, each after the one ${PLACES} before it, computed`, chained()],
    [`${what}: by hand, ${PLACES} shells with kubectl rollout restart + status`, byHand],
    [`${what}: pulumi up, first patch to last workload available`, byPulumi],
  ];
}

/** The longest first, which here is as short as all the work spread evenly. */
function best(): number {
  return timesOf(
    [WORKLOADS],
    PLACES,
    [...SECONDS].sort((a, b) => b - a),
  ).end;
}

/** Each waits for all up to the one that stands a whole window before it. */
function chained(): number {
  const ends: number[] = [];
  SECONDS.forEach((seconds, i) => {
    const before = ends.slice(0, Math.max(0, i - PLACES + 1));
    ends.push(Math.max(0, ...before) + seconds);
  });
  return Math.max(...ends);
}

async function deploy(world: World): Promise<string[]> {
  const objects = masObjects({ workloads: WORKLOADS, replicas: 1, readyAfter: "0s", namespaces: [NAMESPACE] });
  await world.kubectl(["apply", "-f", "-"], toYaml(objects));
  const names = objects.filter(({ kind }) => kind === "Deployment").map(({ metadata }) => metadata.name);
  // Ready at once the first time, in their own time from now on: that rolls them once.
  for (const [i, name] of names.entries()) {
    const annotations = { [READY_AFTER]: `${SECONDS[i]}s` };
    const patch = JSON.stringify({ spec: { template: { metadata: { annotations } } } });
    await world.kubectl(["patch", "deployment", name, "-n", NAMESPACE, "--type=merge", "-p", patch]);
  }
  await world.kubectl(["rollout", "status", "deployments", "-n", NAMESPACE, "--timeout=120s"]);
  return names;
}

async function restartByHand(world: World, name: string): Promise<void> {
  await world.kubectl(["rollout", "restart", `deployment/${name}`, "-n", NAMESPACE]);
  await world.kubectl(["rollout", "status", `deployment/${name}`, "-n", NAMESPACE]);
}

/** As `xargs -P` does it. */
async function inPlaces(names: readonly string[], run: (name: string) => Promise<void>): Promise<void> {
  const rest = [...names];
  const place = async () => {
    for (let name = rest.shift(); name !== undefined; name = rest.shift()) await run(name);
  };
  await Promise.all(Array.from({ length: PLACES }, place));
}

/** Seconds from the first patch to the last workload available, as the API server tells. */
async function watched(world: World, run: () => Promise<unknown>): Promise<number> {
  const watcher = await Watcher.start(world.tools.path("kubectl"), world.cluster.kubeconfig, WORKLOAD_PATHS);
  await run();
  watcher.stop();
  const { duration, most, templates } = followRestarts(watcher.events, [NAMESPACE]);
  if (templates.size !== WORKLOADS || most > PLACES) {
    throw new Error(`${templates.size} workloads were restarted, ${most} at once`);
  }
  return duration / 1000;
}
