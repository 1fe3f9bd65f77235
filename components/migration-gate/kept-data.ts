import { C_LIBRARY, type ComparableBackup } from "../database-backup/job";
import { sqlIdentifier } from "../database-backup/sql-identifier";
import { shellWord } from "../../shared/shell-word";

/** What is in a database after the chart. */
export interface FoundData {
  /** Name of the database on its server. */
  database: string;
  tables: number;
  alembic: string | null;
  /** Some table other than Alembic's own has a row. */
  anyRows: boolean;
  /** By which versions the server sorts texts now. */
  collations?: Readonly<Record<string, string | null>>;
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

/**
 * What to do when the server sorts texts by another version of a library than before (an image with another C library
 * or ICU): PostgreSQL itself warns of some of these changes in its log, and of those from or to musl not at all.
 * Undefined when it sorts as before.
 */
export function sortedAnew({ name, comparison: { collations: before = {} } }: ComparableBackup, found: FoundData) {
  const { collations: now = {} } = found;
  const changed = Object.keys(before).filter((one) => one in now && now[one] !== before[one]);
  if (changed.length === 0) return undefined;
  const versions = changed.map((one) => `${one}: ${versionText(before[one])} before, ${versionText(now[one])} now`);
  const known = changed.filter((one) => before[one] !== null && now[one] !== null);
  const accept = known.flatMap((one) => {
    if (one === C_LIBRARY) return [];
    if (one === "default") return [`ALTER DATABASE ${sqlIdentifier(found.database)} REFRESH COLLATION VERSION;`];
    return [`ALTER COLLATION ${sqlIdentifier(one)} REFRESH VERSION;`];
  });
  const statements = [`REINDEX DATABASE ${sqlIdentifier(found.database)};`, ...accept];
  return (
    `WARNING: database ${name} sorts texts by another version of its collations (${versions.join("; ")}), so its indexes on ` +
    `texts may miss rows and let duplicates in until they are built anew; as its owner, in psql: ${statements.join(" ")}`
  );
}

const versionText = (version: string | null | undefined) => version ?? "one without a version (musl)";

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
