import type { LoadedConfig } from "../config/config-load";
import { type LoadedChart, renderAgain } from "../helm/chart";
import { findUnstable, numberedKeys, type UnstableFields } from "../helm/unstable";
import type { ClusterClient } from "../kubernetes/connect";
import { groupKind, type KubeObject, objectKey } from "../kubernetes/objects";
import { UserError } from "../shared/user-error";
import { renderInput, type Snapshot } from "./snapshot";

/** The objects of a release and of its hooks, as rendered. */
interface Rendered {
  readonly objects: readonly KubeObject[];
  readonly hooks: readonly KubeObject[];
}

/**
 * Renders the chart once more, right before helm does, and compares it with what the review of this run showed.
 *
 * Between the two the backup was made and the CRDs were applied, which takes minutes: a chart that asks the cluster may
 * render something else by now, and the registry may hold another chart under the same version.
 *
 * @throws UserError naming the objects that differ.
 */
export async function lastLook(
  client: ClusterClient,
  { config, values }: LoadedConfig,
  { chart, installed }: Pick<Snapshot, "chart" | "installed">,
): Promise<void> {
  const now = await renderAgain(config, renderInput(client, config, values, installed));
  const [objects, hooks] = [now.objects, now.hooks].map((documents) => documents.map(({ object }) => object));
  const found = unreviewed(chart, { objects: objects ?? [], hooks: hooks ?? [] }, config.namespace);
  if (found.length === 0) return;
  throw new UserError(
    "not-reviewed",
    `helm would now do what the review of this run did not show, so the chart was not upgraded:\n    ${found.join("\n    ")}`,
    "review it again (pulumi preview), then repeat: backup and CRDs of this run are done, the release is as it was",
  );
}

/**
 * Refuses to upgrade the chart without the steps that come before it.
 *
 * @param leftOut steps that this run needs and leaves out, in words.
 * @throws UserError
 */
export function refuseIncompleteRun(leftOut: readonly string[]): void {
  if (leftOut.length === 0) return;
  throw new UserError(
    "not-reviewed",
    `this run leaves out ${leftOut.join(" and ")} (--target or --exclude), so the chart was not upgraded`,
    "run pulumi up without --target and --exclude; to go without a backup: pulumi config set --path backup.enabled false",
  );
}

/** What differs between the rendering that was reviewed and the present one, in words. */
export function unreviewed(
  { rendered, hooks, unstable }: Pick<LoadedChart, "rendered" | "hooks" | "unstable">,
  now: Rendered,
  namespace: string,
): string[] {
  const key = (object: KubeObject) => objectKey(object, namespace);
  const before = [...rendered, ...hooks];
  const after = [...now.objects, ...now.hooks];
  // Objects whose names are made up have another one now; as many of each kind are expected.
  const madeUp = before.filter((object) => unstable.names.has(key(object))).map(groupKind);
  const [placesBefore, placesAfter] = [numberedKeys(before, namespace), numberedKeys(after, namespace)];
  const [keysBefore, keysAfter] = [new Set(placesBefore), new Set(placesAfter)];
  const fresh = after.filter((object, i) => {
    if (keysBefore.has(placesAfter[i] ?? "")) return false;
    const at = madeUp.indexOf(groupKind(object));
    if (at >= 0) madeUp.splice(at, 1);
    return at < 0;
  });
  const gone = before.filter((object, i) => !keysAfter.has(placesBefore[i] ?? "") && !unstable.names.has(key(object)));
  const differences = findUnstable(before, after, namespace);
  const changed = before.filter((object) => {
    const paths = differences.paths.get(key(object)) ?? [];
    return keysAfter.has(key(object)) && paths.some((path) => !isMadeUp(path, key(object), unstable));
  });
  return [
    ...fresh.map((object) => `${shown(object, namespace)}: it was not in the review`),
    ...gone.map((object) => `${shown(object, namespace)}: it is gone`),
    ...changed.map((object) => `${shown(object, namespace)}: it is different`),
  ];
}

/** Whether it is known that this place differs with each rendering, or that the keys beside it do. */
function isMadeUp(path: readonly string[], key: string, { paths, keys }: UnstableFields): boolean {
  const text = (steps: readonly string[]) => steps.join("\0");
  const parents = new Set((keys.get(key) ?? []).map((one) => text(one.slice(0, -1))));
  // A value that is made up may have been a map, a list, or of another length.
  return (
    (paths.get(key) ?? []).some((one) => `${text(path)}\0`.startsWith(`${text(one)}\0`)) ||
    parents.has(text(path.slice(0, -1)))
  );
}

function shown({ kind, metadata }: KubeObject, namespace: string): string {
  return `${kind} ${metadata.namespace ?? namespace}/${metadata.name ?? ""}`;
}
