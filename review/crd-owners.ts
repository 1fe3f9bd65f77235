import type { LiveCrd } from "../kubernetes/crds";
import { dig, digList } from "../kubernetes/objects";
import type { ObjectCheck } from "../kubernetes/object-check";
import type { Crd } from "../crds/crds";

/** The release that is upgraded. */
interface Release {
  readonly name: string;
  readonly namespace: string;
}

/**
 * Who else keeps a CRD as it is, by the marks that it left; undefined when nobody did. Two that both apply their own
 * version of a CRD undo each other, or the older one takes fields out of all objects.
 */
export function otherOwner(
  { labels, annotations }: Pick<LiveCrd, "labels" | "annotations">,
  release: Release,
): string | undefined {
  const [name, namespace] = [annotations["meta.helm.sh/release-name"], annotations["meta.helm.sh/release-namespace"]];
  if (name !== undefined && (name !== release.name || namespace !== release.namespace)) {
    return `helm release ${namespace ?? "?"}/${name}`;
  }
  const argo = annotations["argocd.argoproj.io/tracking-id"] ?? labels["argocd.argoproj.io/instance"];
  if (argo !== undefined) return `Argo CD application ${argo.split(":")[0] ?? argo}`;
  for (const [tool, kind] of [
    ["kustomize", "Kustomization"],
    ["helm", "HelmRelease"],
  ] as const) {
    const flux = labels[`${tool}.toolkit.fluxcd.io/name`];
    const at = labels[`${tool}.toolkit.fluxcd.io/namespace`];
    if (flux !== undefined) return `Flux ${kind} ${at ?? "?"}/${flux}`;
  }
  return undefined;
}

/** Refuses to change a CRD that somebody else keeps, unless the config says so. */
export function ownerCheck(live: LiveCrd, release: Release, takeOver: readonly string[]): ObjectCheck | undefined {
  const owner = otherOwner(live, release);
  if (owner === undefined || takeOver.includes(live.name)) return undefined;
  return {
    result: "rejected",
    message: `it belongs to ${owner}, and this chart version would change it`,
    fix:
      `have ${owner} bring the version that this chart needs, or let this upgrade take it over: ` +
      `pulumi config set --path 'takeOverCrds[${takeOver.length}]' ${live.name}`,
  };
}

/**
 * Finds names of a new CRD that another CRD of the same group has: the API server takes such a CRD, but never serves it
 * (condition NamesAccepted).
 *
 * @param others the CRDs of the cluster.
 */
export function namesCheck({ metadata, spec }: Crd, others: readonly object[]): ObjectCheck | undefined {
  const wanted = namesOf(spec.names);
  for (const other of others) {
    if (dig(other, "spec", "group") !== spec.group || dig(other, "metadata", "name") === metadata.name) continue;
    const clash = [...namesOf(dig(other, "status", "acceptedNames") ?? dig(other, "spec", "names"))].find((name) =>
      wanted.has(name),
    );
    if (clash === undefined) continue;
    const name = String(dig(other, "metadata", "name"));
    return {
      result: "rejected",
      message: `CRD ${name} of the same group has the name "${clash}" already, so the API server would never serve this one`,
      fix: `if nothing uses ${name} any more, delete it, which deletes all its objects (kubectl get ${name} --all-namespaces shows them); else choose another chart version`,
    };
  }
  return undefined;
}

function namesOf(names: unknown): Set<string> {
  const single = ["plural", "singular", "kind", "listKind"].map((key) => dig(names, key));
  return new Set([...single, ...digList(names, "shortNames")].filter((one): one is string => typeof one === "string"));
}

/** Largest object that etcd takes, in bytes, by its default. */
const LARGEST_OBJECT = 1.5 * 1024 * 1024;

/** A dry-run never reaches etcd, so it does not tell. */
export function sizeCheck(crd: Crd): ObjectCheck | undefined {
  const size = Buffer.byteLength(JSON.stringify(crd));
  if (size <= LARGEST_OBJECT) return undefined;
  return {
    result: "rejected",
    message: `it has ${size} bytes, and etcd takes ${LARGEST_OBJECT} by default`,
    fix: "choose a chart version with a smaller CRD (one without descriptions, say)",
  };
}
