import { z } from "zod";
import { describeProblems } from "./config-problems";
import type { WorkloadRef } from "./restarts";

const WORKLOAD = /^(?:(Deployment|StatefulSet)\/)?([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)\/([a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?)$/;
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const VERSION = /^v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;

/** Parses `[Deployment/|StatefulSet/]namespace/name`; undefined when it is not of that form. */
export function parseWorkloadRef(text: string): WorkloadRef | undefined {
  const match = WORKLOAD.exec(text);
  if (!match) return undefined;
  const [, kind, namespace = "", name = ""] = match;
  return kind === "Deployment" || kind === "StatefulSet" ? { kind, namespace, name } : { namespace, name };
}

/** Text that may be left empty: the engine hands the default of Pulumi.yaml in for a key that is not set. */
const optional = z
  .string()
  .default("")
  .transform((text) => (text === "" ? undefined : text));
const dnsLabel = z.string().regex(DNS_LABEL, "lower-case letters, digits and '-', at most 63");
const seconds = (byDefault: number, meaning: string, example = byDefault * 2) =>
  z.number().int().min(1).max(86_400).default(byDefault).meta({ description: `${meaning}, in seconds`, example });
const workloads = (meaning: string) =>
  z
    .array(z.string().regex(WORKLOAD, "[Deployment/|StatefulSet/]namespace/name"))
    .default([])
    .transform((list) => list.flatMap((text) => parseWorkloadRef(text) ?? []))
    .meta({ description: meaning, example: ["Deployment/mas-travel/planner"] });
const tree = (meaning: string, example: object) =>
  z.record(z.string(), z.unknown()).default({}).meta({ description: meaning, example });

const restarts = z.strictObject({
  enabled: z.boolean().default(true).meta({ description: "restart MAS workloads at all", example: false }),
  discovery: z.boolean().default(true).meta({
    description: "find workloads through MultiAgentSystem and CASAPolicy objects; false: only `restarts.workloads`",
    example: false,
  }),
  maxConcurrent: z.number().int().min(1).max(1000).default(1).meta({
    description: "MAS workloads that may be between first patch and fully available at any moment",
    example: 3,
  }),
  canaries: workloads("workloads restarted first, before all others"),
  exclude: workloads("workloads never restarted; they are reported"),
  workloads: workloads("workloads restarted in addition to the discovered ones, last"),
  inputs: z
    .array(z.string().regex(/^[A-Z][A-Za-z]+\/[-a-z0-9.]+$/, "Kind/name"))
    .default([])
    .meta({
      description: "further objects of the chart whose change makes a restart necessary, as `Kind/name`",
      example: ["ConfigMap/casa-routing"],
    }),
  sidecarDeployment: optional.meta({
    description: "Deployment of the ext-authz sidecar; empty: `<release>-sidecar`",
    example: "casa-sidecar",
  }),
});

const timeouts = z.strictObject({
  connect: seconds(10, "longest wait for the API server to answer in pre-flight"),
  crds: seconds(60, "longest wait for all CRDs to be Established"),
  release: seconds(600, "longest wait of helm for all workloads of the release"),
  injection: seconds(120, "longest wait for the sidecar or injector before the first restart"),
  restart: seconds(300, "longest wait for one restarted workload"),
});

/** The one schema of the stack's configuration. Everything is strict: a key that is not here is an error. */
export const configSchema = z.strictObject({
  context: z.string().min(1, "the name of a kubeconfig context").meta({
    description: "kubeconfig context of the cluster (required); always named, so that no upgrade goes to the wrong cluster",
    example: "prod-eu",
  }),
  kubeconfig: optional.meta({
    description: "kubeconfig file; empty: `$KUBECONFIG`, else `~/.kube/config`",
    example: "/etc/kube/prod.yaml",
  }),
  clusterId: optional.meta({
    description: "UID of the cluster's kube-system namespace; when set, any other cluster is refused",
    example: "8a1c3f0e-2b5d-4c6f-9e7a-1d2c3b4a5f60",
  }),
  chart: z.string().min(1, "a folder, a .tgz, oci://…, or a chart name").meta({
    description: "chart (required): local folder or package, `oci://…`, or a name together with `repository`",
    example: "oci://registry.example.com/charts/casa-runtime",
  }),
  repository: optional.meta({ description: "chart repository URL, with a chart name", example: "https://charts.example.com" }),
  version: z
    .string()
    .regex(new RegExp(`^$|${VERSION.source}`), "an exact version such as 0.1.18, no range")
    .default("")
    .transform((text) => (text === "" ? undefined : text))
    .meta({ description: "exact chart version; required unless the chart is local", example: "0.1.18" }),
  release: dnsLabel.max(53).default("casa").meta({ description: "helm release name", example: "casa" }),
  namespace: dnsLabel.default("casa-runtime").meta({ description: "namespace of the release", example: "casa-runtime" }),
  values: tree("chart values", { authService: { replicaCount: 2 } }),
  secretValues: tree("chart values that never show: merged over `values`, always secret", { postgresAuth: { password: "…" } }),
  valueFiles: z.array(z.string().min(1)).default([]).meta({
    description: "YAML value files, relative to the project; later ones win, `values` wins over all",
    example: ["values.yaml"],
  }),
  mode: z.enum(["istio", "cilium"]).default("istio").meta({
    description: "how configuration reaches the MAS pods; decides what must be ready before the first restart",
    example: "cilium",
  }),
  webhook: z.string().min(1).default("casa-sidecar-injector").meta({
    description: "MutatingWebhookConfiguration of mode `cilium`",
    example: "casa-sidecar-injector",
  }),
  allowInstall: z.boolean().default(false).meta({
    description: "install when the release does not exist; false: that is an error, it is probably the wrong cluster",
    example: true,
  }),
  maxHistory: z.number().int().min(2).max(1000).default(10).meta({
    description: "revisions that `helm history` keeps",
    example: 5,
  }),
  restarts: restarts.prefault({}).meta({ description: "restarts of MAS workloads", example: { maxConcurrent: 3 } }),
  timeouts: timeouts.prefault({}).meta({ description: "time limits", example: { release: 900 } }),
});

/** The configuration, with every default filled in. Durations are seconds. */
export type UpgradeConfig = z.output<typeof configSchema>;

/** The configuration is wrong; the message lists every problem with the line that fixes it. */
export class ConfigError extends Error {}

/**
 * Parses the stack's configuration, keys without the project's name, values as JSON would have them.
 *
 * @throws ConfigError listing every problem: key, value (never a secret one), what is allowed, the line that fixes it.
 */
export function parseConfig(raw: Record<string, unknown>, secretKeys: readonly string[] = []): UpgradeConfig {
  const parsed = configSchema.safeParse(raw);
  const problems = [
    ...(parsed.success ? [] : describeProblems(parsed.error.issues, raw, [...secretKeys, "secretValues"])),
    ...chartProblems(raw),
  ];
  if (!parsed.success || problems.length > 0) {
    const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
    throw new ConfigError(`the configuration of this stack has ${count}:\n${problems.join("\n")}`);
  }
  return parsed.data;
}

/** What the chart's source needs beside it. */
function chartProblems(raw: Record<string, unknown>): string[] {
  const text = (key: string) => (typeof raw[key] === "string" ? raw[key] : "");
  const chart = text("chart");
  if (chart === "") return [];
  const oci = chart.startsWith("oci://");
  const remote = oci || text("repository") !== "";
  const problems: string[] = [];
  if (oci && text("repository") !== "") {
    problems.push("- repository: an oci:// chart has none.\n    Fix: pulumi config rm repository");
  }
  if (!oci && text("repository") !== "" && chart.includes("/")) {
    problems.push(
      `- chart: "${chart}" must be a plain name when \`repository\` is set.\n    Fix: pulumi config set chart casa-runtime`,
    );
  }
  if (remote && text("version") === "") {
    problems.push(
      "- version: not set, but a chart that is not local needs an exact version (two runs must mean the same).\n" +
        "    Fix: pulumi config set version 0.1.18",
    );
  }
  return problems;
}
