import { named, risk } from "./risk";
import type { CrdReview, Risk } from "./schema";
import type { CrdFinding } from "../../crds/compat/finding";
import { count } from "./words";

/** What the CRDs of an upgrade do to clients and to the objects that exist. */
export function crdRisks(crds: readonly CrdReview[]): Risk[] {
  return [...customResourceRisks(crds), ...migrations(crds), ...findingRisks(crds), ...retained(crds)];
}

function customResourceRisks(crds: readonly CrdReview[]): Risk[] {
  const pruned = crds.filter(({ customResources }) => customResources.pruned > 0);
  const rejected = crds.filter(({ customResources }) => customResources.rejected > 0);
  const sum = (of: readonly CrdReview[], key: "pruned" | "rejected") =>
    of.reduce((total, { customResources }) => total + customResources[key], 0);
  const lost = pruned.flatMap(({ name, customResources }) =>
    customResources.prunedFields.map(({ path, objects }) => `${name} ${path} (${count(objects, "object")})`),
  );
  const why = rejected.flatMap(({ name, customResources }) =>
    customResources.examples.flatMap(({ object, rejected: reasons }) =>
      reasons[0] === undefined ? [] : [`${name} ${object}: ${reasons[0]}`],
    ),
  );
  const unchecked = crds
    .filter(({ customResources }) => customResources.total > 0)
    .flatMap(({ name, customResources }) => customResources.unchecked.map((text) => `${name}: ${text}`));
  const [losing, failing] = [sum(pruned, "pruned"), sum(rejected, "rejected")];
  return [
    ...whenAny(losing, "custom-resources-pruned", {
      title: `${count(losing, "custom resource")} would lose fields`,
      // The fields may be missing from the review although objects lose some; then the CRDs are named.
      detail: named(lost.length > 0 ? lost : pruned.map(({ name }) => name)),
      fix: `declare what becomes of them (docs/custom-resource-migration.md), or save the objects: ${saveLines(pruned)}`,
    }),
    ...whenAny(failing, "custom-resources-rejected", {
      title: `${count(failing, "custom resource")} would not fit the new schema`,
      detail: named(why.length > 0 ? why : rejected.map(({ name }) => name), "; ", Math.max(failing, why.length)),
      fix: "correct these objects before the upgrade; until then writes to them may be refused",
    }),
    ...risk(
      "medium",
      "custom-resources-unchecked",
      "not everything about the custom resources could be checked",
      unchecked,
      "try one of them by hand after the upgrade: kubectl apply --dry-run=server",
    ),
  ];
}

/** Rules say what happens to the data; that they say what was meant, only a reader can tell. */
function migrations(crds: readonly CrdReview[]): Risk[] {
  const migrated = crds.flatMap(({ name, migration, customResources: { total } }) =>
    migration && total > 0 ? [{ name, total, ...migration }] : [],
  );
  const removals = migrated.flatMap(({ name, rules }) =>
    rules.flatMap(({ rule, objects }) =>
      rule.startsWith("remove ") && objects > 0 ? [`${name}: ${rule} (${count(objects, "object")})`] : [],
    ),
  );
  const changes = migrated.map(
    ({ name, changed, total, to, backup }) =>
      `${name} to ${to}: ${changed} of ${total} change by rules, saved to ${backup}`,
  );
  return [
    ...risk(
      "medium",
      "custom-resources-migration-removes",
      "migration rules remove data of custom resources",
      removals,
      "make sure that nothing reads it; it is in the saved objects",
    ),
    ...risk(
      "low",
      "custom-resources-migrated",
      "custom resources are rewritten before the new schema is served",
      changes,
      "while it runs, stop what writes them in their old form (GitOps tools with the old manifests)",
    ),
  ];
}

function whenAny(number: number, id: string, { title, detail, fix }: Omit<Risk, "severity" | "id">): Risk[] {
  return number === 0 ? [] : [{ severity: "high", id, title, detail, ...(fix === undefined ? {} : { fix }) }];
}

function saveLines(crds: readonly CrdReview[]): string {
  return `kubectl get ${crds.map(({ name }) => name).join(",")} --all-namespaces --output yaml`;
}

function findingRisks(crds: readonly CrdReview[]): Risk[] {
  const of = (match: (found: CrdFinding) => boolean) =>
    crds.flatMap(({ name, findings }) => findings.filter(match).map((found) => findingText(name, found)));
  const breaking = of(({ severity }) => severity === "error");
  const questionable = of(({ severity }) => severity === "warning");
  const accepted = of((found) => found.severity === "none" && found.accepted !== undefined);
  const fix = "if it is meant, accept it with the reason in crdRules (docs/crd-rules.md)";
  return [
    ...risk("high", "crd-breaking", count(breaking.length, "breaking schema change"), breaking, fix),
    ...risk("medium", "crd-warning", `${count(questionable.length, "schema change")} to look at`, questionable, fix),
    ...risk("low", "crd-accepted", `${count(accepted.length, "schema change")} accepted with a reason`, accepted),
  ];
}

function findingText(crd: string, { rule, version, path, text, accepted }: CrdFinding): string {
  const where = [crd, version, path].filter((part) => part).join(" ");
  return `${where}: ${rule}: ${text}${accepted === undefined ? "" : ` (accepted: ${accepted})`}`;
}

function retained(crds: readonly CrdReview[]): Risk[] {
  const kept = crds.filter(({ action }) => action === "retained");
  return risk(
    "low",
    "crd-retained",
    `${count(kept.length, "CRD")} that the chart no longer ships stay${kept.length === 1 ? "s" : ""}`,
    kept.map(({ name, customResources: { total } }) => `${name} with ${count(total, "object")}`),
    `delete what nothing uses any more, which deletes its objects: kubectl delete crd ${kept[0]?.name ?? ""}`,
  );
}
