/**
 * Shell scripts that run where PostgreSQL's programs are: in the server's pod, or on this machine for an external
 * server. Plain sh (dash and busybox have been used). Passwords come on the first line of stdin and are in no argument
 * list.
 *
 * Arguments of all: database, user, file with the password (or empty), "pod" or "host", name that the server knows the
 * sessions by; then the script's own. Lines on
 * stderr that begin with {@link FACT} are facts in JSON, the rest is for people.
 */
export const FACT = "@casa ";

/** Exit code for "could not log in". */
export const NO_LOGIN = 71;

/**
 * Logs in over the pod's own address where that works: images trust connections over the socket and loopback, which
 * would let a wrong password pass until the runtime itself uses it.
 */
const LOGIN = `
set -u
PGDATABASE=$1 PGUSER=$2
IFS= read -r PGPASSWORD || :
if [ -n "$3" ]; then PGPASSWORD=$(cat "$3") || exit ${NO_LOGIN}; fi
export PGDATABASE PGUSER PGPASSWORD PGCONNECT_TIMEOUT=10 PGAPPNAME=$5 PGCLIENTENCODING=UTF8 LC_ALL=C
if [ -z "$PGPASSWORD" ]; then unset PGPASSWORD; fi
sql() { psql -X -q -A -t -w -v ON_ERROR_STOP=1 "$@"; }
login() {
  given=\${PGHOST-}
  if [ "$1" = pod ]; then
    for address in $(hostname -i 2>/dev/null) 127.0.0.1; do
      pg_isready -q -t 3 -h "$address" || continue
      PGHOST=$address; export PGHOST
      if refusal=$(sql -c 'SELECT 1' 2>&1 >/dev/null); then return 0; fi
      case $refusal in *"no pg_hba.conf entry"*) continue ;; esac
      if [ "\${lenient-}" = 1 ]; then break; fi
      printf '%s\\n' "$refusal" >&2
      exit ${NO_LOGIN}
    done
    if [ -n "$given" ]; then PGHOST=$given; else unset PGHOST; fi
  fi
  sql -c 'SELECT 1' >/dev/null || exit ${NO_LOGIN}
}
login "$4"
`;

/**
 * Tables in which Alembic keeps its revision, whatever a project calls them: the only column is the text `version_num`;
 * one with the usual name may have more. As a condition on pg_class `c`.
 */
export const IS_ALEMBIC = `(SELECT bool_or(attname = 'version_num' AND atttypid IN ('varchar'::regtype, 'text'::regtype))
  AND (count(*) = 1 OR c.relname = 'alembic_version') FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped)`;

/**
 * SQL that prints what a database holds, see ContentFacts.
 *
 * @param rows what rows are counted in; `%I.%I` is the table.
 */
const content = (rows: string) => `
SELECT format('SELECT ''${FACT}'' || json_build_object(''table'', %L, ''rows'', count(*)) FROM ${rows}',
  nspname || '.' || relname, nspname, relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind = 'r' AND relpersistence <> 't' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
ORDER BY nspname, relname
\\gexec
SELECT format('SELECT ''${FACT}'' || json_build_object(''alembic'', version_num, ''alembicTable'', %L) FROM %I.%I ORDER BY version_num',
  nspname || '.' || relname, nspname, relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind = 'r' AND relpersistence <> 't' AND nspname !~ '^pg_' AND nspname <> 'information_schema' AND ${IS_ALEMBIC}
ORDER BY nspname, relname
\\gexec
SELECT '${FACT}{"complete":true}';
`;

/** Rows are counted, not estimated. */
const CONTENT = content("ONLY %I.%I");

/** Tells a server from one that was set up anew; not everybody may ask. */
const IDENTITY = `
SELECT 'SELECT ''${FACT}'' || json_build_object(''systemIdentifier'', system_identifier::text) FROM pg_control_system()'
WHERE has_function_privilege('pg_control_system()', 'EXECUTE')
\\gexec
`;

/**
 * The same for looking at a server after the chart: a Secret whose password is not the database's is no reason not to
 * look, where the socket asks for none.
 */
const LENIENT_LOGIN = `lenient=1
${LOGIN}`;

/** SQL that prints what belongs to the database beside its contents, see DatabaseProperty. */
const PROPERTIES = `
SELECT '${FACT}' || json_build_object('property', json_build_object('kind', kind, 'name', name, 'value', value, 'role', role)) FROM (
  SELECT 1 AS rank, 'setting' AS kind, split_part(entry, '=', 1) AS name, substr(entry, strpos(entry, '=') + 1) AS value,
    CASE setrole WHEN 0 THEN '' ELSE pg_get_userbyid(setrole) END AS role
  FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase, unnest(setconfig) entry WHERE datname = current_database()
  UNION ALL SELECT 2, 'acl', '', '', '' FROM pg_database WHERE datname = current_database() AND datacl IS NOT NULL
  UNION ALL SELECT 3, 'grant', privilege_type || CASE WHEN is_grantable THEN '*' ELSE '' END, '',
    CASE grantee WHEN 0 THEN '' ELSE pg_get_userbyid(grantee) END
  FROM pg_database, aclexplode(datacl) WHERE datname = current_database()
  UNION ALL SELECT 4, 'comment', '', shobj_description(oid, 'pg_database'), '' FROM pg_database
  WHERE datname = current_database() AND shobj_description(oid, 'pg_database') IS NOT NULL
  UNION ALL SELECT 5, 'limit', '', datconnlimit::text, '' FROM pg_database WHERE datname = current_database()
) properties ORDER BY rank, role, name;
`;

/**
 * Limits that a server sets for its clients would end a long dump half-way. Row security would hide rows without a
 * word.
 */
const NO_LIMITS = `
SELECT count(set_config(name, '0', false)) AS ignored FROM pg_settings
WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout') \\gset
SET row_security = off;
`;

/**
 * Dumps to stdout, and counts in the same snapshot: psql holds the transaction that exported it while pg_dump runs.
 * pg_dump is started by psql, because a shell without coprocesses cannot keep a session open otherwise.
 */
export const DUMP = `${LOGIN}
sql 3>&1 >&2 <<'SQL'
${NO_LIMITS}
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT pg_export_snapshot() AS snapshot \\gset
\\setenv CASA_SNAPSHOT :snapshot
SELECT '${FACT}' || json_build_object('serverVersion', current_setting('server_version'),
  'at', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'));
${IDENTITY}
${PROPERTIES}
${CONTENT}
\\! pg_dump --format=custom --no-password --snapshot="$CASA_SNAPSHOT" </dev/null >&3; echo '${FACT}{"dumped":'$?'}' >&2
COMMIT;
SQL
`;

/** A database like the one logged in to: encoding, locale, owner, connection limit. Works for PostgreSQL 10 to 17. */
const CREATE = `
SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L CONNECTION LIMIT %s',
    :'fresh', pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, datconnlimit)
  || CASE to_jsonb(d)->>'datlocprovider'
    WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L', coalesce(to_jsonb(d)->>'daticulocale', to_jsonb(d)->>'datlocale'))
    WHEN 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', to_jsonb(d)->>'datlocale')
    ELSE '' END
FROM pg_database d WHERE datname = current_database()
\\gexec
`;

/**
 * Restores a dump from stdin into a new database and prints what that holds. Own arguments: prefix of such databases,
 * name of the new one, "keep" or "drop". What killed runs left behind under the prefix goes first, unless somebody is
 * connected to it.
 */
export const RESTORE = `${LOGIN}
prefix=$6 fresh=$7 after=$8
drop() { PGDATABASE=$1 sql -v fresh="$fresh" >/dev/null 2>&1 <<'SQL'
DROP DATABASE IF EXISTS :"fresh";
SQL
}
trap 'drop "$PGDATABASE"' EXIT
trap 'exit 130' HUP INT TERM PIPE
sql -v prefix="$prefix" >&2 <<'SQL'
\\unset ON_ERROR_STOP
SELECT format('DROP DATABASE IF EXISTS %I', datname) FROM pg_database d
WHERE left(datname, length(:'prefix')) = :'prefix' AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = d.datname)
\\gexec
SQL
sql -v fresh="$fresh" >&2 <<'SQL' || exit 72
${CREATE}
SQL
pg_restore --no-password --exit-on-error --dbname="$fresh" >&2 || exit 73
cat >/dev/null
PGDATABASE=$fresh sql >&2 <<'SQL' || exit 74
${NO_LIMITS}
${CONTENT}
SQL
if [ "$after" = keep ]; then trap - EXIT; fi
`;

const inspect = (login: string) => `${login}
sql >&2 <<'SQL'
${NO_LIMITS}
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
${CONTENT}
COMMIT;
SQL
`;

/** Prints what the database holds. */
export const INSPECT = inspect(LOGIN);

/** Prints what the database holds after the chart. */
export const COUNT = inspect(LENIENT_LOGIN);

/** Prints what belongs to the database beside its contents, and the names of all roles. */
export const DESCRIBE = `${LOGIN}
sql >&2 <<'SQL'
${PROPERTIES}
SELECT '${FACT}' || json_build_object('role', rolname) FROM pg_roles;
SQL
`;

/**
 * Runs the statements on stdin, each for itself: what the user may not do is told, and is no reason to leave out the
 * rest.
 */
export const APPLY = `${LOGIN}
sql -v ON_ERROR_STOP=0 >&2
`;

/** Prints what is left in the database: as INSPECT, but a table with rows counts as one row. */
export const KEPT = `${LENIENT_LOGIN}
sql >&2 <<'SQL'
${NO_LIMITS}
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL lock_timeout = '10s';
${IDENTITY}
${content("(SELECT FROM ONLY %I.%I LIMIT 1) one")}
COMMIT;
SQL
`;

/**
 * Prints what a backup needs to know of the server, and its databases. Whether the maintenance database, which every
 * server has, holds anything is looked up; it counts as not empty when that is refused.
 */
export const LIST = `${LOGIN}
empty=$(PGDATABASE=postgres sql -c "SELECT NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
  WHERE relkind IN ('r', 'p', 'v', 'm', 'S') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e'))" 2>/dev/null) || empty=f
sql -v empty="$empty" >&2 <<'SQL'
SELECT '${FACT}' || json_build_object('user', current_user, 'recovery', pg_is_in_recovery(),
  'createdb', rolcreatedb OR rolsuper, 'serverVersion', current_setting('server_version')) FROM pg_roles WHERE rolname = current_user;
${IDENTITY}
SELECT '${FACT}' || json_build_object('database', datname, 'connect', has_database_privilege(datname, 'CONNECT'),
  'empty', datname = 'postgres' AND :'empty' = 't')
FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname;
SQL
`;

/**
 * Prints what the server is. One that nobody can log in to says its major by the file PG_VERSION, where the container's
 * environment names the folder.
 */
export const RUNNING = `
(${LOGIN}
sql >&2 <<'SQL'
SELECT '${FACT}' || json_build_object('serverVersion', current_setting('server_version'), 'dataDirectory', coalesce(
  CASE WHEN pg_has_role(current_user, 'pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') END, ''));
SQL
) || {
  dir=\${PGDATA:-}
  [ "$4" = pod ] && [ -r "$dir/PG_VERSION" ] && printf '${FACT}{"serverVersion":"%s"}\\n' "$(cat "$dir/PG_VERSION")" >&2
}
exit 0
`;

/**
 * Puts a database in the place of the one logged in to. Own arguments: name of the new one, name that the old one is
 * kept under. Both are renamed in one transaction, so whoever connects finds the one or the other. Clients that
 * reconnect in between make the server refuse; hence the attempts.
 */
export const SWAP = `${LOGIN}
fresh=$6 old=$7 db=$PGDATABASE
if [ "$db" = postgres ]; then PGDATABASE=template1; else PGDATABASE=postgres; fi
for attempt in 1 2 3 4 5 6; do
  if refusal=$(sql -v db="$db" -v fresh="$fresh" -v old="$old" 2>&1 <<'SQL'
SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity
WHERE datname IN (:'db', :'fresh') AND pid <> pg_backend_pid() \\gset
BEGIN;
ALTER DATABASE :"db" RENAME TO :"old";
ALTER DATABASE :"fresh" RENAME TO :"db";
COMMIT;
SQL
  ); then exit 0; fi
  case $refusal in *"being accessed by other users"*) continue ;; esac
  break
done
printf '%s\\n' "$refusal" >&2
exit 75
`;

/** Drops a database of ours that was not put in place. Own argument: its name. */
export const DROP = `${LOGIN}
fresh=$6
sql -v fresh="$fresh" >&2 <<'SQL'
DROP DATABASE IF EXISTS :"fresh";
SQL
`;

/**
 * Ends sessions of ours, also those of programs that outlive the command that started them, and prints who holds what
 * they waited for. Own argument: the name that the server knows them by.
 */
export const END_SESSIONS = `${LOGIN}
app=$6
sql -v app="$app" >&2 <<'SQL'
SELECT '${FACT}' || json_build_object('waitsFor', w.relation::regclass::text, 'end', 'SELECT pg_terminate_backend(' || h.pid || ');',
  'holder', format('pid %s (user %s, %s, since %s)', h.pid, h.usename, coalesce(h.state, 'state not told'), date_trunc('second', h.xact_start)))
FROM pg_stat_activity a JOIN pg_locks w ON w.pid = a.pid AND NOT w.granted, unnest(pg_blocking_pids(a.pid)) b
JOIN pg_stat_activity h ON h.pid = b
WHERE a.application_name = :'app' AND h.application_name <> :'app';
SELECT '${FACT}' || json_build_object('waitsFor', w.relation::regclass::text, 'end', format('ROLLBACK PREPARED %L;', p.gid),
  'holder', format('the prepared transaction %L (user %s, since %s)', p.gid, p.owner, date_trunc('second', p.prepared)))
FROM pg_stat_activity a JOIN pg_locks w ON w.pid = a.pid AND NOT w.granted
JOIN pg_locks l ON l.granted AND l.pid IS NULL AND l.relation = w.relation AND l.database = w.database
JOIN pg_locks x ON x.locktype = 'transactionid' AND x.pid IS NULL AND x.virtualtransaction = l.virtualtransaction
JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
WHERE a.application_name = :'app';
SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity
WHERE application_name = :'app' AND pid <> pg_backend_pid() \\gset
SQL
`;
