import { risksByObject } from "../object-risks";
import { causeSchema, type FieldChange, type ObjectChange, type Review, type Risk, type Roll } from "../schema";
import { count, objectName, ownChanges } from "../words";
import { code, type Html, list, markup, raw } from "./markup";
import { type Piece, type Row, sideBySide } from "./side-by-side";

/** More would make a page that browsers are slow with; plan.json holds all. */
const MOST_OBJECTS = 5000;

const WRITERS: Partial<Record<ObjectChange["writer"], string>> = {
  crds: "by the CRD step",
  hook: "by a hook",
  controller: "by a controller in consequence",
};
/** What a change without single fields is found by. */
const WHOLE = "whole";

/** How many objects each risk of the review comes from, by its id. */
export function objectsByRisk(review: Review): Map<string, number> {
  const risksOf = risksByObject(review);
  const numbers = new Map<string, number>();
  for (const object of ownChanges(review.objects)) {
    for (const { id } of risksOf(object)) numbers.set(id, (numbers.get(id) ?? 0) + 1);
  }
  return numbers;
}

/** Every changed object, folded, with the form that filters them. */
export function objectsSection(review: Review): Html {
  const all = ownChanges(review.objects);
  const risksOf = risksByObject(review);
  const rolls = new Map(review.rolls.map((roll) => [roll.workload, roll]));
  const changes = all
    .map((object) => ({ object, risks: risksOf(object) }))
    .sort((a, b) => weight(a) - weight(b))
    .slice(0, MOST_OBJECTS);
  const items = changes.map(({ object, risks }) =>
    objectItem(object, risks, rolls.get(`${object.kind}/${object.namespace ?? ""}/${object.name}`)),
  );
  const more = all.length - changes.length;
  return markup`<section aria-labelledby="objects-title"><h2 id="objects-title" tabindex="-1">Objects (${all.length})</h2>
${items.length === 0 ? markup`<p>No object changes.</p>` : filterForm(changes)}
<div id="objects">
${items}</div>
${more > 0 ? markup`<p>… and ${more} more objects, which plan.json holds.</p>` : undefined}</section>
`;
}

interface Change {
  object: ObjectChange;
  risks: Risk[];
}

/** The place of an object in the list: those with risks, the worst first, then other changes, then mere labels. */
function weight({ object, risks }: Change): number {
  const [worst] = risks;
  if (worst) return ["high", "medium", "low"].indexOf(worst.severity);
  return object.fields.length === 0 && object.folded > 0 ? 4 : 3;
}

function filterForm(changes: readonly Change[]): Html {
  const causes = tally(changes.map(({ object }) => causesOf(object)));
  const kinds = tally(changes.map(({ object }) => [object.kind]));
  const levels = tally(changes.map(({ risks }) => levelsOf(risks)));
  const ids = tally(changes.map(({ risks }) => risks.map(({ id }) => id)));
  const option = (value: string, words: string, number = 0) =>
    markup`<option value="${value}">${words} (${number})</option>`;
  const named = (values: readonly string[], of: Map<string, number>) =>
    values.flatMap((value) => (of.has(value) ? [option(value, value, of.get(value))] : []));
  return markup`<form id="filter" class="filter" aria-label="Which objects are shown" hidden>
<label>Cause <select name="cause"><option value="">all</option>${named(causeSchema.options, causes)}${
    causes.has(WHOLE) ? option(WHOLE, "whole object", causes.get(WHOLE)) : undefined
  }</select></label>
<label>Kind <select name="kind"><option value="">all</option>${named([...kinds.keys()].sort(), kinds)}</select></label>
<label>Risk <select name="risk"><option value="">all</option><optgroup label="level">${named(["high", "medium", "low", "none"], levels)}</optgroup>
<optgroup label="kind of risk">${named([...ids.keys()].sort(), ids)}</optgroup></select></label>
<label>Name contains <input name="text" type="search" autocomplete="off" spellcheck="false"></label>
<button type="reset">Show all</button><button type="button" id="open">Open those shown</button><button type="button" id="close">Close all</button>
<span id="shown" role="status"></span></form>
<p class="quiet">Why a field changes: chart, values, drift (made by hand, is taken back), server, generated, autoscaler.</p>`;
}

function objectItem(object: ObjectChange, risks: readonly Risk[], roll: Roll | undefined): Html {
  const { action, check, fields, folded, kind, writer } = object;
  const told = [
    ...(fields.length > 0 ? [count(fields.length, "field")] : []),
    ...(folded > 0 ? [`${count(folded, "field")} of labels and checksums`] : []),
    ...(WRITERS[writer] === undefined ? [] : [WRITERS[writer]]),
    ...(check.result === "accepted" ? [] : [check.result === "rejected" ? "rejected" : "not asked"]),
  ].join(", ");
  const badges = risks.map(({ severity, id }) => markup` <span class="badge ${severity}">${severity}: ${id}</span>`);
  const ids = [...levelsOf(risks), ...risks.map(({ id }) => id)].join(" ");
  return markup`<details data-kind="${kind}" data-name="${objectName(object)}" data-causes="${causesOf(object).join(" ")}" data-risks="${ids}">
<summary>${action} ${code(objectName(object))}${told ? markup` <span class="quiet">${told}</span>` : undefined}${badges}</summary>
<div class="inside">${consequences(object, roll)}${fields.length > 0 ? fieldTable(object) : whole(object)}</div></details>
`;
}

function whole({ action, folded }: ObjectChange): Html {
  if (folded > 0) return markup`<p>Only labels and checksums change.</p>`;
  if (action === "keep") return markup`<p>The chart has it no longer; its resource policy makes helm leave it.</p>`;
  return markup`<p>The whole object: ${action}.</p>`;
}

function consequences({ check }: ObjectChange, roll: Roll | undefined): Html {
  const { result, message = "", fix } = check;
  const lines = [
    ...(result === "accepted" ? [] : [markup`${result === "rejected" ? "Rejected" : "Not asked"}: ${message}`]),
    ...(fix === undefined ? [] : [markup`Fix: ${fix}`]),
    ...(roll ? [markup`Pods roll: ${roll.reasons.map(({ kind, text }) => `${kind}: ${text}`).join("; ")}`] : []),
    ...(roll ? [markup`Downtime: ${roll.downtime.expected}: ${roll.downtime.why}`] : []),
  ];
  return lines.length === 0 ? raw("") : list(lines);
}

function fieldTable(object: ObjectChange): Html {
  return markup`<table class="sides" aria-label="changed fields of ${objectName(object)}"><thead><tr><th scope="col">before</th><th scope="col">after</th></tr></thead>${object.fields.map(fieldRows)}</table>`;
}

function fieldRows({ path, before, after, cause, unset }: FieldChange): Html {
  const note = unset ? " (the new chart leaves it to the API server)" : "";
  return markup`<tbody data-cause="${cause}"><tr><th colspan="2" scope="rowgroup">${code(path)} <span class="badge">${cause}</span>${note}</th></tr>
${sideBySide(before, after).map((row, i) => sides(row, before === undefined && i === 0, after === undefined && i === 0))}</tbody>`;
}

function sides(line: Row, setFirst: boolean, removedFirst: boolean): Html {
  if (line.kind === "same") {
    const title = `${count(line.lines.length, "unchanged line")}`;
    return markup`<tr><td colspan="2"><details class="fold"><summary>${title}</summary>${code(line.lines.join("\n"))}</details></td></tr>`;
  }
  const side = (pieces: Piece[] | undefined, mark: "del" | "ins", absent: string) => {
    if (pieces === undefined)
      return markup`<td>${absent ? markup`<span class="quiet">${absent}</span>` : undefined}</td>`;
    const changed = pieces.some((piece) => piece.changed);
    const marked = pieces.map(({ text, changed: differs }) =>
      !differs ? markup`${text}` : mark === "del" ? markup`<del>${text}</del>` : markup`<ins>${text}</ins>`,
    );
    return markup`<td${changed ? raw(` class="${mark === "del" ? "old" : "new"}"`) : undefined}><code>${marked}</code></td>`;
  };
  return markup`<tr>${side(line.before, "del", setFirst ? "not set" : "")}${side(line.after, "ins", removedFirst ? "removed" : "")}</tr>`;
}

function causesOf({ fields }: ObjectChange): string[] {
  return fields.length === 0 ? [WHOLE] : [...new Set(fields.map(({ cause }) => cause))];
}

function levelsOf(risks: readonly Risk[]): string[] {
  return risks.length === 0 ? ["none"] : [...new Set<string>(risks.map(({ severity }) => severity))];
}

/** How many lists hold each word. */
function tally(lists: readonly (readonly string[])[]): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const word of lists.flat()) numbers.set(word, (numbers.get(word) ?? 0) + 1);
  return numbers;
}
