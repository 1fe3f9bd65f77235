import { markdownCode, markdownText, shorten } from "./escape";
import type { Details } from "./markdown-fit";
import type { Breaking, CrdReview, CrMigrationReview, ObjectChange, Review, Roll } from "./schema";
import { count, duration, objectName, ownChanges, pendingRestarts } from "./words";

/** How much of one thing is shown: characters of a sentence, characters of a value, lines below one item. */
const MOST = { text: 600, value: 160, lines: 40 };

const plain = (text: string) => markdownText(shorten(text, MOST.text));
const code = (text: string) => markdownCode(shorten(text, MOST.text));
const value = (text: string | undefined, absent: string) =>
  text === undefined ? absent : markdownCode(shorten(text, MOST.value));

/** The folded parts of the report, in reading order; some may be empty. */
export function details(review: Review): Details[] {
  const { objects, breaking } = review;
  return [
    ofWarnings(review.warnings),
    ofObjects(ownChanges(objects)),
    ofRolls(review.rolls),
    ofImages(review.images),
    ofCrds(review.crds),
    ofValues(breaking.values),
    ofNotes(breaking),
    ofRestarts(review.restarts),
    ofChecks(objects),
    ofBookkeeping(objects),
    ofReviewed(review),
  ];
}

function ofWarnings(warnings: readonly string[]): Details {
  const items = warnings.map((text) => [`- ${plain(text)}`]);
  return { title: `Warnings (${items.length})`, what: "warnings", importance: 10, items };
}

function ofObjects(objects: readonly ObjectChange[]): Details {
  const items = objects.map((object) => {
    const { action, fields, folded, writer } = object;
    const noise = folded > 0 ? `, and ${count(folded, "field")} of labels and checksums` : "";
    const changes = fields.map(
      ({ path, before, after, cause }) =>
        `${cause}: ${code(path)}: ${value(before, "not set")} → ${value(after, "removed")}`,
    );
    return [
      `- ${action} ${code(objectName(object))}${writer === "hook" ? ", by a hook" : ""}${noise}`,
      ...nested(changes, "fields"),
    ];
  });
  const head = ["Why a field changes: chart, values, drift (made by hand, is taken back), server, generated.", ""];
  return { title: `Objects (${items.length})`, what: "objects", importance: 7, head, items };
}

function ofRolls(rolls: readonly Roll[]): Details {
  const items = rolls.map(({ workload, reasons, strategy, replicas, downtime }) => {
    const why = first(
      reasons.map(({ kind, text }) => `${kind}: ${plain(text)}`),
      "reasons",
    ).join("<br>");
    const down = `${downtime.expected}: ${plain(downtime.why)}`;
    return [`| ${code(workload)} | ${why} | ${plain(strategy)} | ${replicas} | ${down} |`];
  });
  const head = ["| workload | why | strategy | replicas | downtime |", "|---|---|---|---|---|"];
  return { title: `What rolls (${items.length})`, what: "workloads", importance: 9, head, items };
}

function ofImages(images: Review["images"]): Details {
  const items = images.map(({ workload, container, image, problem, pullPolicy, rolls }) => {
    const named = [code(workload), code(container), code(image)].join(" | ");
    return [`| ${named} | ${problem} | ${plain(pullPolicy)} | ${rolls ? "yes" : "no: nothing newer comes"} |`];
  });
  const head = ["| workload | container | image | problem | pull policy | rolls |", "|---|---|---|---|---|---|"];
  const title = `Images that do not say which bytes run (${items.length})`;
  return { title, what: "images", importance: 5, head, items };
}

function ofCrds(crds: readonly CrdReview[]): Details {
  const items = crds.map(crdItem);
  return { title: `CRDs and custom resources (${items.length})`, what: "CRDs", importance: 8, items };
}

function crdItem({ name, action, findings, migration, customResources }: CrdReview): string[] {
  const { total, rejected, pruned, examples, prunedFields, unchecked } = customResources;
  const affected = `${pruned} would lose fields, ${rejected} would not fit the new schema`;
  const lines = [
    ...(migration ? migrationItems(migration) : []),
    ...findings.map(({ rule, severity, version, path, text, accepted }) => {
      const where = [version, path].flatMap((part) => (part ? [` ${code(part)}`] : [])).join("");
      return `${severity} ${code(rule)}${where}: ${plain(text)}${accepted === undefined ? "" : ` (accepted: ${plain(accepted)})`}`;
    }),
    ...prunedFields.map(({ path, objects }) => `lost: ${code(path)} in ${count(objects, "object")}`),
    ...examples.map(({ object, rejected: why, pruned: lost }) => {
      const reasons = [...why.map(plain), ...lost.map((path) => `loses ${code(path)}`)];
      return `${code(object)}: ${first(reasons, "reasons").join("; ")}`;
    }),
    ...unchecked.map((text) => `not checked: ${plain(text)}`),
  ];
  return [
    `- ${action} ${code(name)}: ${total === 0 ? "no objects" : `${count(total, "object")}, ${affected}`}`,
    ...nested(lines, "findings"),
  ];
}

function migrationItems({ from, to, rules, changed, storage, underWay, backup }: CrMigrationReview): string[] {
  const versions = from.length === 0 ? `to ${code(to)}` : `from ${from.map(code).join(", ")} to ${code(to)}`;
  const begun = underWay ? ", begun by an earlier run" : "";
  return [
    `before the new schema is served, objects are migrated ${versions}${begun}: ${changed} change; all are saved to ${code(backup)} first`,
    ...rules.map(({ rule, objects }) => `rule ${code(rule)}: ${count(objects, "object")}`),
    ...(storage ? [`every object is stored anew, so that other versions can be dropped`] : []),
  ];
}

function ofValues(values: Breaking["values"]): Details {
  const items = values.map(({ path, problem, suggestion, text }) => {
    const nearest = suggestion === undefined ? "" : `; nearest: ${code(suggestion)}`;
    return [`- ${problem} ${code(path)}: ${plain(text)}${nearest}`];
  });
  return { title: `Values that do not fit the new chart (${items.length})`, what: "values", importance: 6, items };
}

function ofNotes({ notes, distance }: Breaking): Details {
  const items = notes.map(({ version, source, kind, text }) => [
    `- ${code(version)} ${kind === undefined ? "" : `${plain(kind)}: `}${plain(text)} (${plain(source)})`,
  ]);
  const head = [`Versions: ${[distance.text, ...distance.skipped].map(plain).join("; ")}`, ""];
  return { title: `The chart's own notes (${items.length})`, what: "notes", importance: 4, head, items };
}

function ofRestarts(restarts: Review["restarts"]): Details {
  const { maxConcurrent, estimate, skipped } = restarts;
  const groups = pendingRestarts(restarts);
  const pending = groups.reduce((sum, { workloads }) => sum + workloads.length, 0);
  const items = [
    ...groups.flatMap(({ name, workloads }) => {
      const heading = `- Group ${code(name)} (${workloads.length}):`;
      return workloads.map(({ workload, replicas, start, seconds, why }, i) => {
        const when = `${count(replicas, "replica")}, after ${duration(start)}, takes ${duration(seconds)}`;
        return [
          ...(i === 0 ? [heading] : []),
          `  - ${code(workload)}: ${when}${why === undefined ? "" : `; ${plain(why)}`}`,
        ];
      });
    }),
    ...skipped.map(({ workload, reason }) => [`- Left alone ${code(workload)}: ${plain(reason)}`]),
  ];
  const time = `about ${duration(estimate.seconds)}, at the latest ${duration(estimate.worstSeconds)}`;
  const how = `${maxConcurrent} at a time, one group after the other; ${time}.`;
  const head = pending > 0 ? [`${how} Estimated from: ${plain(estimate.basis)}.`, ""] : [];
  const title = `Restart plan (${pending} to restart, ${skipped.length} left alone)`;
  return { title, what: "workloads", importance: 3, head, items };
}

/** What the API server did not accept; changes with the same answer are one item. */
function ofChecks(objects: readonly ObjectChange[]): Details {
  const byAnswer = new Map<string, string[]>();
  for (const object of objects) {
    const { result, message = "" } = object.check;
    if (result === "accepted") continue;
    const answer = `${result}: ${message}`;
    const names = byAnswer.get(answer) ?? [];
    byAnswer.set(answer, names);
    names.push(objectName(object));
  }
  const items = [...byAnswer].map(([answer, names]) => [
    `- ${plain(answer)}`,
    ...nested(names.slice(0, MOST.lines + 1).map(code), "changes", names.length),
  ]);
  const number = [...byAnswer.values()].reduce((sum, names) => sum + names.length, 0);
  const title = `Not accepted in a dry-run, or not asked (${number} of ${count(objects.length, "change")})`;
  return { title, what: "answers", importance: 2, items };
}

function ofBookkeeping(objects: readonly ObjectChange[]): Details {
  const records = objects.filter(({ writer }) => writer === "record");
  const items = records.map((object) => [`- ${object.action} ${code(objectName(object))}`]);
  const title = `Bookkeeping: helm's revisions and the restart records (${items.length})`;
  return { title, what: "records", importance: 1, items };
}

function ofReviewed({ reviewed, identity }: Review): Details {
  const items = Object.entries(reviewed)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([what, hash]) => [`| ${code(what)} | ${code(hash)} |`]);
  const digest = `The chart as rendered, secret data left out: ${code(identity.chart.digest)}`;
  const head = [digest, "", "| what | keyed hash |", "|---|---|"];
  return { title: `What was reviewed (${items.length})`, what: "hashes", importance: 0, head, items };
}

function nested(lines: readonly string[], what: string, total = lines.length): string[] {
  return first(lines, what, total).map((line) => `  - ${line}`);
}

/** The first lines, and as the last one how many more there are. */
function first(lines: readonly string[], what: string, total = lines.length): string[] {
  const more = total - MOST.lines;
  return [...lines.slice(0, MOST.lines), ...(more > 0 ? [`… and ${more} more ${what}, which plan.json holds`] : [])];
}
