import { lacking, replicasOf } from "./availability";
import { failClosed, namespaces, restarts, workloads } from "./facts";
import { policyOf } from "./rule";

/** What the manual page says in capitals: never all at once. */
export const restartsGentle = policyOf({
  name: "restarts-gentle",
  description: "MAS workloads are never restarted all at once, and only a share of them at a time.",
  enforcementLevel: "mandatory",
  acknowledge: true,
  why: "a bad configuration then reaches every system before the first one shows it, and all of them are short of pods at once",
  properties: {
    share: {
      type: "number",
      minimum: 0,
      maximum: 1,
      default: 0.25,
      description: "largest share of the MAS workloads that may be restarting at any moment",
    },
    alwaysAllowed: {
      type: "integer",
      minimum: 1,
      default: 2,
      description: "workloads at a time that are fine whatever their share; small installations have few",
    },
  },
  review: (review, { share, alwaysAllowed }: { share: number; alwaysAllowed: number }) => {
    const { maxConcurrent, pending, total } = restarts.parse(review["restarts"]);
    const most = Math.max(Math.floor(total * share), alwaysAllowed);
    const atOnce = Math.min(maxConcurrent, pending);
    if (pending <= 1 || (atOnce <= most && atOnce < pending)) return [];
    const fitting = Math.max(1, Math.min(most, pending - 1));
    return [
      {
        what:
          atOnce === pending
            ? `All ${pending} MAS workloads are restarted at once`
            : `${atOnce} of ${total} MAS workloads are restarted at a time, more than ${Math.round(share * 100)} %`,
        fix: `pulumi config set --path restarts.maxConcurrent ${fitting}`,
      },
    ];
  },
  cannot: "which workloads use the runtime, and who restarts them",
});

/** Every call between agents asks the sidecar first. */
export const sidecarHighlyAvailable = policyOf({
  name: "sidecar-highly-available",
  description:
    "A sidecar whose silence denies all MAS traffic, or lets it pass unasked, needs 2 replicas and a PodDisruptionBudget.",
  enforcementLevel: "advisory",
  acknowledge: true,
  why: "while the sidecar does not answer, every request between agents is denied, or passes without being authorized",
  properties: {
    budget: { type: "boolean", default: true, description: "a PodDisruptionBudget is needed as well" },
  },
  review: ({ runtime }, { budget }: { budget: boolean }) => {
    const { failClosed: closed, failOpen: open } = failClosed.parse(runtime);
    if (closed.length + open.length === 0) return [];
    const silence = [
      ...(closed.length > 0 ? [`${closed.join(", ")} denies what it does not answer`] : []),
      ...(open.length > 0 ? [`${open.join(", ")} lets pass, without anybody being told, what it does not answer`] : []),
    ].join(", and ");
    return workloads
      .parse(runtime)
      .workloads.filter(({ component }) => component === "sidecar")
      .flatMap((one) => {
        const lacks = lacking(one, { replicas: 2, budget });
        if (lacks === undefined) return [];
        return [
          {
            what: `${one.workload} (sidecar) has ${lacks} while ${silence}`,
            fix: "pulumi config set --path values.sidecar.replicaCount 2, and give it a PodDisruptionBudget",
          },
        ];
      });
  },
  release: (release) => {
    const count = replicasOf(release, "sidecar");
    if (release.value("sidecar", "enabled") === false || count >= 2) return [];
    return [
      {
        what: `Release ${release.name} gives the sidecar ${count} of 2 replicas`,
        fix: "set sidecar.replicaCount to 2 in the Release's values",
      },
    ];
  },
  cannot: "PodDisruptionBudgets and what denies traffic",
});

/** A workload without a proxy is not authorized at all, and nothing fails. */
export const namespacesLabelled = policyOf({
  name: "namespaces-labelled",
  description: "New pods of every MAS workload get a proxy: the labels of namespace and pod make the injector add one.",
  enforcementLevel: "mandatory",
  acknowledge: true,
  why: "pods that start there get no proxy: their calls are not authorized, and nobody notices",
  review: ({ runtime }) =>
    namespaces
      .parse(runtime)
      .namespaces.filter(({ labelled }) => labelled !== true)
      .map(({ name, label, labelled, workloads: count, why, fix }) => ({
        what:
          labelled === null
            ? `Namespace ${name} (${count} MAS workloads) may not be read, so its label ${label} is not known`
            : why === undefined
              ? `Namespace ${name} (${count} MAS workloads) lacks the label ${label}`
              : `Pods in namespace ${name} (${count} MAS workloads) get no proxy: ${why}`,
        fix:
          labelled === null
            ? "let the user of the context get namespaces"
            : (fix ?? `kubectl label namespace ${name} ${label} --overwrite`),
      })),
  cannot: "namespaces of MAS workloads: those are seen on the cluster only",
});
