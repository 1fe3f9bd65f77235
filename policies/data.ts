import { claims, contents, databases } from "./facts";
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
    ...claims
      .parse(review["claims"])
      .filter(({ empty }) => empty !== true)
      .map(({ namespace, name, why, fix }) => ({
        what: `PersistentVolumeClaim ${namespace}/${name} is deleted: ${why}`,
        fix:
          fix ??
          "leave persistence on in the values, or have it kept: " +
            `kubectl --namespace ${namespace} annotate pvc ${name} helm.sh/resource-policy=keep`,
      })),
    ...contents.parse(review["contents"]).map(({ kind, name, why, fix }) => ({
      what: `${kind} ${name} is deleted with all that is in it: ${why}`,
      fix,
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

/** A server on another directory, or on none, comes up healthy and empty, and the runtime fills it anew. */
export const databaseDataKept = policyOf({
  name: "database-data-kept",
  description: "A database server that an upgrade touches keeps its data directory: volume, claim, path, PGDATA.",
  enforcementLevel: "mandatory",
  acknowledge: true,
  why: "the server comes up empty and healthy, the runtime creates its tables anew, and nobody is told that the data is gone",
  review: (review) =>
    databases
      .parse(review["databases"])
      .filter(({ problem }) => problem === "lost" || problem === "moved" || problem === "gone")
      .map(({ text, fix }) => ({ what: text, fix })),
  cannot: "where servers keep their data: that is in the chart's templates and on the cluster",
});

/** PostgreSQL starts only on data that its own major version wrote. */
export const databaseMajorKept = policyOf({
  name: "database-major-kept",
  description: "A database server keeps the major version that wrote its data, and its image says which one it is.",
  enforcementLevel: "mandatory",
  acknowledge: true,
  why: "a server of another major version refuses to start on the data, and the runtime is down until it is taken back",
  review: (review) =>
    databases
      .parse(review["databases"])
      .filter(({ problem }) => problem === "major" || problem === "major-unknown")
      .map(({ text, fix }) => ({ what: text, fix })),
  cannot: "which version wrote the data: that is seen on the cluster only",
});
