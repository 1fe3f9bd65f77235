import { gunzipSync } from "node:zlib";
import { z } from "zod";
import type { ClusterClient } from "./connect";
import { PreflightError } from "./problem";

/** One revision of a release; the newest one is read whole, of the others only what their labels and head say. */
export interface Revision {
  revision: number;
  status: string;
  chartName: string;
  chartVersion: string;
}

/** The newest revision. */
export interface LatestRevision extends Revision {
  description: string;
  /** Values the user gave, without the chart's defaults. */
  config: Record<string, unknown>;
  /** Rendered objects, hooks left out, as YAML. */
  manifest: string;
  /** Files of the installed chart's `crds/` folders. */
  crdFiles: { name: string; data: string }[];
}

export interface ReleaseState {
  name: string;
  namespace: string;
  /** Newest last. */
  revisions: Revision[];
  latest: LatestRevision;
}

const file = z.looseObject({ name: z.string(), data: z.string().default("") });
const chartMetadata = z.looseObject({ name: z.string(), version: z.string() });
interface StoredChart {
  metadata: z.infer<typeof chartMetadata>;
  files?: z.infer<typeof file>[] | null;
  dependencies?: StoredChart[] | null;
}
const storedChart: z.ZodType<StoredChart> = z.lazy(() =>
  z.looseObject({
    metadata: chartMetadata,
    files: z.array(file).nullish(),
    dependencies: z.array(storedChart).nullish(),
  }),
);
const storedRelease = z.looseObject({
  version: z.number(),
  info: z.looseObject({ status: z.string(), description: z.string().default("") }),
  chart: storedChart,
  config: z.record(z.string(), z.unknown()).nullish(),
  manifest: z.string().default(""),
});
const secret = z.looseObject({ data: z.looseObject({ release: z.string() }) });

/**
 * Reads a release from helm's Secrets (its default storage driver; another one is not supported, and an install kept in
 * ConfigMaps looks absent to helm without `HELM_DRIVER` as well). Undefined when there is none.
 */
export async function readRelease(
  client: ClusterClient,
  namespace: string,
  name: string,
): Promise<ReleaseState | undefined> {
  const selector = `owner=helm,name=${name}`;
  const secrets = await client.api.list({ apiVersion: "v1", kind: "Secret" }, namespace, selector);
  const stored = secrets.map((item) => decode(secret.parse(item).data.release)).sort((a, b) => a.version - b.version);
  const latest = stored.at(-1);
  if (!latest) return undefined;
  return {
    name,
    namespace,
    revisions: stored.map(head),
    latest: {
      ...head(latest),
      description: latest.info.description,
      config: latest.config ?? {},
      manifest: latest.manifest,
      crdFiles: crdFiles(latest.chart, latest.chart.metadata.name),
    },
  };
}

/** helm stores a release as base64 of gzip of JSON, and Kubernetes adds its own base64. */
function decode(data: string): z.infer<typeof storedRelease> {
  const inner = Buffer.from(Buffer.from(data, "base64").toString("latin1"), "base64");
  return storedRelease.parse(JSON.parse(gunzipSync(inner).toString()));
}

function head(release: z.infer<typeof storedRelease>): Revision {
  const { name, version } = release.chart.metadata;
  return { revision: release.version, status: release.info.status, chartName: name, chartVersion: version };
}

function crdFiles(chart: StoredChart, path: string): { name: string; data: string }[] {
  const own = (chart.files ?? [])
    .filter(({ name }) => name.startsWith("crds/"))
    .map(({ name, data }) => ({ name: `${path}/${name}`, data: Buffer.from(data, "base64").toString() }));
  const nested = (chart.dependencies ?? []).flatMap((sub) => crdFiles(sub, `${path}/charts/${sub.metadata.name}`));
  return [...own, ...nested];
}

/** Why helm would refuse to upgrade this release, and the line that repairs it; undefined when it would not. */
export function releaseProblem(release: ReleaseState, context: string): PreflightError | undefined {
  const { name, namespace, latest } = release;
  const where = `--namespace ${namespace} --kube-context ${context}`;
  const good = [...release.revisions].reverse().find(({ status }) => status === "deployed" || status === "superseded");
  const back = good && `helm rollback ${name} ${good.revision} ${where}`;
  const state = `release ${namespace}/${name} is stuck in ${latest.status} (revision ${latest.revision})`;
  switch (latest.status) {
    case "pending-install":
    case "pending-upgrade":
    case "pending-rollback":
      return new PreflightError(
        `${state}: another helm is at work, or one was killed`,
        `wait for the other one; if there is none: ${back ?? `helm uninstall ${name} ${where}`}, then repeat`,
      );
    case "uninstalling":
      return new PreflightError(state, `finish it: helm uninstall ${name} ${where}`);
    case "uninstalled":
      return new PreflightError(
        `release ${namespace}/${name} was uninstalled and only its history is left`,
        back ? `bring it back: ${back}` : `remove the history: helm uninstall ${name} ${where}`,
      );
    case "failed":
      // helm refuses to upgrade a release that has never been deployed.
      return good
        ? undefined
        : new PreflightError(
            `the first install of release ${namespace}/${name} failed, helm cannot upgrade it`,
            `helm uninstall ${name} ${where}, then install it again (pulumi config set allowInstall true)`,
          );
    default:
      return undefined;
  }
}
