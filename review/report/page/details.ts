import type { Violation } from "../markdown-policies";
import type { CrdReview, CrMigrationReview, Review } from "../schema";
import { count, duration, objectName, pendingRestarts } from "../words";
import { code, folded, type Html, list, markup, raw, row, table } from "./markup";

/** What would be refused, by the API server, by a rule of ours, or by a policy. */
export function refusals({ refusals: refused }: Review, violations: readonly Violation[]): Html {
  const items = [
    ...refused.map(({ object, problem, fix }) => markup`${code(object)}: ${problem}<br>Fix: ${fix}`),
    ...violations.filter(({ mandatory }) => mandatory).map(policyItem),
  ];
  return items.length === 0 ? raw("") : titled("refused", "Refused", list(items));
}

/** The worst first. */
export function risks({ risks: ranked, verdict }: Review, objects: ReadonlyMap<string, number>): Html {
  if (ranked.length === 0) return verdict === "changes" ? markup`<p>No risks found.</p>` : raw("");
  const items = ranked.map(({ severity, id, title, detail, fix }) => {
    const number = objects.get(id) ?? 0;
    const show = markup` <button type="button" data-risk="${id}">show ${count(number, "object")}<span class="quiet"> (${id})</span></button>`;
    return markup`<li><span class="badge ${severity}">${severity}</span> <strong>${title}</strong>${number > 0 ? show : undefined}
<p>${detail}</p>${fix === undefined ? undefined : markup`<p>Fix: ${fix}</p>`}</li>`;
  });
  return titled("risks", "Risks, the worst first", markup`<ol class="risks">${items}</ol>`);
}

/** What is said beside the risks: acknowledged for policies, their advice, warnings. */
export function remarks({ acknowledgements, warnings }: Review, violations: readonly Violation[]): Html {
  const advice = violations.filter(({ mandatory }) => !mandatory).map(policyItem);
  const acknowledged = acknowledgements.map(
    ({ policy, until, reason }) => markup`${code(policy)} until ${until}: ${reason}`,
  );
  return markup`${folded("Acknowledged for policies", acknowledged, list)}${folded("Advice of policies", advice, list)}${folded(
    "Warnings",
    warnings.map((text) => markup`${text}`),
    list,
  )}`;
}

/** MAS workloads by the system that they are part of, in the order of their restart. */
export function restarts({ restarts: review }: Review): Html {
  const { enabled, skipped, estimate, maxConcurrent } = review;
  const groups = pendingRestarts(review);
  const left = folded(
    "Left alone",
    skipped.map(({ workload, reason }) => row(code(workload), reason)),
    table(["workload", "reason"]),
  );
  if (groups.length === 0) {
    const none = enabled ? "No MAS workload is restarted." : "Restarts are switched off (restarts.enabled).";
    return titled("restarts", "Restarts by system", markup`<p>${none}</p>${left}`);
  }
  const how =
    `${maxConcurrent} at a time, one group after the other; about ${duration(estimate.seconds)}, at the latest ` +
    `${duration(estimate.worstSeconds)}. Estimated from: ${estimate.basis}.`;
  const parts = groups.map(({ name, workloads }) =>
    folded(
      name,
      workloads.map(({ workload, replicas, start, seconds, why }) =>
        row(code(workload), replicas, duration(start), duration(seconds), why ?? "the release's configuration"),
      ),
      table(["workload", "replicas", "after", "takes", "why"]),
    ),
  );
  return titled("restarts", "Restarts by system", markup`<p>${how}</p>${parts}${left}`);
}

/** The rest: what rolls, CRDs, values, notes, records. */
export function details(review: Review): Html {
  const { rolls, images, crds, breaking, objects, reviewed, identity } = review;
  const records = objects.filter(({ writer }) => writer === "record");
  return titled(
    "details",
    "Details",
    markup`${folded(
      "What rolls",
      rolls.map(({ workload, reasons, strategy, replicas, downtime }) =>
        row(
          code(workload),
          list(reasons.map(({ kind, text }) => markup`${kind}: ${text}`)),
          strategy,
          replicas,
          `${downtime.expected}: ${downtime.why}`,
        ),
      ),
      table(["workload", "why", "strategy", "replicas", "downtime"]),
    )}${folded("CRDs and custom resources", crds.map(crdItem), list)}${folded(
      "Images that do not say which bytes run",
      images.map(({ workload, container, image, problem, pullPolicy, rolls: moves }) =>
        row(
          code(workload),
          code(container),
          code(image),
          problem,
          pullPolicy,
          moves ? "yes" : "no: nothing newer comes",
        ),
      ),
      table(["workload", "container", "image", "problem", "pull policy", "rolls"]),
    )}${folded(
      "Values that do not fit the new chart",
      breaking.values.map(
        ({ path, problem, suggestion, text }) =>
          markup`${problem} ${code(path)}: ${text}${suggestion === undefined ? undefined : markup`; nearest: ${code(suggestion)}`}`,
      ),
      list,
    )}${folded(
      "The chart's own notes",
      breaking.notes.map(
        ({ version, source, kind, text }) =>
          markup`${code(version)} ${kind === undefined ? "" : `${kind}: `}${text} (${source})`,
      ),
      list,
    )}${folded(
      "Bookkeeping: helm's revisions and the restart records",
      records.map((object) => markup`${object.action} ${code(objectName(object))}`),
      list,
    )}${folded(
      "What was reviewed, as keyed hashes",
      [["chart as rendered, secret data left out", identity.chart.digest], ...Object.entries(reviewed)].map(
        ([what = "", hash = ""]) => row(code(what), code(hash)),
      ),
      table(["what", "hash"]),
    )}`,
  );
}

function crdItem({ name, action, findings, migration, customResources }: CrdReview): Html {
  const { total, rejected, pruned, examples, prunedFields, unchecked } = customResources;
  const affected = `${count(total, "object")}, ${pruned} would lose fields, ${rejected} would not fit the new schema`;
  const lines = [
    ...(migration ? migrationItems(migration) : []),
    ...findings.map(
      ({ rule, severity, version, path, text, accepted }) =>
        markup`${severity} ${code([rule, version, path].filter(Boolean).join(" "))}: ${text}${accepted === undefined ? "" : ` (accepted: ${accepted})`}`,
    ),
    ...prunedFields.map(({ path, objects }) => markup`lost: ${code(path)} in ${count(objects, "object")}`),
    ...examples.map(
      ({ object, rejected: why, pruned: lost }) =>
        markup`${code(object)}: ${[...why, ...lost.map((path) => `loses ${path}`)].join("; ")}`,
    ),
    ...unchecked.map((text) => markup`not checked: ${text}`),
  ];
  return markup`${action} ${code(name)}: ${total === 0 ? "no objects" : affected}${lines.length > 0 ? list(lines) : undefined}`;
}

function migrationItems({ from, to, rules, changed, storage, underWay, backup }: CrMigrationReview): Html[] {
  const versions = from.length === 0 ? `to ${to}` : `from ${from.join(", ")} to ${to}`;
  const begun = underWay ? ", begun by an earlier run" : "";
  return [
    markup`before the new schema is served, objects are migrated ${versions}${begun}: ${changed} change; all are saved to ${code(backup)} first`,
    ...rules.map(({ rule, objects }) => markup`rule ${code(rule)}: ${count(objects, "object")}`),
    ...(storage ? [markup`every object is stored anew, so that other versions can be dropped`] : []),
  ];
}

function policyItem({ policy, text }: Violation): Html {
  const [first = "", ...more] = text.split("\n").map((line) => line.trim());
  return markup`policy ${code(policy)}: ${first}${more.map((line) => markup`<br>${line}`)}`;
}

function titled(id: string, title: string, content: Html): Html {
  return markup`<section aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>
${content}</section>
`;
}
