import type { UpgradeConfig } from "../config/config";
import { type Crd, parseCrds } from "../crds/crds";
import { manualRevisions } from "../history/manual";
import { formatDescription, parseDescription } from "../history/recorded-texts";
import type { LoadedChart, ReleaseObjects } from "../helm/chart";
import { sameValues } from "../helm/installed-values";
import { releaseProblem, type ReleaseState, type Revision } from "../helm/release";
import { ManifestError, parseManifest } from "../kubernetes/objects";
import { UserError } from "../shared/user-error";

/** Refuses a release that is missing although installing is not allowed, or in a state that helm cannot upgrade. */
export function refuseUnfitRelease(installed: ReleaseState | undefined, config: UpgradeConfig): void {
  if (!installed && !config.allowInstall) {
    throw new UserError(
      "not-installed",
      `release ${config.release} is not installed in namespace ${config.namespace} of context "${config.context}"`,
      "check context, release and namespace (helm list --all-namespaces); to install it: pulumi config set allowInstall true",
    );
  }
  const problem = installed && releaseProblem(installed, config.context);
  if (problem) throw problem;
}

/** CRDs of a revision's chart version; a CRD file that does not parse is passed over, it is not ours to repair. */
export function crdsOf(revision: Revision | undefined): Crd[] {
  try {
    const files = revision?.crdFiles ?? [];
    return parseCrds(files.flatMap((file) => parseManifest(`---\n# Source: ${file.name}\n${file.data}`)));
  } catch {
    return [];
  }
}

/** Whether the release runs the configured chart version with the configured values. */
export function isInstalled(
  installed: ReleaseState | undefined,
  chart: Pick<LoadedChart, "version">,
  values: Record<string, unknown>,
): boolean {
  if (!installed) return false;
  const { latest } = installed;
  return latest.status === "deployed" && latest.chartVersion === chart.version && sameValues(latest.config, values);
}

/**
 * The revision's description, which `helm history` shows. It carries the digest of what the chart renders, because the
 * provider compares inputs only and would not see a template that changed without a new version. For the same reason it
 * names the revision that somebody made by hand after ours: else `up` would find its inputs unchanged and leave that.
 */
export function revisionDescription(
  { version, digest }: Pick<LoadedChart, "version" | "digest">,
  installed: ReleaseState | undefined,
): string {
  const manual = installed && manualRevisions(installed.revisions).at(-1);
  if (manual) return formatDescription({ version, digest, afterRevision: manual.revision });
  // What an earlier run said of it stays: nothing changed since.
  const latest = installed && parseDescription(installed.latest.description);
  const same = latest?.version === version && latest.digest === digest;
  return formatDescription({ version, digest, afterRevision: same ? latest.afterRevision : undefined });
}

/** Whether helm writes a new revision: the release is not this chart with these values, or what it renders changed. */
export function writesRevision(
  installed: ReleaseState | undefined,
  chart: Pick<LoadedChart, "version" | "digest">,
  values: Record<string, unknown>,
): boolean {
  if (!installed || !isInstalled(installed, chart, values)) return true;
  return installed.latest.description !== revisionDescription(chart, installed);
}

/** Manifests may have megabytes, and several decisions rest on the same one. */
const parsedRevisions = new WeakMap<Revision, ReleaseObjects>();

/** The objects of a revision, as helm has recorded them. @throws UserError when the record is no valid manifest. */
export function revisionObjects(revision: Revision): ReleaseObjects {
  const known = parsedRevisions.get(revision) ?? parseRevision(revision);
  parsedRevisions.set(revision, known);
  return known;
}

function parseRevision({ revision, manifest, hooks }: Revision): ReleaseObjects {
  try {
    return {
      rendered: parseManifest(manifest).map(({ object }) => object),
      hooks: hooks.flatMap((hook) => parseManifest(hook)).map(({ object }) => object),
    };
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    throw new UserError(
      "release",
      `helm's record of revision ${revision} holds a manifest that cannot be read: ${error.message}`,
      "helm cannot upgrade from it either; go back to an older revision (helm history, helm rollback), then repeat",
    );
  }
}

/**
 * The newest version in the release's history that is not the configured one; undefined when it was installed by us.
 */
export function versionBefore(installed: ReleaseState | undefined, configured: string): string | undefined {
  if (!installed) return undefined;
  if (installed.latest.chartVersion !== configured) return installed.latest.chartVersion;
  const earlier = [...installed.revisions].sort((a, b) => b.revision - a.revision);
  const other = earlier.find((revision) => revision.chartVersion !== configured)?.chartVersion;
  const first = earlier.at(-1);
  const ours = first?.revision === 1 && parseDescription(first.description) !== undefined;
  return other ?? (ours ? undefined : configured);
}
