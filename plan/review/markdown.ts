import { markdownCode as code, markdownText as plain } from "./escape";
import type { ObjectChange, Review } from "./schema";
import { duration } from "./summary";

/** GitHub takes 65,536 characters in a comment; the rest is for what a pipeline writes around it. */
const MOST_CHARACTERS = 60_000;

/** A part of the report that may be cut; lines are whole table rows or list items. */
interface Details {
  title: string;
  /** Written above the lines, e.g. the head of a table. */
  head?: string[];
  lines: string[];
}

/**
 * The review as Markdown for a comment on a pull request: verdict, figures and risks first, details folded. What does not fit
 * is cut from the longest details, with a line that says so; verdict, refusals and risks never are, unless they alone
 * are too long.
 */
export function renderMarkdown(review: Review): string {
  const top = [...heading(review), ...refusals(review), ...risks(review)].join("\n");
  const details = sections(review).filter(({ lines }) => lines.length > 0);
  return `${fit(top, details)}\n`;
}

function heading({ identity, verdict, objects, rolls, crds, restarts, requests }: Review): string[] {
  const { chart, cluster, release, stack } = identity;
  const versions = chart.before === null ? code(chart.after) : `${code(chart.before)} → ${code(chart.after)}`;
  const words = { unchanged: "nothing to do", changes: "changes to review", refused: "refused" };
  const pending = restarts.groups.flatMap(({ workloads }) => workloads.filter(({ done }) => !done)).length;
  const down = rolls.filter(({ downtime }) => downtime.expected !== "none").length;
  const affected = crds.reduce((sum, { customResources: { pruned, rejected } }) => sum + pruned + rejected, 0);
  const of = (action: ObjectChange["action"]) => objects.filter((object) => object.action === action).length;
  return [
    `## Upgrade of ${code(chart.name)} ${versions}: ${words[verdict]}`,
    "",
    `Stack ${code(stack)}, release ${code(`${release.namespace}/${release.name}`)}` +
      `${release.revision === null ? "" : ` (revision ${release.revision})`}, ` +
      `cluster ${code(cluster.context)} (${code(cluster.id)}, Kubernetes ${code(cluster.version)}).`,
    "",
    "| | |",
    "|---|---|",
    `| objects | ${of("create")} created, ${of("update")} updated, ${of("delete")} deleted |`,
    `| workloads that roll | ${rolls.length}, ${down} of them with downtime |`,
    `| CRDs that change | ${crds.filter(({ action }) => action === "create" || action === "update").length}, ${affected} custom resources affected |`,
    `| MAS restarts | ${pending === 0 ? "none" : `${pending}, ${restarts.maxConcurrent} at a time, about ${duration(restarts.estimate.seconds)}`} |`,
    `| requests to the API server | ${requests}, nothing was changed |`,
    "",
  ];
}

function refusals({ refusals: refused }: Review): string[] {
  if (refused.length === 0) return [];
  return [
    "### The API server would refuse it",
    "",
    ...refused.flatMap(({ object, problem, fix }) => [
      `- ${code(object)}: ${plain(problem)}`,
      `  - Fix: ${plain(fix)}`,
    ]),
    "",
  ];
}

function risks({ risks: ranked }: Review): string[] {
  if (ranked.length === 0) return [];
  const words = { high: "**high**", medium: "medium", low: "low" };
  return [
    "### Risks",
    "",
    ...ranked.flatMap(({ severity, title, detail, fix }) => [
      `- ${words[severity]}: **${plain(title)}**: ${plain(detail)}`,
      ...(fix ? [`  - ${plain(fix)}`] : []),
    ]),
    "",
  ];
}

function sections(review: Review): Details[] {
  const { objects, rolls, images, crds, breaking, restarts, warnings } = review;
  const own = objects.filter(({ writer }) => writer !== "restart" && writer !== "record");
  const bookkeeping = objects.filter(({ writer }) => writer === "record");
  const unchecked = objects.filter(({ check }) => check.result === "unchecked");
  return [
    { title: `Objects (${own.length})`, lines: own.flatMap(objectLines) },
    {
      title: `What rolls (${rolls.length})`,
      head: ["| workload | why | strategy, replicas | downtime |", "|---|---|---|---|"],
      lines: rolls.map(
        ({ workload, reasons, strategy, replicas, downtime }) =>
          `| ${code(workload)} | ${reasons.map(({ kind, text }) => `${kind}: ${plain(text)}`).join("<br>")} | ` +
          `${plain(strategy)}, ${replicas} | ${downtime.expected}: ${plain(downtime.why)} |`,
      ),
    },
    { title: `CRDs (${crds.length})`, lines: crds.flatMap(crdLines) },
    {
      title: `Values (${breaking.values.length})`,
      lines: breaking.values.map(
        ({ path, problem, suggestion, text }) =>
          `- ${code(path)} ${problem}: ${plain(text)}${suggestion ? `; nearest: ${code(suggestion)}` : ""}`,
      ),
    },
    {
      title: `The chart's own notes (${breaking.notes.length}); ${plain(breaking.distance.text)}`,
      lines: breaking.notes.map(
        ({ version, kind, text }) => `- ${code(version)} ${kind ? `${plain(kind)}: ` : ""}${plain(text)}`,
      ),
    },
    {
      title: `Images on moving tags (${images.length})`,
      lines: images.map(
        ({ workload, container, image, pullPolicy, rolls: rolled }) =>
          `- ${code(workload)} ${code(container)}: ${code(image)}, ${plain(pullPolicy)}${rolled ? "" : ", not rolled"}`,
      ),
    },
    { title: `Restart plan: ${plain(restarts.estimate.basis)}`, lines: restartLines(restarts) },
    {
      title: `Not tried as a dry-run (${unchecked.length})`,
      lines: unchecked.map((object) => `- ${nameOf(object)}: ${plain(object.check.message ?? "")}`),
    },
    {
      title: `Bookkeeping (${bookkeeping.length})`,
      lines: bookkeeping.map((object) => `- ${object.action} ${nameOf(object)}`),
    },
    { title: `Warnings (${warnings.length})`, lines: warnings.map((text) => `- ${plain(text)}`) },
  ];
}

function objectLines(object: ObjectChange): string[] {
  const { action, fields, folded, writer } = object;
  const noise = folded > 0 ? ` (and ${folded} of labels and checksums)` : "";
  return [
    `- ${action} ${nameOf(object)}${writer === "hook" ? ", by a hook" : ""}${noise}`,
    ...fields.map(({ path, before, after, cause }) => {
      const values = `${before === undefined ? "not set" : code(before)} → ${after === undefined ? "removed" : code(after)}`;
      return `  - ${cause}: ${code(path)}: ${values}`;
    }),
  ];
}

function crdLines({ name, action, findings, customResources }: Review["crds"][number]): string[] {
  const { total, rejected, pruned, examples, prunedFields, unchecked } = customResources;
  return [
    `- ${action} ${code(name)}: ${total} objects, ${pruned} lose fields, ${rejected} do not fit the new schema`,
    ...findings.map(({ rule, severity, version, path, text, accepted }) => {
      const where = [version, path].flatMap((part) => (part ? [code(part)] : [])).join(" ");
      return `  - ${severity} ${code(rule)} ${where}: ${plain(text)}${accepted ? ` (accepted: ${plain(accepted)})` : ""}`;
    }),
    ...prunedFields.map(({ path, objects }) => `  - lost: ${code(path)} in ${objects} objects`),
    ...examples.map(({ object, rejected: why, pruned: lost }) => {
      const parts = [...why.map(plain), ...lost.map((path) => `loses ${code(path)}`)];
      return `  - ${code(object)}: ${parts.join("; ")}`;
    }),
    ...unchecked.map((text) => `  - not checked: ${plain(text)}`),
  ];
}

function restartLines({ groups, skipped, estimate }: Review["restarts"]): string[] {
  const pending = groups.map(({ name, workloads }) => ({ name, workloads: workloads.filter(({ done }) => !done) }));
  const waiting = pending.filter(({ workloads }) => workloads.length > 0);
  if (waiting.length + skipped.length === 0) return [];
  const times = `about ${duration(estimate.seconds)}; at the latest ${duration(estimate.worstSeconds)}`;
  return [
    ...(waiting.length > 0 ? [`- ${times}`] : []),
    ...waiting.flatMap(({ name, workloads }) => [
      `- ${plain(name)}`,
      ...workloads.map(
        ({ workload, replicas, start, seconds }) =>
          `  - ${code(workload)}: ${replicas} replicas, after ${duration(start)}, takes ${duration(seconds)}`,
      ),
    ]),
    ...skipped.map(({ workload, reason }) => `- left alone: ${code(workload)}: ${plain(reason)}`),
  ];
}

function nameOf({ kind, namespace, name }: ObjectChange): string {
  return code(`${kind} ${namespace ? `${namespace}/` : ""}${name}`);
}

/** Puts the parts together; while they are too long, the longest one gives up half of its lines. */
function fit(top: string, details: readonly Details[]): string {
  const shown = details.map(({ lines }) => lines.length);
  const build = () => [cut(top), ...details.map((part, i) => fold(part, shown[i] ?? 0))].join("\n");
  const length = (i: number) => fold(details[i] as Details, shown[i] ?? 0).length;
  for (let text = build(); ; text = build()) {
    if (text.length <= MOST_CHARACTERS) return text;
    const longest = [...shown.keys()].filter((i) => (shown[i] ?? 0) > 0).sort((a, b) => length(b) - length(a))[0];
    if (longest === undefined) return text;
    shown[longest] = Math.floor((shown[longest] ?? 0) / 2);
  }
}

function fold({ title, head = [], lines }: Details, shown: number): string {
  const left = lines.length - shown;
  const rest = left > 0 ? ["", `… ${left} more lines are left out; plan.json holds everything.`] : [];
  const body = shown > 0 ? [...head, ...lines.slice(0, shown)] : [];
  return [`<details><summary>${title}</summary>`, "", ...body, ...rest, "", "</details>", ""].join("\n");
}

/** Hundreds of refusals or risks; even then a comment must not be refused itself. */
function cut(top: string): string {
  const most = MOST_CHARACTERS - 5000;
  if (top.length <= most) return top;
  return `${top.slice(0, top.lastIndexOf("\n", most))}\n\n… the rest is left out; plan.json holds everything.\n`;
}
