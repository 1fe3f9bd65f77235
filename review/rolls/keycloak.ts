import type { KubeObject } from "../../kubernetes/objects";
import { parseImage } from "../../kubernetes/image";
import { type ObjectPair, podWorkload, type PodWorkload, textOf } from "../../kubernetes/pod-templates";
import { keycloakClustering } from "../facts/clustering";
import { type ComponentNames, componentOf } from "../facts/component";
import { isOlder, keycloakServer, keycloakVersion } from "../facts/keycloak-server";
import type { KeycloakFinding } from "../report/schema";

/**
 * Keycloaks that go back to an older version, and those in a cluster whose minor or major version changes while old and
 * new pods run side by side. They cannot: the caches speak another language, and the new one migrates the database
 * under the old one, for good. Patch releases of one minor can.
 *
 * @param live the release's objects as they are, for the variables of the old pods.
 */
export function keycloakFindings(
  pairs: readonly ObjectPair[],
  namespace: string,
  names: ComponentNames,
  live: readonly KubeObject[] = [],
): KeycloakFinding[] {
  return pairs.flatMap((pair) => {
    const before = podWorkload(pair.before, namespace);
    const after = podWorkload(pair.after, namespace);
    if (!before || !after || componentOf(after, names) !== "keycloak") return [];
    const [old, next] = [imageOf(before), imageOf(after)];
    if (isOlder(old, next)) return [goesBack(after, old, next)];
    if (before.replicas < 2 || after.replicas < 1 || after.strategy.type !== "RollingUpdate") return [];
    const cluster = keycloakClustering(before.template["spec"], { at: before.namespace, namespace, config: live });
    if (!cluster.clustered && !cluster.unknown) return [];
    if (old === next || isSameMinor(old, next)) return [];
    const [from, to] = [versionText(old), versionText(next)];
    const versions =
      from !== undefined && to !== undefined
        ? `goes from Keycloak ${from} to ${to}`
        : `goes from ${old} to ${next}, and whether that is another minor version cannot be told`;
    const replicas = `${before.replicas} ${cluster.clustered ? "clustered replicas" : "replicas that may be a cluster"}`;
    const text = `${after.id} ${versions} by RollingUpdate with ${replicas}: old and new pods cannot run side by side`;
    const scale = `kubectl --namespace ${after.namespace} scale ${after.kind.toLowerCase()}/${after.name} --replicas 0`;
    const fix = `use strategy Recreate, or take it down first (${scale}), in a maintenance window`;
    return [{ workload: after.id, text, fix }];
  });
}

function goesBack({ id }: PodWorkload, old: string, next: string): KeycloakFinding {
  const [from, to] = [versionText(old) ?? old, versionText(next) ?? next];
  return {
    workload: id,
    text: `${id} goes back from Keycloak ${from} to ${to}: ${from} has migrated its database, which ${to} cannot read`,
    fix: `keep Keycloak ${from} (pin its image in the values); or accept it once its database is the one from before the upgrade (npx casa-upgrade restore)`,
  };
}

function imageOf({ template }: PodWorkload): string {
  return textOf(keycloakServer(template["spec"])?.fields["image"]) ?? "";
}

/** Of one's own images too: who counts a patch as one is believed. */
function isSameMinor(old: string, next: string): boolean {
  const from = minorOf(old);
  return from !== undefined && from === minorOf(next);
}

/** Major and minor; before 17 and in moving tags there may be none. */
function minorOf(image: string): string | undefined {
  return /^v?(\d+\.\d+)(?![\d])/.exec(parseImage(image).tag ?? "")?.[1];
}

function versionText(image: string): string | undefined {
  const { major, minor } = keycloakVersion(image) ?? {};
  return major === undefined || minor === undefined ? undefined : `${major}.${minor}`;
}
