import { parseImage } from "../../kubernetes/image";
import { containersOf, type ObjectPair, podWorkload, type PodWorkload, textOf } from "../../kubernetes/pod-templates";
import { keycloakClustering } from "../facts/clustering";
import { type ComponentNames, componentOf } from "../facts/component";
import type { KeycloakFinding } from "../report/schema";

/**
 * Keycloaks in a cluster whose minor or major version changes while old and new pods run side by side. They cannot: the
 * caches speak another language, and the new one migrates the database under the old one. Patch releases of one minor
 * can.
 */
export function keycloakFindings(
  pairs: readonly ObjectPair[],
  namespace: string,
  names: ComponentNames,
): KeycloakFinding[] {
  return pairs.flatMap((pair) => {
    const before = podWorkload(pair.before, namespace);
    const after = podWorkload(pair.after, namespace);
    if (!before || !after || before.replicas < 2 || after.replicas < 1) return [];
    if (after.strategy.type !== "RollingUpdate" || componentOf(after, names) !== "keycloak") return [];
    if (!keycloakClustering(before.template["spec"]).clustered) return [];
    const [old, next] = [imageOf(before), imageOf(after)];
    const [from, to] = [minorOf(old), minorOf(next)];
    if (old === next || (from !== undefined && from === to)) return [];
    const versions =
      from !== undefined && to !== undefined
        ? `goes from Keycloak ${from} to ${to}`
        : `goes from ${old} to ${next}, and whether that is another minor version cannot be told`;
    const text = `${after.id} ${versions} by RollingUpdate with ${before.replicas} clustered replicas: old and new pods cannot run side by side`;
    const scale = `kubectl --namespace ${after.namespace} scale ${after.kind.toLowerCase()}/${after.name} --replicas 0`;
    const fix = `use strategy Recreate, or take it down first (${scale}), in a maintenance window`;
    return [{ workload: after.id, text, fix }];
  });
}

function imageOf({ template }: PodWorkload): string {
  const server = containersOf(template["spec"]).find(
    ({ init, fields, name }) => !init && /keycloak|rhbk|sso/i.test(`${name} ${textOf(fields["image"]) ?? ""}`),
  );
  return textOf(server?.fields["image"]) ?? "";
}

/** Major and minor; before 17 and in moving tags there may be none. */
function minorOf(image: string): string | undefined {
  return /^v?(\d+\.\d+)(?![\d])/.exec(parseImage(image).tag ?? "")?.[1];
}
