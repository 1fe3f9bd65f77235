import { isCarriedOut } from "../../helm/carried-out";
import { helmRollbackLine } from "../../helm/rollback-line";
import { shellWord } from "../../shared/shell-word";

/** A revision of the release, as far as going back to it is concerned. */
export interface PastRevision {
  readonly revision: number;
  readonly status: string;
  readonly chartVersion: string;
}

/** What the lines name. */
export interface RollbackFacts {
  readonly release: string;
  readonly namespace: string;
  readonly context: string;
  /** The chart as configured, and whether it is a folder or package on this machine. */
  readonly chart: string;
  readonly chartIsLocal: boolean;
  readonly chartName: string;
  /** The chart version that failed. */
  readonly version: string;
  /** `version` is set in the config. */
  readonly versionIsSet: boolean;
}

/**
 * How to go back, line by line with what to type.
 *
 * - To another chart version: through the config, so that the CRDs follow and the next run stays there.
 * - To the same version with other values: `helm rollback`, and the config after it.
 * - After a revision that helm counts as failed, `helm rollback` comes first in any case: an upgrade compares with the
 *   last revision that did not fail and leaves what only the failed one added (a container, a variable, an annotation).
 */
export function rollbackLines(facts: RollbackFacts, revisions: readonly PastRevision[]): string[] {
  const newestFirst = [...revisions].sort((a, b) => b.revision - a.revision);
  const newest = newestFirst[0];
  const good = newestFirst.filter(isCarriedOut);
  const last = good.find((one) => one !== newest);
  if (!newest || !last) return ["There is no earlier revision to go back to: repair the cause, then: pulumi up"];
  const other = good.find(({ chartVersion }) => chartVersion !== facts.version);
  const toLast = `  ${helmRollbackLine(facts, last.revision)}`;
  const values = last.chartVersion === facts.version;
  return [
    ...(values
      ? [
          `How to go back to revision ${last.revision}, this chart with the values of before:`,
          toLast,
          "  and set the values back in the stack's config, or the next pulumi up upgrades again",
        ]
      : []),
    ...(other
      ? [
          `How to go back to ${other.chartVersion}:`,
          ...(newest.status === "failed" && !values ? [toLast] : []),
          ...configLines(facts, other.chartVersion),
          "  pulumi up",
        ]
      : []),
    "A migration that was committed stays in the database; what you go back to must work with it.",
  ];
}

function configLines({ chartIsLocal, chartName, versionIsSet }: RollbackFacts, version: string): string[] {
  const chart = `  pulumi config set chart <folder or package of ${chartName} ${version}>`;
  const number = `  pulumi config set version ${shellWord(version)}`;
  return [...(chartIsLocal ? [chart] : []), ...(versionIsSet || !chartIsLocal ? [number] : [])];
}
