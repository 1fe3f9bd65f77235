import { ONLY_READS } from "../../kubernetes/object-check";
import { shorten, visibleLine } from "./escape";
import type { CrdReview, Review, Roll } from "./schema";
import { actionCounts, count, duration, ownChanges, pendingRestarts, versionStep } from "./words";

/** Longest line, in characters. */
const WIDTH = 118;
/** Lines of one kind before the others are only counted; together they make 30 at most. */
const MOST = { refusals: 4, rolls: 4, crds: 3, causes: 3, acknowledged: 3, risks: 6 };

/** The essence of a review as plain text, for the end of a preview and for terminals: one line, or about 10 to 30. */
export function summarize(review: Review): string {
  const { chart, release, cluster } = review.identity;
  const what = `${versionStep(chart)}, release ${release.namespace}/${release.name}, cluster ${cluster.context}`;
  if (review.verdict === "unchanged") return line(`Nothing to do: ${what}`);
  return [
    `${review.verdict === "refused" ? "Refused" : "Review"}: ${what}`,
    ...some("refused: ", refusalLines(review), MOST.refusals),
    `objects: ${actionCounts(ownChanges(review.objects))}`,
    ...onlyReadLine(review),
    ...rollLines(review.rolls),
    ...some("CRD ", crdLines(review.crds), MOST.crds),
    restartsLine(review),
    ...some("restarts: ", causeLines(review), MOST.causes),
    ...some("acknowledged: ", acknowledgedLines(review), MOST.acknowledged),
    ...some("", riskLines(review), MOST.risks),
    "The whole review, also for a pull request: npx casa-upgrade plan",
  ]
    .map(line)
    .join("\n");
}

/** That nothing was tried, because whoever reviewed may only read. */
function onlyReadLine({ objects }: Review): string[] {
  const number = objects.filter(({ check }) => check.message === ONLY_READS).length;
  return number === 0 ? [] : [`dry-runs: none, ${count(number, "change")} not asked: this user may only read`];
}

function refusalLines({ refusals }: Review): string[] {
  return refusals.map(({ object, problem }) => `${object}: ${problem}`);
}

/** How bad, the worst first. */
const DOWNTIME: readonly Roll["downtime"]["expected"][] = ["deadlock", "until-ready", "brief", "none"];

function rollLines(rolls: readonly Roll[]): string[] {
  const rank = ({ downtime }: Roll) => DOWNTIME.indexOf(downtime.expected);
  const worstFirst = [...rolls].sort((a, b) => rank(a) - rank(b));
  const texts = worstFirst.map(({ workload, reasons, downtime }) => {
    const why = [...new Set(reasons.map(({ kind }) => kind))].join(", ");
    return `${workload} (${why || "unknown"}), downtime: ${downtime.expected}`;
  });
  return rolls.length === 0 ? ["rolls: none of the release's workloads"] : some("rolls: ", texts, MOST.rolls);
}

function crdLines(crds: readonly CrdReview[]): string[] {
  return crds
    .filter(({ action }) => action !== "unchanged")
    .map(({ name, action, findings, migration, customResources: { total, pruned, rejected } }) => {
      const of = (severity: "error" | "warning") => findings.filter((found) => found.severity === severity).length;
      const parts = [
        [migration?.changed ?? 0, `of ${total} objects change by migration rules`],
        [of("error"), "breaking"],
        [of("warning"), "to look at"],
        [pruned, `of ${total} objects lose fields`],
        [rejected, `of ${total} objects would not fit`],
      ] as const;
      const told = parts.flatMap(([number, text]) => (number > 0 ? [`${number} ${text}`] : []));
      return `${name}: ${[action, ...told].join(", ")}`;
    });
}

function restartsLine({ restarts }: Review): string {
  if (!restarts.enabled) return "restarts: switched off (restarts.enabled)";
  const pending = pendingRestarts(restarts).reduce((sum, { workloads }) => sum + workloads.length, 0);
  const skipped = restarts.skipped.length > 0 ? `, ${restarts.skipped.length} left alone` : "";
  if (pending === 0) return `restarts: none${skipped}`;
  const time = duration(restarts.estimate.seconds);
  return `restarts: ${count(pending, "workload")}, ${restarts.maxConcurrent} at a time, about ${time}${skipped}`;
}

/** Restarts that the release's configuration gives no reason for; those with one reason in one line. */
function causeLines({ restarts }: Review): string[] {
  const byCause = new Map<string, string[]>();
  for (const { workload, why } of pendingRestarts(restarts).flatMap(({ workloads }) => workloads)) {
    if (why !== undefined) byCause.set(why, [...(byCause.get(why) ?? []), workload]);
  }
  return [...byCause].map(([why, [first = "", ...more]]) => {
    const others = more.length > 0 ? ` and ${more.length} more` : "";
    return `${first}${others}: ${why}`;
  });
}

function acknowledgedLines({ acknowledgements }: Review): string[] {
  return acknowledgements.map(({ policy, until, reason }) => `${policy} until ${until}: ${reason}`);
}

function riskLines({ risks, refusals }: Review): string[] {
  return risks
    .filter(({ severity, id }) => severity !== "low" && !(id === "refused" && refusals.length > 0))
    .map(({ severity, title, detail }) => `${severity} risk: ${title}: ${detail}`);
}

/** The first lines of one kind, the others by number. */
function some(prefix: string, lines: readonly string[], most: number): string[] {
  const more = lines.length - most;
  return [...lines.slice(0, most).map((text) => prefix + text), ...(more > 0 ? [`${prefix}and ${more} more`] : [])];
}

function line(text: string): string {
  return shorten(visibleLine(text), WIDTH);
}
