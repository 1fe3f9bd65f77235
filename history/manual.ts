import { isCarriedOut } from "../helm/carried-out";
import { shorten, visibleLine } from "../review/report/escape";
import { parseDescription } from "./recorded-texts";
import type { ReleaseRevision } from "./updates";

/**
 * Revisions newer than our newest one: somebody changed the release by hand. Empty when all before were made by hand,
 * too. Those that failed or never ended are passed over: helm gives them a description of its own, so nobody can say
 * whose they are, and they run nothing.
 */
export function manualRevisions<T extends ReleaseRevision>(revisions: readonly T[]): T[] {
  const carriedOut = revisions.filter(isCarriedOut);
  const newestFirst = carriedOut.sort((a, b) => b.revision - a.revision);
  const ours = newestFirst.findIndex(({ description }) => parseDescription(description) !== undefined);
  return ours < 0 ? [] : newestFirst.slice(0, ours).reverse();
}

/** What happened, in one sentence; undefined when nothing did. */
export function manualChange(release: string, revisions: readonly ReleaseRevision[]): string | undefined {
  const manual = manualRevisions(revisions);
  const last = manual.at(-1);
  if (!last) return undefined;
  const list = manual.map(({ revision, chartVersion, description, status }) => {
    return `revision ${revision} (${chartVersion}, ${status}: ${shorten(visibleLine(description), 80)})`;
  });
  return (
    `release ${release} was changed by hand after the last update of this stack: ${list.join(", ")}. ` +
    "helm does not roll CRDs back, and this stack's history does not know of it; pulumi up makes the release as it is configured here again"
  );
}
