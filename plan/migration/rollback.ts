import { shellWord } from "../shell-word";

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
 * How to go back, line by line with what to type. The last revision that helm did not count as failed is the aim: through
 * the config when it is another chart version, by `helm rollback` when only values changed.
 */
export function rollbackLines(facts: RollbackFacts, revisions: readonly PastRevision[]): string[] {
  const { release, namespace, context, version } = facts;
  const newest = revisions.reduce((most, { revision }) => Math.max(most, revision), 0);
  const good = [...revisions]
    .sort((a, b) => b.revision - a.revision)
    .filter(({ status }) => status === "superseded" || status === "deployed");
  const other = good.find(({ chartVersion }) => chartVersion !== version);
  const same = good.find(({ chartVersion, revision }) => chartVersion === version && revision !== newest);
  const data = "A migration that was committed stays in the database; the version you go back to must work with it.";
  if (other) {
    const chart = `<folder or package of ${facts.chartName} ${other.chartVersion}>`;
    return [
      `How to go back to ${other.chartVersion}:`,
      ...(facts.chartIsLocal ? [`  pulumi config set chart ${chart}`] : []),
      ...(facts.versionIsSet || !facts.chartIsLocal ? [`  pulumi config set version ${other.chartVersion}`] : []),
      "  pulumi up",
      data,
    ];
  }
  if (same) {
    const words = [
      "helm",
      "rollback",
      release,
      `${same.revision}`,
      "--namespace",
      namespace,
      "--kube-context",
      context,
    ];
    return [
      `How to go back to revision ${same.revision}, the same chart with the values of before:`,
      `  ${words.map(shellWord).join(" ")} --wait`,
      "  and set the values back in the stack's config, or the next pulumi up upgrades again",
      data,
    ];
  }
  return ["There is no earlier revision to go back to: repair the cause, then: pulumi up"];
}
