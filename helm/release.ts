import { UserError } from "../shared/user-error";
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { z } from "zod";
import { helmRollbackLine } from "./rollback-line";
import { lastCarriedOut } from "./carried-out";
import { ApiError } from "../kubernetes/api";
import { type ClusterClient, parseObject } from "../kubernetes/connect";

/**
 * One revision of a release. What its labels do not say is decoded when it is first asked for: a record may hold 1 MB.
 */
export interface Revision {
  readonly revision: number;
  /** helm's status: `deployed`, `superseded`, `failed`, `pending-upgrade`, … */
  readonly status: string;
  readonly chartName: string;
  readonly chartVersion: string;
  readonly appVersion: string | undefined;
  readonly description: string;
  /** RFC 3339. */
  readonly deployedAt: string;
  /** Values the user gave, without the chart's defaults. */
  readonly config: Record<string, unknown>;
  /** Rendered objects, hooks left out, as YAML. */
  readonly manifest: string;
  /** Objects of helm hooks, as YAML. */
  readonly hooks: string[];
  /** The chart's own default values, without those of subcharts. */
  readonly defaults: Record<string, unknown>;
  /** Hash of the record as it is stored: only who may read helm's Secrets can compute it. */
  readonly recordKey: Buffer;
  /** Files of the chart's `crds/` folder. Those of subcharts are missing: helm does not store subcharts. */
  readonly crdFiles: { name: string; data: string }[];
}

/** The newest revision. */
export type LatestRevision = Revision;

export interface ReleaseState {
  name: string;
  namespace: string;
  /** Newest last. */
  revisions: Revision[];
  latest: LatestRevision;
}

const file = z.looseObject({ name: z.string(), data: z.string().nullish() });
const chartMetadata = z.looseObject({ name: z.string(), version: z.string(), appVersion: z.string().optional() });
const storedRelease = z.looseObject({
  version: z.number(),
  info: z.looseObject({
    status: z.string(),
    description: z.string().default(""),
    last_deployed: z.string().default(""),
  }),
  chart: z.looseObject({
    metadata: chartMetadata,
    files: z.array(file).nullish(),
    values: z.record(z.string(), z.unknown()).nullish(),
  }),
  config: z.record(z.string(), z.unknown()).nullish(),
  manifest: z.string().default(""),
  hooks: z.array(z.looseObject({ manifest: z.string() })).nullish(),
});
type StoredRelease = z.infer<typeof storedRelease>;

const record = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    labels: z.looseObject({ status: z.string(), version: z.coerce.number().int() }),
  }),
  data: z.looseObject({ release: z.string() }),
});

/**
 * Reads a release from helm's Secrets, its default storage. Undefined when there is none. Other storage drivers are not
 * supported; a release kept in ConfigMaps is found and refused, one in an SQL database cannot be seen.
 *
 * @throws UserError when the release may not be read, is kept in ConfigMaps, or its record is damaged.
 */
export async function readRelease(
  client: ClusterClient,
  namespace: string,
  name: string,
): Promise<ReleaseState | undefined> {
  const select = { labelSelector: `owner=helm,name=${name}` };
  const secrets = await client
    .list({ apiVersion: "v1", kind: "Secret" }, namespace, record, select)
    .catch((error: unknown) => {
      if (!(error instanceof ApiError) || error.code !== 403) throw error;
      throw new UserError(
        "release",
        `missing permission to read helm's record of release ${namespace}/${name}: ${error.message}`,
        `let the user get, list, create, update and delete secrets in namespace ${namespace}, where helm keeps its releases ` +
          `(kubectl --context ${client.context} --namespace ${namespace} auth can-i list secrets), or use a context that may`,
      );
    });
  const revisions = secrets.map((secret) => new StoredRevision(secret)).sort((a, b) => a.revision - b.revision);
  const latest = revisions.at(-1);
  if (!latest) {
    await refuseConfigMapDriver(client, namespace, name);
    return undefined;
  }
  latest.decode(); // a damaged record shows here and not somewhere in the plan
  return { name, namespace, revisions, latest };
}

class StoredRevision implements Revision {
  private decoded: StoredRelease | undefined;

  constructor(private readonly secret: z.infer<typeof record>) {}

  decode(): StoredRelease {
    return (this.decoded ??= decodeRelease(this.secret.metadata.name, this.secret.data.release));
  }

  get revision(): number {
    return this.secret.metadata.labels.version;
  }
  get status(): string {
    return this.decoded?.info.status ?? this.secret.metadata.labels.status;
  }
  get chartName(): string {
    return this.decode().chart.metadata.name;
  }
  get chartVersion(): string {
    return this.decode().chart.metadata.version;
  }
  get appVersion(): string | undefined {
    return this.decode().chart.metadata.appVersion;
  }
  get description(): string {
    return this.decode().info.description;
  }
  get deployedAt(): string {
    return this.decode().info.last_deployed;
  }
  get config(): Record<string, unknown> {
    return this.decode().config ?? {};
  }
  get manifest(): string {
    return this.decode().manifest;
  }
  get hooks(): string[] {
    return (this.decode().hooks ?? []).map(({ manifest }) => manifest);
  }
  get defaults(): Record<string, unknown> {
    return this.decode().chart.values ?? {};
  }
  get recordKey(): Buffer {
    return createHash("sha256").update(this.secret.data.release).digest();
  }
  get crdFiles(): { name: string; data: string }[] {
    const { metadata, files } = this.decode().chart;
    return (files ?? [])
      .filter(({ name }) => name.startsWith("crds/"))
      .map(({ name, data }) => ({
        name: `${metadata.name}/${name}`,
        data: Buffer.from(data ?? "", "base64").toString(),
      }));
  }
}

/**
 * Decodes helm's record as it stands in a Secret: base64 of gzip of JSON (very old ones: of JSON), and base64 once
 * more.
 *
 * @param secretName named in the error.
 */
export function decodeRelease(secretName: string, data: string): StoredRelease {
  let value: unknown;
  try {
    const inner = Buffer.from(Buffer.from(data, "base64").toString("latin1"), "base64");
    const gzipped = inner[0] === 0x1f && inner[1] === 0x8b;
    value = JSON.parse((gzipped ? gunzipSync(inner) : inner).toString());
  } catch {
    // The parser's message would show pieces of the record, which holds secret values.
    throw new UserError(
      "release",
      `helm's record ${secretName} is damaged: it cannot be decoded`,
      "restore this Secret from a backup, or delete it if an older revision will do (helm history shows which are left)",
    );
  }
  return parseObject(`Release record ${secretName}`, value, storedRelease);
}

async function refuseConfigMapDriver(client: ClusterClient, namespace: string, name: string): Promise<void> {
  const labels = `owner=helm,name=${name}`;
  const maps = await client.api.list({ apiVersion: "v1", kind: "ConfigMap" }, namespace, labels).catch(() => []);
  if (maps.length === 0) return;
  const kubectl = `kubectl --context ${client.context} --namespace ${namespace}`;
  throw new UserError(
    "release",
    `release ${namespace}/${name} is kept in ConfigMaps (HELM_DRIVER=configmap); only helm's default, Secrets, is supported`,
    `copy its history to Secrets: ${kubectl} get configmaps --selector ${labels} --output go-template='${AS_SECRETS}' | ` +
      `${kubectl} create --filename -`,
  );
}

/** Prints ConfigMaps of helm as the Secrets of its default driver; the record itself is the same in both. */
const AS_SECRETS =
  '{{range .items}}---{{"\\n"}}{apiVersion: v1, kind: Secret, type: helm.sh/release.v1, metadata: {name: {{.metadata.name}}, ' +
  'labels: { {{range $k, $v := .metadata.labels}}{{$k}}: "{{$v}}", {{end}} }}, stringData: {release: {{.data.release}}}}' +
  '{{"\\n"}}{{end}}';

/**
 * Why helm would refuse to upgrade this release, and the line that repairs it; undefined when it would not.
 *
 * A failed upgrade is no obstacle, and neither is a failed first install: helm upgrades both.
 */
export function releaseProblem(release: ReleaseState, context: string): UserError | undefined {
  const { name, namespace, latest } = release;
  const where = `--namespace ${namespace} --kube-context ${context}`;
  const back = wayBack(release, context)?.line;
  const uninstall = `helm uninstall ${name} ${where}`;
  const state = `release ${namespace}/${name} is stuck in ${latest.status} (revision ${latest.revision})`;
  switch (latest.status) {
    case "pending-install":
    case "pending-upgrade":
    case "pending-rollback":
      return new UserError(
        "release",
        `${state}: another helm is at work, or one was killed`,
        `wait for the other one; if there is none: ${back ?? `${uninstall}, which removes what the first install made`}, then repeat`,
      );
    case "uninstalling":
      return new UserError(
        "release",
        `${state}: another helm is removing it, or one was killed`,
        `finish it: ${uninstall}; to install it again after that: pulumi config set allowInstall true`,
      );
    case "uninstalled":
      return new UserError(
        "release",
        `release ${namespace}/${name} was uninstalled and only its history is left`,
        `bring it back: ${helmRollbackLine({ release: name, namespace, context }, latest.revision)}; or remove the history: ${uninstall}`,
      );
    case "failed":
    case "superseded":
    case "deployed":
      return undefined;
    default:
      return new UserError(
        "release",
        `release ${namespace}/${name} is in a state that helm cannot upgrade: ${latest.status} (revision ${latest.revision})`,
        `look at it (helm history ${name} ${where})${back ? `, and go back to the last good revision: ${back}` : ""}`,
      );
  }
}

/**
 * What to know before a failed revision is upgraded; undefined when the newest one did not fail.
 *
 * helm compares with the last *deployed* revision: a field that only the failed one added (an annotation, a container)
 * is in neither side of that comparison, so an upgrade leaves it on the cluster. A rollback compares with the failed
 * revision and takes it away (seen with helm 3.22 on a real API server).
 */
export function releaseWarning(release: ReleaseState, context: string): string | undefined {
  const { name, namespace, latest } = release;
  if (latest.status !== "failed") return undefined;
  const why = latest.description.split("\n")[0];
  const back = wayBack(release, context);
  const failed = `revision ${latest.revision} of release ${namespace}/${name} failed (${why}); this run upgrades it as it stands`;
  if (!back) return failed;
  return (
    `${failed}. What only the failed revision added stays on the cluster, because helm compares with revision ` +
    `${back.revision}. If its workloads do not recover, take it back first: ${back.line}`
  );
}

/**
 * The revision that helm compares with: the newest one if it is deployed, else the last one that is; the newest
 * one again when nothing was ever deployed.
 */
export function comparedRevision({ revisions, latest }: ReleaseState): Revision {
  return [...revisions].reverse().find(({ status }) => status === "deployed") ?? latest;
}

/** The newest revision that was deployed, and the line that goes back to it; undefined when there never was one. */
function wayBack({ name, namespace, revisions }: ReleaseState, context: string) {
  const good = lastCarriedOut(revisions);
  if (!good) return undefined;
  return { revision: good.revision, line: helmRollbackLine({ release: name, namespace, context }, good.revision) };
}
