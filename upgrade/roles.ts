import { groupOf, type KubeObject } from "../kubernetes/objects";
import { OPERATOR_KINDS } from "../components/database-backup/elsewhere";
import type { FindResource } from "../kubernetes/find-resources";
import { type Permission, permissions, permissionsFor, podStream } from "../kubernetes/permissions";
import { ruleList } from "../kubernetes/rules";

/** `review`: previews, and changes nothing; `upgrade`: all that an upgrade does. */
export const ROLES = ["review", "upgrade"] as const;
export type Role = (typeof ROLES)[number];

/** What the permissions of a stack follow from. */
export interface RoleInput {
  release: string;
  namespace: string;
  /** Namespaces with MAS workloads. */
  masNamespaces: readonly string[];
  /** Of the chart and of the installed revision, hooks included. */
  objects: readonly KubeObject[];
  /** Custom resources of the chart's CRDs. */
  customResources: readonly { group: string; plural: string }[];
  /** Rules for custom resources are declared (config `customResourceMigrations`). */
  migrates: boolean;
}

const LOOK = ["get", "list", "watch"];
const APPS = ["deployments", "statefulsets", "daemonsets", "replicasets"];
const CRDS = { group: "apiextensions.k8s.io", resource: "customresourcedefinitions" };
const RBAC = "rbac.authorization.k8s.io";

/** What an account must be allowed to do, in the release's namespace, in those of MAS workloads, and in the cluster. */
export function rolePermissions(role: Role, input: RoleInput, find: FindResource): Permission[] {
  const { namespace, masNamespaces } = input;
  const reads = [
    ...clusterReads(input),
    ...releaseReads(namespace),
    ...masNamespaces.flatMap(masReads),
    ...objectPermissions(input, find, ["get"]),
  ];
  const all = role === "review" ? reads : [...reads, ...writes(input, find)];
  return [...new Map(all.map((one) => [JSON.stringify(one), one])).values()];
}

function clusterReads({ customResources }: RoleInput): Permission[] {
  return [
    ...permissions(LOOK, CRDS.group, [CRDS.resource]),
    ...permissions(["get", "list"], "casa.io", ["multiagentsystems", "casapolicies"]),
    ...customResources.flatMap(({ group, plural }) => permissions(["get", "list"], group, [plural])),
    ...permissions(["get"], "", ["namespaces", "persistentvolumes"]),
    ...permissions(["get", "list"], "storage.k8s.io", ["storageclasses"]),
    ...permissions(["get", "list"], "admissionregistration.k8s.io", ["mutatingwebhookconfigurations"]),
  ];
}

function releaseReads(at: string): Permission[] {
  const core = ["secrets", "configmaps", "services", "persistentvolumeclaims", "resourcequotas", "events"];
  return [
    ...permissions(["get", "list"], "", core, at),
    ...permissions(LOOK, "", ["pods"], at),
    { verb: "get", group: "", resource: "pods", subresource: "log", namespace: at },
    ...permissions(LOOK, "apps", APPS, at),
    ...permissions(LOOK, "batch", ["jobs"], at),
    ...permissions(["list"], "policy", ["poddisruptionbudgets"], at),
    ...permissions(["list"], "autoscaling", ["horizontalpodautoscalers"], at),
    // read where they are served, to say what is not backed up
    ...OPERATOR_KINDS.flatMap(({ apiVersion, plural }) => permissions(["list"], groupOf(apiVersion), [plural], at)),
  ];
}

function masReads(at: string): Permission[] {
  return [
    ...permissions(LOOK, "apps", APPS, at),
    ...permissions(LOOK, "", ["pods"], at),
    ...permissions(["list"], "", ["resourcequotas", "events"], at),
    ...permissions(["get", "list"], "batch", ["jobs", "cronjobs"], at),
    ...permissions(["list"], "policy", ["poddisruptionbudgets"], at),
    ...permissions(["list"], "autoscaling", ["horizontalpodautoscalers"], at),
    ...permissions(LOOK, "argoproj.io", ["rollouts"], at),
  ];
}

function writes(input: RoleInput, find: FindResource): Permission[] {
  const { namespace, masNamespaces, customResources, migrates } = input;
  return [
    ...permissionsFor([], find, {
      namespace,
      hasCrds: true,
      workloadNamespaces: [...masNamespaces],
      daemonSetNamespaces: [...masNamespaces],
      rolloutNamespaces: [...masNamespaces],
    }),
    ...permissions(["patch"], CRDS.group, [CRDS.resource]),
    // helm's hooks and its storage, the records of restarts, helper pods and throw-away servers of backups
    ...permissions(["patch", "delete"], "", ["secrets", "configmaps"], namespace),
    ...permissions(["create", "delete"], "", ["pods"], namespace),
    ...podStream("exec", namespace),
    ...podStream("portforward", namespace),
    // the injector is asked by a dry-run what it would put into a pod
    ...masNamespaces.flatMap((at) => permissions(["create"], "", ["pods"], at)),
    ...(migrates
      ? [
          ...customResources.flatMap(({ group, plural }) => permissions(["update"], group, [plural])),
          ...customResources.map(({ group, plural }) => statusOf(group, plural)),
          statusOf(CRDS.group, CRDS.resource),
        ]
      : []),
    ...objectPermissions(input, find, ["create", "patch", "delete"]),
    ...grants(input),
  ];
}

function statusOf(group: string, resource: string): Permission {
  return { verb: "update", group, resource, subresource: "status" };
}

function objectPermissions({ objects, namespace }: RoleInput, find: FindResource, verbs: string[]): Permission[] {
  return objects.flatMap(({ apiVersion, kind, metadata }) => {
    const served = find(apiVersion, kind);
    if (!served) return [];
    const at = served.namespaced ? (metadata.namespace ?? namespace) : undefined;
    return permissions(verbs, groupOf(apiVersion), [served.plural], at);
  });
}

/**
 * Nobody may give away rights that he does not have himself, unless he may `escalate` a role and `bind` it. Only the
 * roles that the chart brings are named.
 */
function grants({ objects, namespace }: RoleInput): Permission[] {
  return objects.flatMap(({ kind, metadata }) => {
    if (kind !== "ClusterRole" && kind !== "Role") return [];
    const at = kind === "Role" ? { namespace: metadata.namespace ?? namespace } : {};
    const resource = kind === "Role" ? "roles" : "clusterroles";
    const { name = "" } = metadata;
    return ["escalate", "bind"].map((verb) => ({ verb, group: RBAC, resource, ...at, name }));
  });
}

/** The account with its roles and bindings, as `kubectl apply` takes them. */
export function roleManifests(role: Role, input: RoleInput, find: FindResource): object[] {
  const { release, namespace, masNamespaces } = input;
  const name = `casa-upgrade-${release}-${role}`;
  const clusterName = `casa-upgrade-${namespace}-${release}-${role}`;
  const needed = rolePermissions(role, input, find);
  const at = (where: string | undefined) => ruleList(needed.filter((one) => one.namespace === where));
  const others = [...new Set(needed.flatMap((one) => one.namespace ?? []))].filter(
    (one) => one !== namespace && !masNamespaces.includes(one),
  );
  const subjects = [{ kind: "ServiceAccount", namespace, name }];
  const bound = (where: string | undefined, kind: "Role" | "ClusterRole", to: string) => ({
    apiVersion: `${RBAC}/v1`,
    kind: where === undefined ? "ClusterRoleBinding" : "RoleBinding",
    metadata: { name: to, ...(where === undefined ? {} : { namespace: where }) },
    roleRef: { apiGroup: RBAC, kind, name: to },
    subjects,
  });
  const inNamespace = (where: string) => [
    { apiVersion: `${RBAC}/v1`, kind: "Role", metadata: { name: clusterName, namespace: where }, rules: at(where) },
    bound(where, "Role", clusterName),
  ];
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } },
    { apiVersion: `${RBAC}/v1`, kind: "ClusterRole", metadata: { name: clusterName }, rules: at(undefined) },
    bound(undefined, "ClusterRole", clusterName),
    ...[namespace, ...masNamespaces.filter((one) => one !== namespace), ...others].flatMap(inNamespace),
  ];
}
