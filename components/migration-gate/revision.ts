import { FIND_PORT } from "../database-backup/cluster/login-script";
import { IS_ALEMBIC } from "../database-backup/cluster/scripts";

/** What was found out about the schema revision of the auth service's database. */
export type SchemaReading =
  /** The table is there; its rows are the revisions (alembic's heads), none when nothing was ever migrated. */
  | {
      readonly state: "read";
      readonly revisions: readonly string[];
      /** Where it is another database than the one that the server's container names. */
      readonly database?: string;
    }
  /** There is no table `alembic_version`. */
  | { readonly state: "absent" }
  | { readonly state: "not checked"; readonly why: string };

/** What the revision must be, and what it was. */
export interface RevisionRules {
  /** All revisions that must be there, no others; undefined: any. */
  readonly expected?: readonly string[];
  /** Revisions as earlier gates that passed saw them, each set as one text, newest last. */
  readonly seen: readonly string[];
  /** A schema may lose its revision. Default: not. */
  readonly acceptsLoss?: boolean;
}

/** How a reading is judged: a problem stops the upgrade, a note is shown. */
export interface RevisionVerdict {
  readonly problem?: string;
  readonly note: string;
}

const FROM_TABLES = `FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
  WHERE relkind = 'r' AND relpersistence <> 't' AND nspname !~ '^pg_' AND nspname <> 'information_schema' AND ${IS_ALEMBIC}`;

/**
 * Finds and reads Alembic's tables wherever they are and whatever they are called; the answer is lines `tables|N` and
 * `row|schema|table|revision`. Nothing is written: the session is read-only. The name of a table cannot be a parameter,
 * so psql runs the SELECT that it was answered (`\gexec`).
 */
export const REVISION_SQL = `
SELECT 'tables', count(*) ${FROM_TABLES};
SELECT format('SELECT %L, %L, %L, version_num FROM %I.%I ORDER BY 4', 'row', nspname, relname, nspname, relname)
  ${FROM_TABLES} ORDER BY nspname, relname
\\gexec
`;

/**
 * Runs psql in the container of the database, for `sh -s` on stdin: user, database and password come from the
 * container's own environment, so none of them is in an argument list.
 */
export const psqlScript = (sql: string) => `
value() {
  for name in "$@"; do
    eval "file=\\\${\${name}_FILE:-} text=\\\${$name:-}"
    if [ -n "$file" ]; then cat "$file"; return; fi
    if [ -n "$text" ]; then printf '%s' "$text"; return; fi
  done
}
user="$(value POSTGRES_USER POSTGRESQL_USERNAME POSTGRESQL_USER)"
user="\${user:-postgres}"
database="$(value POSTGRES_DB POSTGRES_DATABASE POSTGRESQL_DATABASE)"
PGPASSWORD="$(value POSTGRES_PASSWORD POSTGRESQL_PASSWORD)"
PGOPTIONS="-c default_transaction_read_only=on -c statement_timeout=10s"
PGCONNECT_TIMEOUT=10
PGUSER="$user"
PGDATABASE="\${database:-$user}"
export PGPASSWORD PGOPTIONS PGCONNECT_TIMEOUT PGUSER PGDATABASE
${FIND_PORT.trim()}
ask() { psql -X -q -A -t -w -v ON_ERROR_STOP=1 "$@"; }
look() {
  ask <<'SQL'
${sql}
SQL
}
answer="$(look)" || exit $?
printf '%s\n' "$answer"
`;

/**
 * {@link psqlScript} for the revisions. The service's database may be another one than the server's container names:
 * one that the service or a script of the image made. So where that one has no table, the others are looked through.
 */
export const REVISION_SCRIPT = `${psqlScript(REVISION_SQL).trimEnd()}
case "$answer" in *"tables|0"*)
  ask -c "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate AND datname <> current_database()" </dev/null |
  while IFS= read -r PGDATABASE; do
    if found="$(look 2>/dev/null)"; then printf 'database|%s\n%s\n' "$PGDATABASE" "$found"; fi
  done
esac
`;

/** Reads what {@link REVISION_SCRIPT} printed. */
export function parseRevisions(output: string): SchemaReading {
  const [own = "", ...others] = output.split(/^database\|/m);
  const first = parseDatabase(own.split("\n"));
  if (first.state !== "absent") return first;
  const found = others.flatMap((text) => {
    const [database = "", ...lines] = text.split("\n");
    const reading = parseDatabase(lines);
    return reading.state === "read" ? [{ ...reading, database }] : [];
  });
  const auth = found.filter(({ database }) => /auth/i.test(database));
  const [only, ...more] = auth.length === 1 ? auth : found;
  if (!only) return first;
  if (more.length === 0) return only;
  const names = found.map(({ database }) => database).join(", ");
  return { state: "not checked", why: `Alembic has tables in several databases of the server (${names})` };
}

function parseDatabase(output: readonly string[]): SchemaReading {
  const lines = output.map((line) => line.trim().split("|"));
  const tables = lines.find(([what]) => what === "tables")?.[1];
  if (tables === undefined) return { state: "not checked", why: "psql did not answer as expected" };
  if (tables === "0") return { state: "absent" };
  const all = lines.filter(([what]) => what === "row");
  // The one with the usual name is the service's, whatever others there are beside it.
  const usual = all.filter(([, , table]) => table === "alembic_version");
  const rows = new Set(usual.map(([, schema]) => schema)).size === 1 ? usual : all;
  const places = new Set(rows.map(([, schema, table]) => `${schema ?? ""}.${table ?? ""}`));
  const name = ([, schema = "", table = "", revision = ""]: string[]) =>
    places.size > 1 ? `${revision} in ${schema}.${table}` : revision;
  return { state: "read", revisions: rows.map(name).sort() };
}

/** The revisions without the tables that they are in. */
export function plainRevisions(revisions: readonly string[]): string[] {
  return [...new Set(revisions.map((revision) => revision.split(" in ")[0] ?? revision))].sort();
}

/** One text for a set of revisions, in which two sets can be compared. */
export function revisionText(revisions: readonly string[]): string {
  return revisions.length === 0 ? "none" : [...revisions].sort().join(", ");
}

/**
 * Judges the revision after an upgrade.
 *
 * - What is configured as expected must be there exactly.
 * - A table without a row is a migration that began and did not end.
 * - A table that an earlier gate saw and that is gone is a database that lost what it held.
 * - More heads than before mean that two branches of migrations were applied side by side.
 * - A revision that an earlier gate saw and a later one replaced is a schema that went back. After a restored backup
 *   that is right, so it is said and not refused.
 */
export function judgeRevision(
  reading: SchemaReading,
  { expected, seen, acceptsLoss = false }: RevisionRules,
): RevisionVerdict {
  const note = describe(reading, seen);
  const wanted = expected && `config migrationGate.expectedRevision asks for ${revisionText(expected)}`;
  if (reading.state !== "read") {
    if (wanted) return { note, problem: `${note}; ${wanted}` };
    const lost = reading.state === "absent" && seen.length > 0 && !acceptsLoss;
    const fix = "if that is meant: pulumi config set --path migrationGate.compareData false";
    return lost ? { note, problem: `${note}; ${fix}` } : { note };
  }
  const now = revisionText(reading.revisions);
  if (expected) {
    const plain = revisionText(plainRevisions(reading.revisions));
    return plain === revisionText(expected)
      ? { note }
      : { note, problem: `the schema is at revision ${now}; ${wanted}` };
  }
  if (reading.revisions.length === 0) {
    return { note, problem: "table alembic_version is there but has no row: a migration began and did not end" };
  }
  const before = seen.at(-1);
  const heads = before === undefined ? reading.revisions.length : Math.max(1, headsOf(before));
  if (reading.revisions.length > heads) {
    const was = `it had ${heads} before (${before})`;
    const fix = `if that is meant: pulumi config set --path migrationGate.expectedRevision '${reading.revisions.join(",")}'`;
    return { note, problem: `the schema has ${reading.revisions.length} heads (${now}), ${was}; ${fix}` };
  }
  return { note };
}

function headsOf(text: string): number {
  return text === "none" ? 0 : text.split(", ").length;
}

function describe(reading: SchemaReading, seen: readonly string[]): string {
  const before = seen.at(-1);
  if (reading.state === "not checked") return `schema revision not checked: ${reading.why}`;
  if (reading.state === "absent") {
    return before === undefined
      ? "no table alembic_version, which is normal: some versions create their tables without it"
      : `table alembic_version is gone; it was at ${before} when the gate last looked`;
  }
  const now = revisionText(reading.revisions);
  const where = reading.database === undefined ? "" : ` (database ${reading.database})`;
  if (before === undefined) return `schema revision ${now}${where}`;
  if (before === now) return `schema revision ${now}, as before${where}`;
  const back = seen.includes(now) ? "; the schema went BACK to a revision it had left" : "";
  return `schema revision ${before} before, ${now} now${where}${back}`;
}

/** What the next gate compares with: the sets seen so far, each once in a row, the newest 20. */
export function withSeen(seen: readonly string[], reading: SchemaReading): string[] {
  if (reading.state !== "read") return [...seen];
  const now = revisionText(reading.revisions);
  return (seen.at(-1) === now ? [...seen] : [...seen, now]).slice(-20);
}
