import type { Review } from "./schema";
import { actionCounts, count, duration, ownChanges, pendingRestarts } from "./words";

/** The upgrade in numbers: what, and how many. */
export function figures(review: Review): [string, string][] {
  const { objects, rolls, crds, restarts, risks: ranked, requests } = review;
  const down = rolls.filter(({ downtime }) => downtime.expected !== "none").length;
  const changed = crds.filter(({ action }) => action === "create" || action === "update").length;
  const breaking = crds.flatMap(({ findings }) => findings.filter(({ severity }) => severity === "error")).length;
  const sum = (key: "pruned" | "rejected") => crds.reduce((total, crd) => total + crd.customResources[key], 0);
  const pending = pendingRestarts(restarts).flatMap(({ workloads }) => workloads).length;
  const time = `${restarts.maxConcurrent} at a time, about ${duration(restarts.estimate.seconds)}`;
  const of = (level: string) => ranked.filter(({ severity }) => severity === level).length;
  return [
    ["risks", `${of("high")} high, ${of("medium")} medium, ${of("low")} low`],
    ["objects", actionCounts(ownChanges(objects))],
    ["workloads that roll", rolls.length === 0 ? "none" : `${rolls.length}, ${down} of them with downtime`],
    ["CRDs that change", changed === 0 ? "none" : `${changed}, with ${count(breaking, "breaking change")}`],
    ["custom resources", `${sum("pruned")} would lose fields, ${sum("rejected")} would not fit the new schema`],
    ["MAS restarts", restarts.enabled ? (pending === 0 ? "none" : `${pending}, ${time}`) : "switched off"],
    ["dry-runs", dryRuns(objects)],
    ["requests to the API server", `${requests}, none of them changed anything`],
  ];
}

function dryRuns(objects: Review["objects"]): string {
  const of = (result: string) => objects.filter(({ check, writer }) => check.result === result && writer !== "record");
  return `${of("accepted").length} accepted, ${of("rejected").length} rejected, ${of("unchecked").length} not asked`;
}
