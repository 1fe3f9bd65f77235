import type { ComparableBackup } from "../database-backup/job";
import { shellWord } from "../../shared/shell-word";

/** What is in a database after the chart. */
export interface FoundData {
  tables: number;
  alembic: string | null;
  /** Some table other than Alembic's own has a row. */
  anyRows: boolean;
  /** All rows; only counted where the server is another one. */
  rows?: number;
}

/** Of the rows of before, what must be there on a server that was set up anew; some may have gone by themselves. */
const KEPT_SHARE = 0.9;

/**
 * What a database has lost since the backup of this very run, in words; undefined when it has its data. Fewer rows or
 * tables are the business of migrations; none at all, or a server that was set up anew, are not.
 */
export function dataLoss(backup: ComparableBackup, found: FoundData): string | undefined {
  const { tables, rows, alembic, comparison } = backup;
  const lost = [
    ...(tables > 0 && found.tables === 0 ? [`has no tables any more (${tables} before)`] : []),
    ...(alembic !== null && found.alembic === null ? [`has no Alembic revision any more (${alembic} before)`] : []),
    ...(comparison.dataRows > 0 && !found.anyRows ? [`has no rows any more (${comparison.dataRows} before)`] : []),
    ...(found.rows !== undefined && found.rows < rows * KEPT_SHARE
      ? [`is on a server that was set up anew, and holds ${found.rows} of ${rows} rows`]
      : []),
  ];
  return lost.length === 0 ? undefined : `database ${backup.name} ${lost.join(", ")}`;
}

/** What was lost, with the lines that bring it back or accept it. */
export function lossText(losses: readonly { loss: string; backup: ComparableBackup }[]): string {
  const lines = losses.map(
    ({ backup: { name, location } }) =>
      `  npx casa-upgrade restore --database ${shellWord(name)} --from ${shellWord(location)} --yes`,
  );
  return [
    losses.map(({ loss }) => loss).join("; "),
    "The backup of this run brings it back:",
    ...lines,
    "If that is meant: pulumi config set --path migrationGate.compareData false",
  ].join("\n");
}
