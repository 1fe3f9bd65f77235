import { lacking, replicasOf } from "./availability";
import { workloads } from "./facts";
import { policyOf } from "./rule";

/** Every token of every agent comes from here. */
export const authServiceAvailable = policyOf({
  name: "auth-service-available",
  description: "The auth service has at least 2 replicas and a PodDisruptionBudget.",
  enforcementLevel: "advisory",
  acknowledge: true,
  why: "a drained node or a replaced pod takes authorization down for every agent",
  properties: {
    replicas: { type: "integer", minimum: 1, default: 2, description: "replicas that it needs" },
    budget: { type: "boolean", default: true, description: "a PodDisruptionBudget is needed as well" },
  },
  review: ({ runtime }, { replicas, budget }: { replicas: number; budget: boolean }) =>
    workloads
      .parse(runtime)
      .workloads.filter(({ component }) => component === "auth-service")
      .flatMap((one) => {
        const lacks = lacking(one, { replicas, budget });
        if (lacks === undefined) return [];
        return [
          {
            what: `${one.workload} (auth service) has ${lacks}`,
            fix: `pulumi config set --path values.authService.replicaCount ${replicas}, and give it a PodDisruptionBudget`,
          },
        ];
      }),
  release: (release, { replicas }) => {
    const count = replicasOf(release, "authService");
    if (count >= replicas) return [];
    return [
      {
        what: `Release ${release.name} gives the auth service ${count} of ${replicas} replicas`,
        fix: `set authService.replicaCount to ${replicas} in the Release's values`,
      },
    ];
  },
  cannot: "PodDisruptionBudgets",
});
