import { z } from "zod";
import { keycloaks, type Workload, workloads } from "./facts";
import { policyOf } from "./rule";

/** Keycloak's sessions end when its only pod is replaced, and nobody can log in until the new one is ready. */
export const keycloakHighlyAvailable = policyOf({
  name: "keycloak-highly-available",
  description:
    "An upgrade that replaces Keycloak's pods needs at least 2 replicas that are not replaced at once, or an acknowledged " +
    "maintenance window.",
  enforcementLevel: "mandatory",
  acknowledge: true,
  why: "while all of its pods are replaced nobody can log in, no token is issued, and calls between agents are denied",
  properties: {
    replicas: {
      type: "integer",
      minimum: 2,
      default: 2,
      description: "replicas from which on Keycloak counts as available",
    },
  },
  review: ({ runtime }, { replicas }: { replicas: number }) =>
    workloads
      .parse(runtime)
      .workloads.filter((one) => one.component === "keycloak" && one.rolls)
      .flatMap((one) => {
        if (one.replicas < replicas) {
          return [
            {
              what: `${one.workload} (Keycloak) is replaced by this upgrade and has ${one.replicas} of ${replicas} replicas`,
              fix: `pulumi config set --path values.keycloak.replicaCount ${replicas} (and see keycloak-clustered)`,
            },
          ];
        }
        if (!goesAtOnce(one)) return [];
        return [
          {
            what: `${one.workload} (Keycloak) is replaced by this upgrade, all of its ${one.replicas} replicas at once (${howOf(one)})`,
            fix: "set its strategy to RollingUpdate with maxUnavailable 1 in the values, where the chart has keys for it",
          },
        ];
      }),
  release: (release, { replicas }) => {
    const count = replicaCount.parse(release.value("keycloak", "replicaCount")) ?? 1;
    if (count >= replicas) return [];
    return [
      {
        what: `Release ${release.name} gives Keycloak ${count} of ${replicas} replicas, and an upgrade may replace it`,
        fix: `set keycloak.replicaCount to ${replicas} in the Release's values`,
      },
    ];
  },
  cannot: "whether Keycloak's pods are replaced; every Release counts as an upgrade that does",
});

/** Two pods that do not know of each other are worse than one: sessions are there or not, by chance. */
export const keycloakClustered = policyOf({
  name: "keycloak-clustered",
  description: "Keycloak with 2 or more replicas must share its sessions; start-dev and a local cache do not.",
  enforcementLevel: "mandatory",
  acknowledge: true,
  why: "pods with a local cache each have sessions of their own: logins fail by chance, and 2 replicas are not highly available",
  review: ({ runtime }) =>
    workloads
      .parse(runtime)
      .workloads.filter((one) => one.component === "keycloak" && mostOf(one) > 1 && one.clustering?.clustered === false)
      .map((one) => ({
        what:
          `${one.workload} (Keycloak) has ${one.replicas < mostOf(one) ? "up to " : ""}${mostOf(one)} replicas` +
          (one.clustering?.unknown === true
            ? `, and whether they form a cluster cannot be told: ${one.clustering.why}`
            : ` that form no cluster: ${one.clustering?.why ?? ""}`),
        fix:
          "have the chart run it with `start` and a cache stack (KC_CACHE_STACK=kubernetes or jdbc-ping), " +
          "or with 1 replica and a maintenance window",
      })),
  cannot: "how Keycloak is started: that is in the chart's templates",
});

/** Old and new pods of one cluster must be of one minor version. */
export const keycloakVersion = policyOf({
  name: "keycloak-version-step",
  description:
    "A clustered Keycloak does not change its minor or major version pod by pod (RollingUpdate), and none goes back to an older one.",
  enforcementLevel: "mandatory",
  acknowledge: true,
  why:
    "old and new pods share neither caches nor a database schema: logins and tokens fail until all are new, and may be lost; " +
    "an older version does not start on the schema of a newer one",
  review: (review) => keycloaks.parse(review["keycloak"]).map(({ text, fix }) => ({ what: text, fix })),
  cannot: "which version runs now: that is seen on the cluster only",
});

/** An autoscaler may add some. */
const mostOf = ({ replicas, most }: Workload) => most ?? replicas;

/** Whether all pods may be gone before a new one is there. */
function goesAtOnce({ strategy, replicas, unavailable = 0 }: Workload): boolean {
  return strategy === "Recreate" || (strategy === "RollingUpdate" && unavailable >= replicas);
}

const howOf = ({ strategy, unavailable }: Workload) =>
  strategy === "Recreate" ? "strategy Recreate" : `maxUnavailable allows ${unavailable ?? ""}`;

const replicaCount = z.number().optional();
