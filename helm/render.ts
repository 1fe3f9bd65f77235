import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { z } from "zod";
import { ManifestError, parseManifest, type SourcedObject } from "../kubernetes/objects";
import { UserError } from "../shared/user-error";
import { shellWord } from "../shared/shell-word";
import type { ClusterView, ViewAccess } from "./cluster-view";
import { helm, HelmError, helmVersion } from "./helm";

/** A chart on disk and what it is rendered with. */
export interface RenderJob {
  /** As the config names it, for messages. */
  chart: string;
  /** Folder or package. */
  path: string;
  /** File with the values, as JSON. */
  valuesFile: string;
  release: string;
  namespace: string;
  /** A release of this name is there, so helm upgrades it. */
  isUpgrade: boolean;
  /** For files that only this user may read. */
  scratch: string;
}

/** What helm makes of a chart. */
export interface Rendering {
  /** The manifest as text. */
  manifest: string;
  /** Bytes of helm's record of the revision, as far as it can be told; undefined when it is far from the limit. */
  recordBytes?: number;
  /** The objects of the release, hooks left out. */
  objects: SourcedObject[];
  hooks: SourcedObject[];
  /** Why helm 4 refuses the objects, which it says before it shows them; they are then as of a first revision. */
  refused?: string;
}

/** Whether helm carries an object out as a hook. */
export function isHook({ metadata }: SourcedObject["object"]): boolean {
  return metadata.annotations?.["helm.sh/hook"] !== undefined;
}

const names = z
  .array(z.string())
  .nullish()
  .transform((list) => list ?? []);
const hook = z.looseObject({ path: z.string(), manifest: z.string(), events: names, delete_policies: names });

const dryRun = z.looseObject({
  manifest: z.string().default(""),
  hooks: z.array(hook).nullish(),
});

/**
 * Has helm render the chart as its upgrade (or install) would at this moment: with the number of the next revision,
 * with `lookup`, with what the cluster serves. helm carries nothing out, and the view lets it read only.
 *
 * What helm 3 rendered is taken at the place of a post-renderer, which passes nothing on: helm then still checks that
 * it can read the installed manifest, and the new objects are for the caller to check. helm 4 writes the manifest anew
 * for a post-renderer, so there it is taken from what helm prints, which it does only if it has no objection.
 *
 * @throws UserError when it cannot be rendered, or helm cannot go on from the installed revision.
 */
export async function renderForReal(job: RenderJob, view: ClusterView): Promise<Rendering> {
  const file = join(job.scratch, `rendered-${randomUUID()}.yaml`);
  const isTaken = (await helmVersion()).major < 4;
  // helm takes a post-renderer that prints nothing for a broken one.
  const how = isTaken ? postRenderer(`cat > ${shellWord(file)} && echo '# taken'`) : WITHOUT_SCHEMA;
  let output: string;
  try {
    output = await run(job, view, how);
  } catch (error) {
    if (isTaken || !(error instanceof HelmError)) throw renderProblem(job, error);
    return renderRefused(job, view, error);
  }
  return renderingOf(job, output, isTaken ? await readFile(file, "utf8") : undefined);
}

/**
 * What helm rendered.
 *
 * @param output the release, as helm prints it in JSON.
 * @param rendered the manifest, where helm has another one in the release. Default: the release's.
 * @throws UserError when it holds something else than objects.
 */
export function renderingOf(job: RenderJob, output: string, rendered?: string): Rendering {
  const release = dryRun.parse(JSON.parse(output));
  const manifest = rendered ?? release.manifest;
  return parsed(job, () => ({
    manifest,
    recordBytes: output.length + manifest.length < LARGEST_RECORD / 4 ? undefined : recordBytes(release, manifest),
    objects: parseManifest(manifest),
    hooks: (release.hooks ?? []).flatMap(hookObjects),
  }));
}

/** The objects of a hook. Those of a List are hooks by what the List says, which they do not say themselves. */
function hookObjects({ path, manifest, events, delete_policies: policies }: z.infer<typeof hook>): SourcedObject[] {
  return parseManifest(`# Source: ${path}\n${manifest}`).map((found) => {
    if (isHook(found.object)) return found;
    const annotations = {
      ...found.object.metadata.annotations,
      "helm.sh/hook": events.join(","),
      ...(policies.length > 0 ? { "helm.sh/hook-delete-policy": policies.join(",") } : {}),
    };
    return { ...found, object: { ...found.object, metadata: { ...found.object.metadata, annotations } } };
  });
}

/** What helm 4 refuses to install, rendered nevertheless. @throws UserError where the chart itself is what is wrong. */
async function renderRefused(job: RenderJob, view: ClusterView, refusal: HelmError): Promise<Rendering> {
  const problem = renderProblem(job, refusal);
  if (problem instanceof UserError && problem.code === "release") throw problem;
  const args = ["template", job.release, job.path, "--namespace", job.namespace, "--values", job.valuesFile];
  if (job.isUpgrade) args.push("--is-upgrade");
  try {
    // Not with the server, or helm refuses again.
    const manifest = await helm(args, { env: view.env });
    const all = parseManifest(manifest);
    const [hooks, objects] = [all.filter(({ object }) => isHook(object)), all.filter(({ object }) => !isHook(object))];
    return { manifest, objects, hooks, refused: refusal.message };
  } catch {
    throw problem;
  }
}

/**
 * Renders the chart in a way that is the same in every run, whatever revision is the next one: as an upgrade, revision
 * 1. The digest of the chart comes from it, and the CRDs of its `crds/` folders.
 *
 * @param apiVersions as helm lists them.
 * @param kubeVersion the cluster's, e.g. `v1.34.4`.
 * @param view `lookup` looks there; without it `lookup` finds nothing.
 * @throws UserError when it cannot be rendered.
 */
export async function renderFixed(
  job: RenderJob,
  apiVersions: readonly string[],
  kubeVersion: string,
  view?: ClusterView,
): Promise<SourcedObject[]> {
  const args = ["template", job.release, job.path, "--namespace", job.namespace, "--include-crds", "--is-upgrade"];
  args.push("--values", job.valuesFile, "--kube-version", kubeVersion);
  if (view) args.push("--dry-run=server", ...view.args);
  for (const part of inParts(apiVersions)) args.push("--api-versions", part.join(","));
  try {
    const text = await helm(args, { env: view?.env });
    return parsed(job, () => parseManifest(text));
  } catch (error) {
    if (view) refuseIfUnreachable(view);
    throw renderProblem(job, error);
  }
}

/** Largest data of a Secret, in bytes, as the API server checks it: helm's record of a revision is one. */
export const LARGEST_RECORD = 1_048_576;

/** helm keeps a release as base64 of compressed JSON; what is well below a quarter cannot come near. */
function recordBytes(release: object, manifest: string): number {
  return Math.ceil(gzipSync(JSON.stringify({ ...release, manifest }), { level: 9 }).length / 3) * 4;
}

async function run(job: RenderJob, view: ClusterView, more: readonly string[]): Promise<string> {
  try {
    return await helm([...dryRunArgs(job, view), ...more], { env: view.env });
  } catch (error) {
    refuseIfUnreachable(view);
    throw error;
  }
}

/** helm leaves the fields of objects to the server. */
export const WITHOUT_SCHEMA = ["--disable-openapi-validation"];

/** Flags that have helm 3 send what it rendered through a shell command. */
export function postRenderer(command: string): string[] {
  return ["--post-renderer", "sh", "--post-renderer-args", "-c", "--post-renderer-args", command];
}

export function dryRunArgs(job: RenderJob, view: ClusterView): string[] {
  return [...upgradeArgs(job, view), "--dry-run=server"];
}

/** helm's upgrade, or install. */
export function upgradeArgs(job: RenderJob, view: ViewAccess): string[] {
  return [
    ...(job.isUpgrade ? ["upgrade", "--reset-values"] : ["install"]),
    ...[job.release, job.path, "--namespace", job.namespace, "--values", job.valuesFile],
    // CRDs are applied by a step of their own.
    ...["--skip-crds", "--output", "json", ...view.args],
  ];
}

/** Longest text of one argument, in characters: Linux takes no more than 128 KiB. */
const LONGEST_ARGUMENT = 100_000;

function inParts(texts: readonly string[]): string[][] {
  const parts: string[][] = [];
  let length = Infinity;
  for (const text of texts) {
    if (length + text.length + 1 > LONGEST_ARGUMENT) {
      parts.push([]);
      length = 0;
    }
    parts.at(-1)?.push(text);
    length += text.length + 1;
  }
  return parts;
}

function parsed<T>(job: RenderJob, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw renderProblem(job, error);
  }
}

export function refuseIfUnreachable({ failure }: ClusterView): void {
  if (!failure) return;
  throw new UserError(
    "connection",
    `the API server did not answer while helm rendered the chart: ${failure.message}`,
    "repeat when it is reachable; nothing was changed",
  );
}

function renderProblem({ chart, release, namespace }: RenderJob, error: unknown): unknown {
  if (!(error instanceof HelmError) && !(error instanceof ManifestError)) return error;
  const text = brief(error.message);
  const installed = /unable to build kubernetes objects from current release manifest: (.*)/s.exec(text)?.[1];
  if (installed !== undefined) {
    return new UserError(
      "release",
      `helm cannot upgrade release ${namespace}/${release}: it cannot read the objects of the installed revision: ${installed}`,
      installedFix(installed),
    );
  }
  return new UserError("chart", `chart "${chart}" cannot be rendered: ${text}`, renderFix(text));
}

/** The way out of an installed manifest that helm cannot read any more. */
function installedFix(message: string): string {
  if (/no matches for kind|ensure CRDs are installed first/.test(message)) {
    return (
      "helm reads the old objects before it changes any. Let the cluster serve the kind again (apply the CRD that it is from), or, " +
      "when Kubernetes itself no longer has it, rewrite helm's record with the plugin mapkubeapis " +
      "(https://github.com/helm/helm-mapkubeapis), then repeat"
    );
  }
  return "correct helm's record of that revision, or go back to an older one (helm history, helm rollback), then repeat";
}

/** Longest message of helm that is shown, in characters: some repeat the whole manifest or a list of all API kinds. */
const LONGEST_MESSAGE = 2_000;

function brief(text: string): string {
  return text.length <= LONGEST_MESSAGE ? text : `${text.slice(0, LONGEST_MESSAGE)}… (${text.length} characters)`;
}

function renderFix(message: string): string {
  if (/missing in charts\//.test(message)) return "fetch its subcharts: helm dependency build <chart folder>";
  if (/incompatible with Kubernetes/.test(message)) return "choose a chart version made for this cluster's Kubernetes";
  if (/don't meet the specifications of the schema/.test(message)) {
    return "correct the values it names: pulumi config set --path values.<key> <value>";
  }
  if (/execution error|nil pointer|required/.test(message)) {
    return "set the value it asks for: pulumi config set --path values.<key> <value>";
  }
  return "repair the chart (helm upgrade --dry-run=server shows the same error), or choose another version";
}
