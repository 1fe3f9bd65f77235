import { visibleLine } from "../review/report/escape";
import { chartVersionOf, type ReleaseRevision, revisionsOf, type Update } from "./updates";

/** An update as `casa-upgrade history --json` prints it. */
export interface HistoryRow {
  update: number;
  time: string;
  kind: string;
  result: string;
  chartVersion: string | null;
  /** Revisions of the helm release that it made; empty when it made none or helm has forgotten them. */
  revisions: number[];
  who: string;
  message: string;
}

export function historyRows(updates: readonly Update[], revisions: readonly ReleaseRevision[]): HistoryRow[] {
  return updates.map((update) => ({
    update: update.number,
    time: update.start.toISOString().replace(/\.\d+Z$/, "Z"),
    kind: update.kind,
    result: update.result,
    chartVersion: chartVersionOf(update, revisions) ?? null,
    revisions: revisionsOf(update, revisions).map(({ revision }) => revision),
    who: update.who,
    message: update.message,
  }));
}

/**
 * Columns as wide as what is in them; the message is last and is not cut. Nothing in a message moves the terminal's
 * cursor.
 */
export function historyTable(rows: readonly HistoryRow[]): string {
  const head = ["UPDATE", "TIME", "KIND", "RESULT", "CHART", "REVISION", "WHO", "MESSAGE"];
  const lines = rows.map(({ update, time, kind, result, chartVersion, revisions, who, message }) => {
    return [`${update}`, time, kind, result, chartVersion ?? "?", revisions.join(",") || "-", who || "-", message].map(
      visibleLine,
    );
  });
  const widths = head.map((_title, i) => Math.max(...[head, ...lines].map((line) => line[i]?.length ?? 0)));
  return [head, ...lines]
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
