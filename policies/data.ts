import { claims, contents } from "./facts";
import { isMap } from "./release";
import { policyOf } from "./rule";

/** What helm deletes is gone: most storage classes delete the volume with its claim. */
export const dataKept = policyOf({
  name: "data-kept",
  description:
    "No upgrade may delete a PersistentVolumeClaim, a Namespace with what is in it, or a CRD with its objects.",
  enforcementLevel: "mandatory",
  acknowledge: true,
  why: "with the claim the volume goes, and with the volume the data; a rollback brings back an empty one",
  review: (review) => [
    ...claims.parse(review["claims"]).map(({ namespace, name, why }) => ({
      what: `PersistentVolumeClaim ${namespace}/${name} is deleted: ${why}`,
      fix:
        "leave persistence on in the values, or have it kept: " +
        `kubectl --namespace ${namespace} annotate pvc ${name} helm.sh/resource-policy=keep`,
    })),
    ...contents.parse(review["contents"]).map(({ kind, name, why }) => ({
      what: `${kind} ${name} is deleted with all that is in it: ${why}`,
      fix: `have it kept: kubectl annotate ${kind.toLowerCase()} ${name} helm.sh/resource-policy=keep`,
    })),
  ],
  release: (release) => {
    const all = release.props["values"];
    if (!isMap(all)) return [];
    return Object.keys(all)
      .filter((key) => release.value(key, "persistence", "enabled") === false)
      .map((key) => ({
        what: `Release ${release.name} switches ${key}.persistence off, by which an upgrade deletes its claim`,
        fix: `remove ${key}.persistence.enabled from the Release's values, or set it to true`,
      }));
  },
  cannot: "other claims that an upgrade deletes: those are seen on the cluster only",
});
