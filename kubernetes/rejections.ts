import { MIGRATION_DOC } from "../shared/doc-pages";
import { shellWord } from "../shared/shell-word";
import type { ObjectCheck } from "./object-check";

/** The object a dry-run was about. */
export interface CheckedObject {
  kind: string;
  namespace?: string;
  name: string;
}

/** What the API server answered to a dry-run that it did not carry out. */
export interface DryRunRefusal {
  /** HTTP status. */
  code: number;
  /** Status reason, e.g. `Invalid`, `Forbidden`. */
  reason: string;
  message: string;
}

/**
 * Reads a refused dry-run: an upgrade would be refused the same way, except where only the dry-run is the problem. The
 * fix is for the object and the reason.
 *
 * @param context kubeconfig context, for the command lines.
 */
export function checkOfRefusal(object: CheckedObject, refusal: DryRunRefusal, context: string): ObjectCheck {
  const { code, message } = refusal;
  if (/does not support dry run|dry-run is not supported|dryRun/i.test(message) && code === 400) {
    return { result: "unchecked", message: "an admission webhook or API cannot do dry-runs, so it was not asked" };
  }
  return { result: "rejected", message: oneLine(message), fix: fixFor(object, refusal, context) };
}

function fixFor(object: CheckedObject, { code, message }: DryRunRefusal, context: string): string {
  const kubectl = `kubectl --context ${shellWord(context)}${object.namespace ? ` --namespace ${shellWord(object.namespace)}` : ""}`;
  const target = `${object.kind.toLowerCase()} ${shellWord(object.name)}`;
  const hook = /admission webhook "([^"]+)" denied/.exec(message)?.[1];
  if (hook)
    return `change the value that webhook ${hook} objects to, or ask the owner of that webhook for an exception`;
  const broken = /failed calling webhook "([^"]+)"/.exec(message)?.[1];
  if (broken) {
    return `repair what serves webhook ${broken} (${kubectl} get mutatingwebhookconfigurations,validatingwebhookconfigurations shows it), then repeat`;
  }
  if (/ValidatingAdmissionPolicy/.test(message))
    return "change the value that the cluster's admission policy objects to";
  if (/exceeded quota|must specify (limits|requests)/.test(message)) {
    return `lower the requests in the values, or raise the quota: ${kubectl} describe resourcequota`;
  }
  if (/attempting to grant RBAC permissions not currently held/.test(message)) {
    const [role, resource] = object.kind.startsWith("Cluster") ? ["ClusterRole", "clusterroles"] : ["Role", "roles"];
    return (
      `the user gives away rights that he does not have: let him escalate and bind ${resource}.rbac.authorization.k8s.io ` +
      `(casa-upgrade permissions --role upgrade names each ${role}), or have an administrator apply the object`
    );
  }
  if (code === 403) {
    return `have an administrator grant it, or use a context that may: kubectl --context ${shellWord(context)} auth can-i --list${object.namespace ? ` --namespace ${shellWord(object.namespace)}` : ""}`;
  }
  if (code === 409)
    return `somebody else is changing it; look at it (${kubectl} get ${target} --output yaml) and repeat`;
  if (
    /immutable|may not change|updates to .* fields? other than|Forbidden: is immutable|spec is immutable/i.test(message)
  ) {
    return immutableFix(object, kubectl, target);
  }
  if (object.kind === "CustomResourceDefinition" && message.includes("status.storedVersions")) {
    return (
      "objects may be stored in a version that the new CRD lacks: declare their migration, without rules if nothing changes but " +
      `the version (customResourceMigrations; see ${MIGRATION_DOC})`
    );
  }
  const namespace = /^namespaces "([^"]+)" not found/.exec(message)?.[1];
  if (namespace !== undefined) {
    return `make it: kubectl --context ${shellWord(context)} create namespace ${shellWord(namespace)}; or correct the value that names it`;
  }
  if (code === 404) return `install what it needs first; look with: ${kubectl} get ${target}`;
  return "set the value it objects to (pulumi config set --path values.<key> <value>), or choose another chart version";
}

/** Immutable fields need a new object; what deleting the old one means depends on its kind. */
function immutableFix({ kind }: CheckedObject, kubectl: string, target: string): string {
  switch (kind) {
    case "Deployment":
    case "StatefulSet":
    case "DaemonSet":
    case "ReplicaSet":
      return `keep the old value; or replace the object and keep its pods running: ${kubectl} delete ${target} --cascade=orphan, then pulumi up (orphaned pods with other labels must be deleted by hand afterwards)`;
    case "Job":
      return `delete the finished job first: ${kubectl} delete ${target}`;
    case "PersistentVolumeClaim":
      return "keep the old value: a claim cannot be changed, only grown where its storage class allows that";
    default:
      return `keep the old value; or delete the object first, if it may be gone for a while: ${kubectl} delete ${target}`;
  }
}

/** A message without line breaks. */
export function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}
