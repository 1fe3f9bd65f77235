import { z } from "zod";
import { acknowledgeSchema } from "./acknowledgements";
import { DESTINATION } from "./backup-destination";
import { crdRuleOverride } from "../crds/compat/overrides";
import { WORKLOAD_KINDS, type WorkloadRef } from "../kubernetes/workload";

const WORKLOAD =
  /^(?:(Deployment|StatefulSet|DaemonSet|Rollout)\/)?([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)\/([a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?)$/;
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const OBJECT_NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const IMAGE = /^[a-z0-9][-\w.:/@]*$/i;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const IDENTIFIERS = "[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*";
const NUMBER = "(?:0|[1-9]\\d*)";
const VERSION = new RegExp(`^v?${NUMBER}\\.${NUMBER}\\.${NUMBER}(?:-${IDENTIFIERS})?(?:\\+${IDENTIFIERS})?$`);

/** Parses `[Deployment/|StatefulSet/|DaemonSet/|Rollout/]namespace/name`; undefined when it is not of that form. */
export function parseWorkloadRef(text: string): WorkloadRef | undefined {
  const [whole, kind, namespace = "", name = ""] = WORKLOAD.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const known = WORKLOAD_KINDS.find((one) => one === kind);
  return known === undefined ? { namespace, name } : { kind: known, namespace, name };
}

/** What every key says of itself; the table, Pulumi.yaml and the error messages are made from it. */
export interface KeyMeta {
  /** Meaning, with the unit. */
  description: string;
  /** A value for the example line. */
  example: unknown;
  /** What is allowed, in words, where type and limits do not say it. */
  allowed?: string;
}

/** Text that may be left empty: the engine hands the default of Pulumi.yaml in for a key that is not set. */
function optionalText(meta: KeyMeta, pattern = /^/) {
  return z
    .string()
    .refine((text) => text === "" || pattern.test(text))
    .default("")
    .transform((text) => (text === "" ? undefined : text))
    .meta({ ...meta });
}

function label(byDefault: string, longest: number, description: string) {
  const allowed = `lower-case letters, digits and "-", at most ${longest}`;
  const meta: KeyMeta = { description, example: byDefault, allowed };
  return z
    .string()
    .regex(DNS_LABEL)
    .max(longest)
    .default(byDefault)
    .meta({ ...meta });
}

function objectName(byDefault: string, description: string) {
  const meta: KeyMeta = { description, example: byDefault, allowed: "the name of a Kubernetes object" };
  return z
    .string()
    .regex(OBJECT_NAME)
    .default(byDefault)
    .meta({ ...meta });
}

function wholeNumber(least: number, most: number, byDefault: number, example: number, description: string) {
  return z.number().int().min(least).max(most).default(byDefault).meta({ description, example });
}

const seconds = (byDefault: number, most: number, meaning: string) =>
  wholeNumber(1, most, byDefault, byDefault * 2, `${meaning}, in seconds`);

function workloads(description: string) {
  const form = z
    .string()
    .regex(WORKLOAD)
    .meta({ allowed: "[Deployment/|StatefulSet/|DaemonSet/|Rollout/]namespace/name" });
  return z
    .array(form)
    .default([])
    .transform((list) => list.flatMap((text) => parseWorkloadRef(text) ?? []))
    .meta({ description, example: ["Deployment/mas-travel/planner"] });
}

const tree = (description: string, example: object) =>
  z.record(z.string(), z.unknown()).default({}).meta({ description, example });

const restarts = z.strictObject({
  enabled: z.boolean().default(true).meta({ description: "restart MAS workloads at all", example: false }),
  discovery: z.boolean().default(true).meta({
    description: "find workloads through MultiAgentSystem and CASAPolicy objects; false: only `restarts.workloads`",
    example: false,
  }),
  maxConcurrent: z
    .union([z.number().int().min(1).max(1000), z.string().regex(/^((100|[1-9]\d?)%|1000|[1-9]\d{0,2})$/)])
    .default(1)
    // The CLI keeps text where text was: a number set in the place of a share.
    .transform((value) => (typeof value === "number" || value.endsWith("%") ? value : Number(value)))
    .meta({
      description:
        "MAS workloads that may be between first patch and fully available at any moment; a share of all that are " +
        "restarted is rounded up",
      example: 3,
      allowed: "a whole number from 1 to 1000, or a share from 1% to 100%",
    }),
  canaries: workloads("workloads restarted first, before all others"),
  canarySoakSeconds: wholeNumber(
    0,
    86_400,
    0,
    300,
    "how long the canaries must stay available before anything else is restarted, in seconds",
  ),
  exclude: workloads("workloads never restarted; they are reported"),
  workloads: workloads("workloads restarted in addition to the discovered ones, last"),
  reason: optionalText(
    {
      description:
        "restarts every MAS workload once although the release gives no reason, and is kept with it; another text " +
        "restarts them once more, an empty one nothing",
      example: "Istio 1.27",
      allowed: "one line of at most 200 characters",
    },
    /^[^\p{Cc}]{1,200}$/u,
  ),
  brokenBefore: z
    .enum(["last", "refuse"])
    .default("last")
    .meta({
      description:
        "workloads that are not available before the upgrade: `last` restarts them after all others and lets them fail, " +
        "`refuse` refuses the upgrade",
      example: "refuse",
    }),
  inputs: z
    .array(
      z
        .string()
        .regex(/^[A-Z][A-Za-z0-9]*\/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/)
        .meta({ allowed: "Kind/name" }),
    )
    .default([])
    .meta({
      description: "further objects of the chart whose change makes a restart necessary, as `Kind/name`",
      example: ["ConfigMap/casa-routing"],
    }),
  sidecarDeployment: optionalText(
    {
      description: "Deployment of the ext-authz sidecar; empty: `<release>-sidecar`",
      example: "casa-sidecar",
      allowed: "the name of a Deployment",
    },
    OBJECT_NAME,
  ),
});

const migrationGate = z.strictObject({
  enabled: z.boolean().default(true).meta({
    description: "wait for the auth service's schema migration before MAS workloads are restarted",
    example: false,
  }),
  deployment: optionalText(
    {
      description:
        "Deployment (or StatefulSet, Rollout, DaemonSet) of the auth service; empty: `<release>-auth-service`, else the one labelled as auth-service",
      example: "casa-auth-service",
      allowed: "the name of a Deployment",
    },
    OBJECT_NAME,
  ),
  checkLogs: z.boolean().default(true).meta({
    description: "fail when the log of a ready pod says that its migration failed",
    example: false,
  }),
  compareData: z.boolean().default(true).meta({
    description:
      "fail when a database lost its tables, its Alembic revision or all its rows since the backup of this run",
    example: false,
  }),
  httpPath: optionalText(
    {
      description: "path that every pod must answer with 2xx, one that touches the database; empty: no probe",
      example: "/health",
      allowed: "a path that begins with /",
    },
    /^\/[!-~]*$/,
  ),
  port: wholeNumber(1, 65_535, 8000, 8080, "port of the pods for `httpPath`"),
  expectedRevision: optionalText(
    {
      description: "revision that the table alembic_version must hold, several separated by commas; empty: any",
      example: "8e5b0c6d1a72",
      allowed: "one or more revisions, separated by commas",
    },
    /^[\w.-]+(\s*,\s*[\w.-]+)*$/,
  ).transform((text) => text?.split(/\s*,\s*/)),
});

const timeouts = z.strictObject({
  connect: seconds(10, 600, "longest wait for the API server's first answer"),
  request: seconds(60, 3600, "longest wait for its answer to any later request, such as the dry-run of a large CRD"),
  crds: seconds(60, 3600, "longest wait for all CRDs to be Established"),
  customResources: seconds(3600, 86_400, "longest time for the migration of one CRD's custom resources"),
  release: seconds(600, 86_400, "longest wait of helm for all workloads of the release"),
  migration: seconds(300, 86_400, "longest wait for the auth service's migration after helm is satisfied"),
  injection: seconds(120, 3600, "longest wait for the sidecar or injector before the first restart"),
  restart: seconds(300, 86_400, "longest wait for one restarted workload"),
});

const externalDatabase = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][-\w.]*$/)
    .meta({ allowed: "letters, digits, `-`, `_` and `.`" }),
  host: z.string().min(1),
  port: z.number().int().min(1).max(65_535).default(5432),
  database: z.string().min(1),
  user: z.string().min(1),
  secret: z.strictObject({
    name: z.string().regex(OBJECT_NAME),
    key: z.string().min(1),
    namespace: z.string().regex(DNS_LABEL).optional(),
  }),
  sslMode: z.enum(["disable", "prefer", "require", "verify-ca", "verify-full"]).default("prefer"),
});

const backup = z.strictObject({
  enabled: z.boolean().default(true).meta({
    description: "back up and verify the databases before an upgrade changes anything; see docs/backup.md",
    example: false,
  }),
  destination: z
    .string()
    .regex(DESTINATION)
    .default("backups")
    .meta({
      description:
        "where backups go: a folder (relative to the project's), `s3://bucket/prefix`, or `pvc://claim/folder` with a " +
        "PersistentVolumeClaim in the release's namespace",
      example: "s3://casa-backups/production",
      allowed: "a folder, s3://bucket/prefix or pvc://claim/folder; no other URL, no credentials and no `..` in it",
    }),
  pvcImage: z.string().regex(IMAGE).default("docker.io/library/busybox:1.37.0").meta({
    description:
      "image of the helper pod that mounts the claim: any with sh, cat, mkdir, mv, rm, sleep, sync and sha256sum",
    example: "registry.example.com/mirror/busybox:1.37.0",
    allowed: "the name of an image",
  }),
  s3Endpoint: optionalText(
    {
      description: "URL of an S3-compatible server; empty: AWS",
      example: "https://minio.example.com",
      allowed: "an http(s):// URL without credentials",
    },
    /^https?:\/\/[^\s/@]+(?:\/[^\s@]*)?$/,
  ),
  s3Region: z
    .string()
    .regex(/^[a-z0-9-]+$/)
    .default("us-east-1")
    .meta({ description: "region of the bucket", example: "eu-central-1", allowed: "a region such as eu-central-1" }),
  keep: wholeNumber(1, 1000, 5, 10, "verified backups of each database that are left after a new one"),
  proof: z
    .enum(["auto", "server", "database"])
    .default("auto")
    .meta({
      description:
        "where backups are tried: `server`: on a throw-away server of the same version, in a pod of the same image (for databases " +
        "outside of the cluster on this machine); `database`: in a scratch database on the server itself; `auto`: on a throw-away " +
        "server, and in a scratch database where none can be had",
      example: "database",
      allowed: "auto, server or database",
    }),
  discover: z.boolean().default(true).meta({
    description: "back up the PostgreSQL servers of the installed release; false: only `backup.databases`",
    example: false,
  }),
  databases: z
    .array(externalDatabase)
    .default([])
    .meta({
      description:
        "databases outside of the release: maps with `name`, `host`, `port` (5432), `database`, `user`, `secret` (`name`, `key` and " +
        "perhaps `namespace` of the Secret with the password) and `sslMode` (prefer)",
      example: [
        {
          name: "auth",
          host: "db.example.com",
          database: "auth",
          user: "auth",
          secret: { name: "auth-db", key: "password" },
        },
      ],
    }),
  timeoutSeconds: wholeNumber(
    1,
    86_400,
    3600,
    7200,
    "longest time for all dumps, and again for their verification, in seconds",
  ),
});

/** The one schema of the stack's configuration. Everything is strict: a key that is not here is an error. */
export const configSchema = z.strictObject({
  context: z.string().min(1).meta({
    description: "kubeconfig context of the cluster; always named, so that no upgrade goes to the wrong cluster",
    example: "prod-eu",
    allowed: "the name of a kubeconfig context",
  }),
  kubeconfig: optionalText({
    description: "kubeconfig file; empty: `$KUBECONFIG`, else `~/.kube/config`",
    example: "/etc/kube/prod.yaml",
  }),
  clusterId: optionalText(
    {
      description: "UID of the cluster's kube-system namespace; when set, any other cluster is refused",
      example: "8a1c3f0e-2b5d-4c6f-9e7a-1d2c3b4a5f60",
      allowed: "a UID as `kubectl get namespace kube-system -o jsonpath={.metadata.uid}` prints it",
    },
    UUID,
  ),
  chart: z.string().min(1).meta({
    description: "the chart: local folder or `.tgz`, `oci://…`, or a name together with `repository`",
    example: "oci://registry.example.com/charts/casa-runtime",
    allowed: "a folder, a .tgz, oci://…, or a chart name together with `repository`",
  }),
  repository: optionalText(
    {
      description: "chart repository URL, with a chart name only",
      example: "https://charts.example.com",
      allowed: "an http(s):// URL (for an OCI registry, set `chart` to oci://… instead)",
    },
    /^https?:\/\/[^\s/]/,
  ),
  version: optionalText(
    {
      description: "exact chart version; required unless the chart is local",
      example: "0.1.18",
      allowed: "an exact version such as 0.1.18, no range: two runs must mean the same",
    },
    VERSION,
  ),
  release: label("casa", 53, "helm release name"),
  namespace: label("casa-runtime", 63, "namespace of the release"),
  values: tree("chart values", { authService: { replicaCount: 2 } }),
  secretValues: tree("chart values that never show: merged over `values`, always stored encrypted", {
    postgresAuth: { password: "…" },
  }),
  valueFiles: z
    .array(z.string().min(1).meta({ allowed: "the path of a YAML file" }))
    .default([])
    .meta({
      description: "YAML value files, relative to the project's folder; later ones win, `values` wins over all",
      example: ["values.yaml"],
    }),
  mode: z.enum(["istio", "cilium"]).default("istio").meta({
    description: "how configuration reaches the MAS pods; decides what must be ready before the first restart",
    example: "cilium",
  }),
  webhook: objectName("casa-sidecar-injector", "MutatingWebhookConfiguration of mode `cilium`"),
  allowInstall: z.boolean().default(false).meta({
    description: "install when the release does not exist; false: that is an error, it is probably the wrong cluster",
    example: true,
  }),
  maxHistory: wholeNumber(2, 1000, 10, 5, "revisions that `helm history` keeps"),
  crdSources: z
    .record(z.string(), z.string())
    .default({})
    .meta({
      description:
        "of a CRD that several files of the chart bring with different contents, the file that counts, by the CRD's name; " +
        "without it the first one, as with helm",
      example: { "gadgets.example.com": "casa-runtime/charts/gadgets/crds/gadgets.yaml" },
    }),
  takeOverCrds: z
    .array(z.string())
    .default([])
    .meta({
      description:
        "names of CRDs that belong to another helm release, to Argo CD or to Flux, and that this upgrade may change all the same",
      example: ["gadgets.example.com"],
    }),
  crdRules: z
    .array(crdRuleOverride)
    .default([])
    .meta({
      description:
        "how serious a finding of the CRD comparison is, and why: maps with `rule`, `severity` (error, warning, none), " +
        "`reason`, and optionally `crd` and `path`; the rules are in docs/crd-rules.md",
      example: [{ rule: "existingFieldRemoval", severity: "none", reason: "no client reads it" }],
    }),
  customResourceMigrations: optionalText({
    description:
      "YAML file with the rules by which custom resources get into the form of a CRD's next version, relative to the project's " +
      "folder; empty: none; see docs/custom-resource-migration.md",
    example: "custom-resource-migrations.yaml",
    allowed: "the path of a YAML file",
  }),
  acknowledge: acknowledgeSchema,
  migrationGate: migrationGate
    .prefault({})
    .meta({ description: "the gate between the chart and the restarts", example: { httpPath: "/health" } }),
  backup: backup.prefault({}).meta({
    description: "backup of the databases before an upgrade",
    example: { destination: "/srv/backups" },
  }),
  restarts: restarts.prefault({}).meta({ description: "restarts of MAS workloads", example: { maxConcurrent: 3 } }),
  timeouts: timeouts.prefault({}).meta({ description: "time limits, in seconds", example: { release: 900 } }),
});

/** The configuration, with every default filled in. Durations are seconds. */
export type UpgradeConfig = z.output<typeof configSchema>;

/** A key of the schema as JSON Schema describes it, with what {@link KeyMeta} says. */
export type KeySchema = z.core.JSONSchema.BaseSchema & Partial<KeyMeta>;

/** The schema as plain data: what may be given, before defaults are filled in. */
export const inputSchema = z.toJSONSchema(configSchema, { io: "input" }) as KeySchema;

/** The keys right below a schema node; empty for anything but a map with fixed keys. */
export function keysOf(node: KeySchema | undefined): Record<string, KeySchema> {
  return (node?.properties ?? {}) as Record<string, KeySchema>;
}

/** The schema node of a path such as `["restarts", "workloads", 0]`. */
export function schemaAt(path: readonly PropertyKey[]): KeySchema | undefined {
  return path.reduce<KeySchema | undefined>(
    (at, step) => (typeof step === "number" ? (at?.items as KeySchema | undefined) : keysOf(at)[String(step)]),
    inputSchema,
  );
}

/** Every fixed key, a map before the keys in it. */
export function allKeys(node: KeySchema = inputSchema, above: string[] = []): string[][] {
  return Object.entries(keysOf(node)).flatMap(([key, below]) => [[...above, key], ...allKeys(below, [...above, key])]);
}
