import { z } from "zod";
import type { KubeObject } from "../plan/objects";
import type { ClusterClient } from "./connect";
import { PreflightError } from "./problem";

/** One thing that the upgrade must be allowed to do. */
export interface Permission {
  verb: string;
  group: string;
  /** Plural resource name. */
  resource: string;
  /** Undefined for resources without a namespace. */
  namespace?: string;
}

const review = z.looseObject({ status: z.looseObject({ allowed: z.boolean() }) });

/** What the upgrade needs: its own objects, helm's storage, the CRDs, and the restarts. */
export async function neededPermissions(
  client: ClusterClient,
  objects: KubeObject[],
  options: { namespace: string; hasCrds: boolean; workloadNamespaces: string[] },
): Promise<Permission[]> {
  const { namespace } = options;
  const kinds = new Map(
    objects.map((object) => [`${object.apiVersion} ${object.kind} ${object.metadata.namespace ?? ""}`, object]),
  );
  const rendered = await Promise.all([...kinds.values()].map((object) => permissionsFor(client, object, namespace)));
  const helm = ["list", "create", "update", "delete"].map((verb) => ({
    verb,
    group: "",
    resource: "secrets",
    namespace,
  }));
  const records = ["get", "create", "patch"].map((verb) => ({ verb, group: "", resource: "configmaps", namespace }));
  const crds = ["get", "create", "update"].map((verb) => ({
    verb,
    group: "apiextensions.k8s.io",
    resource: "customresourcedefinitions",
  }));
  const restarts = options.workloadNamespaces.flatMap((at) =>
    ["deployments", "statefulsets"].flatMap((resource) =>
      ["get", "list", "watch", "patch"].map((verb) => ({ verb, group: "apps", resource, namespace: at })),
    ),
  );
  const all: Permission[] = [...helm, ...records, ...(options.hasCrds ? crds : []), ...restarts, ...rendered.flat()];
  return [...new Map(all.map((permission) => [JSON.stringify(permission), permission])).values()];
}

async function permissionsFor(client: ClusterClient, object: KubeObject, namespace: string): Promise<Permission[]> {
  const served = await client.api.resource(object.apiVersion, object.kind);
  if (!served) return []; // a kind that a CRD of this very upgrade brings
  const group = object.apiVersion.includes("/") ? (object.apiVersion.split("/")[0] ?? "") : "";
  const at = served.namespaced ? { namespace: object.metadata.namespace ?? namespace } : {};
  return ["get", "create", "patch"].map((verb) => ({ verb, group, resource: served.plural, ...at }));
}

/** The permissions that the cluster denies; asked of the API server, which knows all authorizers. */
export async function missingPermissions(client: ClusterClient, needed: Permission[]): Promise<Permission[]> {
  const allowed = await Promise.all(needed.map((permission) => isAllowed(client, permission)));
  return needed.filter((_permission, i) => !allowed[i]);
}

async function isAllowed(client: ClusterClient, { verb, group, resource, namespace }: Permission): Promise<boolean> {
  const body = {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SelfSubjectAccessReview",
    spec: { resourceAttributes: { verb, group, resource, namespace } },
  };
  const path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
  return review.parse(await client.api.request("POST", path, { body })).status.allowed;
}

/** One error for all that is missing, with the rules of a role that grants it. */
export function permissionProblem(missing: Permission[], context: string): PreflightError | undefined {
  if (missing.length === 0) return undefined;
  const rows = new Map<string, { verbs: string[]; permission: Permission }>();
  for (const permission of missing) {
    const key = `${permission.group}/${permission.resource}/${permission.namespace ?? ""}`;
    const row = rows.get(key) ?? { verbs: [], permission };
    row.verbs.push(permission.verb);
    rows.set(key, row);
  }
  const lines = [...rows.values()].map(({ verbs, permission: { group, resource, namespace } }) => {
    const where = namespace ? `in namespace ${namespace}` : "in the cluster";
    return `    ${verbs.join(", ")} ${resource}${group ? `.${group}` : ""} ${where}`;
  });
  const rules = [...rows.values()].map(
    ({ verbs, permission: { group, resource } }) =>
      `{apiGroups: ["${group}"], resources: ["${resource}"], verbs: [${verbs.join(", ")}]}`,
  );
  return new PreflightError(
    `the user of context "${context}" is missing permissions:\n${lines.join("\n")}`,
    `bind a role with these rules, or use a context that may:\n    rules: [${[...new Set(rules)].join(", ")}]`,
  );
}
