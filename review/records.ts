import { comparedRevision, type ReleaseState } from "../helm/release";
import type { ObjectChange } from "./report/schema";
import { recordNames } from "../components/workload-restarts/restart-record";
import type { RecordedStamp } from "../components/workload-restarts/restarts";

/** What the bookkeeping of an upgrade depends on. */
export interface RecordInput {
  release: { name: string; namespace: string };
  installed?: ReleaseState;
  /** helm writes a new revision. */
  newRevision: boolean;
  maxHistory: number;
  /** The restart records as they are on the cluster. */
  records: { before?: RecordedStamp; after?: RecordedStamp; exists: { before: boolean; after: boolean } };
  /** What they will say. */
  wanted: { before: RecordedStamp; after?: RecordedStamp };
}

/** The Secrets of helm's history and the restart records that change: no objects of the chart, but they do change. */
export function recordChanges(input: RecordInput): ObjectChange[] {
  return [...(input.newRevision ? helmRecords(input) : []), ...restartRecords(input)];
}

function helmRecords({ release, installed, maxHistory }: RecordInput): ObjectChange[] {
  const secret = (revision: number, action: ObjectChange["action"], fields: ObjectChange["fields"] = []) =>
    entry("Secret", release.namespace, `sh.helm.release.v1.${release.name}.v${revision}`, action, fields);
  if (!installed) return [secret(1, "create")];
  const { revisions, latest } = installed;
  const base = comparedRevision(installed);
  const superseded: ObjectChange["fields"] = [
    { path: "metadata.labels.status", before: '"deployed"', after: '"superseded"', cause: "chart" },
  ];
  // helm makes room for the new revision, oldest first, and never deletes the deployed one.
  const surplus = Math.max(0, revisions.length - (maxHistory - 1));
  const removed = revisions.filter(({ revision }) => revision !== base.revision).slice(0, surplus);
  return [
    secret(latest.revision + 1, "create"),
    ...(base.status === "deployed" ? [secret(base.revision, "update", superseded)] : []),
    ...removed.map(({ revision }) => secret(revision, "delete")),
  ];
}

function restartRecords({ release, records, wanted }: RecordInput): ObjectChange[] {
  const names = recordNames(release.name);
  const one = (name: string, exists: boolean, old: RecordedStamp | undefined, now: RecordedStamp | undefined) => {
    if (!now) return [];
    if (!exists) return [entry("ConfigMap", release.namespace, name, "create")];
    const fields = (["stamp", "stale", "reason"] as const).flatMap((key) => {
      const [before, after] = [JSON.stringify(old?.[key]), JSON.stringify(now[key])];
      const was = before === undefined ? {} : { before };
      return before === after ? [] : [{ path: `data.${key}`, ...was, after, cause: "chart" as const }];
    });
    return fields.length > 0 ? [entry("ConfigMap", release.namespace, name, "update", fields)] : [];
  };
  return [
    ...one(names.before, records.exists.before, records.before, wanted.before),
    ...one(names.after, records.exists.after, records.after, wanted.after),
  ];
}

function entry(
  kind: "Secret" | "ConfigMap",
  namespace: string,
  name: string,
  action: ObjectChange["action"],
  fields: ObjectChange["fields"] = [],
): ObjectChange {
  const check = { result: "accepted" as const };
  return { apiVersion: "v1", kind, namespace, name, action, writer: "record", fields, folded: 0, check };
}
