import type { ObjectChange, Review } from "./schema";

/** Longest line, in characters. */
const WIDTH = 118;
const MOST_LINES = 6;

/** The essence of a review as plain text, for the end of a preview and for terminals. */
export function summarize(review: Review): string {
  const { chart, release, cluster } = review.identity;
  const versions = chart.before === null ? chart.after : `${chart.before} -> ${chart.after}`;
  const what = `${chart.name} ${versions} (release ${release.namespace}/${release.name}, cluster ${cluster.context})`;
  if (review.verdict === "unchanged") return line(`Nothing to do: ${what}`);
  const heading = review.verdict === "refused" ? "Refused" : "Review";
  return [
    `${heading}: ${what}`,
    ...some(
      "",
      review.refusals.map(({ object, problem }) => `refused: ${object}: ${problem}`),
    ),
    objectsLine(review.objects),
    ...some("rolls: ", rollLines(review)),
    ...some("CRD ", crdLines(review)),
    restartsLine(review),
    ...some("", riskLines(review)),
    "The whole review: npx casa-upgrade plan",
  ]
    .map(line)
    .join("\n");
}

function objectsLine(objects: readonly ObjectChange[]): string {
  const own = objects.filter(({ writer }) => writer !== "restart" && writer !== "record");
  const of = (action: ObjectChange["action"]) => own.filter((object) => object.action === action).length;
  const parts = (["create", "update", "delete", "keep"] as const).map((action) => [of(action), action] as const);
  const text = parts.filter(([number]) => number > 0).map(([number, action]) => `${number} ${action}`);
  return `objects: ${text.join(", ") || "none change"}`;
}

function rollLines({ rolls }: Review): string[] {
  return rolls.map(({ workload, reasons, downtime }) => {
    const why = reasons.map(({ kind }) => kind).join(", ");
    return `${workload} (${why})${downtime.expected === "none" ? "" : `, downtime ${downtime.expected}`}`;
  });
}

function crdLines({ crds }: Review): string[] {
  return crds
    .filter(({ action }) => action !== "unchanged")
    .map(({ name, action, findings, customResources: { total, pruned, rejected } }) => {
      const breaking = findings.filter(({ severity }) => severity === "error").length;
      const affected = [
        ...(breaking > 0 ? [`${breaking} breaking`] : []),
        ...(pruned > 0 ? [`${pruned} of ${total} objects lose fields`] : []),
        ...(rejected > 0 ? [`${rejected} of ${total} objects no longer fit`] : []),
      ];
      return `${name}: ${[action, ...affected].join(", ")}`;
    });
}

function restartsLine({ restarts }: Review): string {
  const pending = restarts.groups.flatMap(({ workloads }) => workloads.filter(({ done }) => !done)).length;
  if (!restarts.enabled) return "restarts: switched off (restarts.enabled)";
  const skipped = restarts.skipped.length > 0 ? `, ${restarts.skipped.length} left alone` : "";
  if (pending === 0) return `restarts: none${skipped}`;
  const time = duration(restarts.estimate.seconds);
  return `restarts: ${pending} workloads, ${restarts.maxConcurrent} at a time, about ${time}${skipped}`;
}

function riskLines({ risks }: Review): string[] {
  return risks
    .filter(({ severity }) => severity !== "low")
    .map(({ severity, title, detail }) => `${severity} risk: ${title}: ${detail}`);
}

/** The first lines of one kind, the others by number. */
function some(prefix: string, lines: readonly string[]): string[] {
  const more = lines.length - MOST_LINES;
  return [
    ...lines.slice(0, MOST_LINES).map((text) => prefix + text),
    ...(more > 0 ? [`${prefix}and ${more} more`] : []),
  ];
}

/** Seconds as people say them. */
export function duration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function line(text: string): string {
  const plain = text.replace(/\s+/g, " ").trim();
  return plain.length <= WIDTH ? plain : `${plain.slice(0, WIDTH - 1)}…`;
}
