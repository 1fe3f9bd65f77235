import { C_LIBRARY } from "../job";
import { FACT, LOGIN } from "./login-script";

/** OIDs below are those of a new database's own objects (FirstNormalObjectId in PostgreSQL's source). */
export const FIRST_OID = 16384;

/**
 * Tables in which Alembic keeps its revision, whatever a project calls them: the only column is the text `version_num`;
 * one with the usual name may have more. As a condition on pg_class `c`.
 */
export const IS_ALEMBIC = `(SELECT bool_or(attname = 'version_num' AND atttypid IN ('varchar'::regtype, 'text'::regtype))
  AND (count(*) = 1 OR c.relname = 'alembic_version') FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped)`;

/** That an object belongs to an extension, which pg_dump leaves to CREATE EXTENSION. */
export const isMember = (catalog: string, oid: string) =>
  `EXISTS (SELECT FROM pg_depend WHERE classid = '${catalog}'::regclass AND objid = ${oid} AND deptype = 'e')`;

/** Prints how far Liquibase (Keycloak uses it) has brought a schema, for each of its tables. */
const LIQUIBASE = `
SELECT format('SELECT ''${FACT}'' || json_build_object(''liquibase'', json_build_object(''table'', %L, ''changes'', count(*),
  ''newest'', coalesce((array_agg(id ORDER BY orderexecuted DESC))[1], ''none''))) FROM %I.%I', nspname || '.' || relname, nspname, relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind = 'r' AND relpersistence <> 't' AND lower(relname) = 'databasechangelog' AND (
  SELECT count(*) FROM pg_attribute WHERE attrelid = c.oid AND attname IN ('id', 'author', 'filename', 'orderexecuted')) = 4
ORDER BY nspname
\\gexec
`;

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
  AND NOT ${isMember("pg_class", "c.oid")}
ORDER BY nspname, relname
\\gexec
SELECT format('SELECT ''${FACT}'' || json_build_object(''alembic'', version_num, ''alembicTable'', %L) FROM %I.%I ORDER BY version_num',
  nspname || '.' || relname, nspname, relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind = 'r' AND relpersistence <> 't' AND nspname !~ '^pg_' AND nspname <> 'information_schema' AND ${IS_ALEMBIC}
ORDER BY nspname, relname
\\gexec
${LIQUIBASE}
SELECT '${FACT}{"complete":true}';
`;

/** Prints tables, rows and revision; rows are counted, not estimated. */
export const CONTENT = content("ONLY %I.%I");

/** Tells a server from one that was set up anew; not everybody may ask. */
export const IDENTITY = `
SELECT 'SELECT ''${FACT}'' || json_build_object(''systemIdentifier'', system_identifier::text) FROM pg_control_system()'
WHERE has_function_privilege('pg_control_system()', 'EXECUTE')
\\gexec
`;

/**
 * Prints by which version of the C library or ICU the server sorts texts, for each collation that an index of the
 * database is sorted by; null where the library does not tell (musl) or none is asked (C). An index of another version
 * does not find its rows any more. The database's own collation has a version since PostgreSQL 15; before that the C
 * library's others tell, under {@link C_LIBRARY}. For outside of a transaction: a server without the library that a
 * collation needs cannot tell, and that is all.
 */
const COLLATIONS = `
\\set ON_ERROR_STOP 0
SELECT format('SELECT ''${FACT}'' || json_build_object(''collations'', json_object_agg(CASE c.oid WHEN 100 THEN %L ELSE collname END,
    CASE c.oid WHEN 100 THEN %s ELSE pg_collation_actual_version(c.oid) END))
  FROM pg_collation c, pg_database d WHERE datname = current_database()
  AND c.oid IN (SELECT unnest(indcollation::oid[]) FROM pg_index WHERE indrelid >= ${FIRST_OID})
  HAVING count(*) > 0', name, version)
FROM (SELECT 'default' AS name, 'pg_database_collation_actual_version(d.oid)' AS version, 1 AS rank
    FROM pg_proc WHERE proname = 'pg_database_collation_actual_version'
  UNION ALL SELECT '${C_LIBRARY}', '(SELECT max(pg_collation_actual_version(o.oid)) FROM pg_collation o
    WHERE o.collprovider = ''c'' AND o.collcollate = datcollate)', 2
  ORDER BY rank LIMIT 1) known
\\gexec
\\set ON_ERROR_STOP 1
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
  UNION ALL SELECT 6, 'template', '', '', '' FROM pg_database WHERE datname = current_database() AND datistemplate
) properties ORDER BY rank, role, name;
`;

/**
 * Limits that a server sets for its clients would end a long dump half-way. Row security would hide rows without a
 * word. For this transaction only: behind a pooler the session is somebody else's next.
 */
const NO_LIMITS = `
SELECT count(set_config(name, '0', true)) AS ignored FROM pg_settings
WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout') \\gset
SET LOCAL row_security = off;
`;

/** CREATE DATABASE's clauses for the locale of pg_database `d`. For PostgreSQL 10 to 18. */
const LOCALE = `format('LC_COLLATE %L LC_CTYPE %L', datcollate, datctype) || CASE to_jsonb(d)->>'datlocprovider'
    WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L', coalesce(to_jsonb(d)->>'daticulocale', to_jsonb(d)->>'datlocale'))
      || coalesce(' ICU_RULES ' || quote_literal(to_jsonb(d)->>'daticurules'), '')
    WHEN 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', to_jsonb(d)->>'datlocale')
    ELSE '' END`;

/** Prints what another server needs to take the database, see ServerTraits, and all roles of this one. */
const TRAITS = `
SELECT '${FACT}' || json_build_object('traits', json_build_object('encoding', pg_encoding_to_char(encoding), 'locale', ${LOCALE},
  'extensions', (SELECT coalesce(json_agg(extname), '[]') FROM pg_extension),
  'preloaded', CASE WHEN pg_has_role(current_user, 'pg_read_all_settings', 'USAGE') THEN current_setting('shared_preload_libraries') END,
  'timescale', (SELECT json_build_object('schema', nspname, 'version', extversion) FROM pg_extension e
    JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'timescaledb')))
FROM pg_database d WHERE datname = current_database();
SELECT '${FACT}' || json_build_object('role', rolname) FROM pg_roles WHERE rolname !~ '^pg_';
`;

/** Prints the roles without which a dump of the database cannot be restored with its owners, rights and policies. */
const NEEDED_ROLES = `
SELECT '${FACT}' || json_build_object('needsRole', rolname) FROM pg_roles r
WHERE rolname !~ '^pg_' AND (EXISTS (SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = r.oid
    AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database()))
  -- The role that the server was made by is in no such list.
  OR r.oid = 10 AND EXISTS (SELECT FROM (
    SELECT oid, relowner AS owner, 'pg_class'::regclass AS class FROM pg_class UNION ALL
    SELECT oid, proowner, 'pg_proc'::regclass FROM pg_proc UNION ALL
    SELECT oid, nspowner, 'pg_namespace'::regclass FROM pg_namespace WHERE nspname !~ '^pg_') o
    WHERE owner = 10 AND oid >= 16384 AND NOT EXISTS (
      SELECT FROM pg_depend WHERE classid = o.class AND objid = o.oid AND deptype IN ('e', 'i'))))
ORDER BY rolname;
`;

/**
 * Drops databases of ours. A pool, or a subscription that an earlier version restored with the rest, would hold one:
 * its sessions are ended, and the subscription is dropped without touching the other end, whose slot is the original's.
 * What is left in spite of that is told.
 */
const DROPPING = `
drop_ours() {
  for attempt in 1 2 3 4 5; do
    if why=$(sql -v fresh="$1" 2>&1 >/dev/null <<'SQL'
\\set ON_ERROR_STOP 0
SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity WHERE datname = :'fresh' AND pid <> pg_backend_pid() \\gset
\\set ON_ERROR_STOP 1
DROP DATABASE IF EXISTS :"fresh";
SQL
    ); then return 0; fi
    case $why in *subscription*) PGDATABASE=$1 sql >/dev/null 2>&1 <<'SQL'
SELECT format('ALTER SUBSCRIPTION %I DISABLE', subname), format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', subname),
  format('DROP SUBSCRIPTION %I', subname)
FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
\\gexec
SQL
    ;; esac
    sleep 1
  done
  printf '${FACT}{"left":"%s"}\\n%s\\n' "$1" "$why" >&2
}
# Those that killed runs left, unless somebody works with them: a pool keeps its sessions and does nothing.
drop_left() {
  for one in $(sql -v prefix="$1" <<'SQL'
SELECT datname FROM pg_database d WHERE left(datname, length(:'prefix')) = :'prefix' AND NOT EXISTS (
  SELECT FROM pg_stat_activity a WHERE a.datname = d.datname AND (state <> 'idle' OR state_change > now() - interval '10 minutes'))
SQL
  ); do drop_ours "$one"; done
}
`;

/**
 * Dumps to stdout, and counts in the same snapshot: psql holds the transaction that exported it while pg_dump runs.
 * pg_dump is started by psql, because a shell without coprocesses cannot keep a session open otherwise. It writes the
 * database's own encoding: not every text can be put into another one. Own argument: prefix of scratch databases, which
 * killed runs may have left.
 */
export const DUMP = `${LOGIN}
${DROPPING}
drop_left "$6"
CASA_ENCODING=$encoding
export CASA_ENCODING
sql 3>&1 >&2 <<'SQL'
${COLLATIONS}
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
${NO_LIMITS}
SELECT pg_export_snapshot() AS snapshot \\gset
\\setenv CASA_SNAPSHOT :snapshot
SELECT '${FACT}' || json_build_object('serverVersion', current_setting('server_version'),
  'at', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'));
${IDENTITY}
${PROPERTIES}
${TRAITS}
${NEEDED_ROLES}
${CONTENT}
\\! unset PGCLIENTENCODING; pg_dump --format=custom --no-password --encoding="$CASA_ENCODING" --snapshot="$CASA_SNAPSHOT" </dev/null >&3; echo '${FACT}{"dumped":'$?'}' >&2
COMMIT;
SQL
`;

/** A database like the one logged in to: encoding, locale, owner, connection limit. */
const CREATE = `
SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING %L CONNECTION LIMIT %s ',
    :'fresh', pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datconnlimit) || ${LOCALE}
FROM pg_database d WHERE datname = current_database()
\\gexec
`;

/**
 * Restores a dump from stdin into a new database and prints what that holds. Own arguments: prefix of such databases,
 * name of the new one, "keep" or "drop", and for TimescaleDB its schema and version. One that is dropped again is
 * restored without what belongs to others (owners, rights, comments on extensions) or acts by itself (publications,
 * subscriptions).
 *
 * A pg_restore of 17 or later sets a limit that older servers do not know; then its statements go through psql, without
 * that line.
 */
export const RESTORE = `${LOGIN}
${DROPPING}
prefix=$6 fresh=$7 after=$8 ts_schema=$9
shift 9
ts_version=$1
trap 'drop_ours "$fresh"' EXIT
trap 'exit 130' HUP INT TERM PIPE
drop_left "$prefix"
sql -v fresh="$fresh" >&2 <<'SQL' || exit 72
${CREATE}
SQL
flags=
if [ "$after" = drop ]; then
  for one in --no-owner --no-privileges --no-publications --no-subscriptions --no-security-labels --no-tablespaces --no-comments; do
    case $(pg_restore --help) in *"$one"*) flags="$flags $one" ;; esac
  done
fi
if [ -n "$ts_version" ]; then
  PGDATABASE=$fresh sql -v schema="$ts_schema" -v version="$ts_version" >&2 <<'SQL' || exit 73
CREATE EXTENSION IF NOT EXISTS timescaledb WITH SCHEMA :"schema" VERSION :'version';
SELECT :"schema".timescaledb_pre_restore();
SQL
fi
client=$(pg_restore --version | sed 's/^[^0-9]*\\([0-9]*\\).*/\\1/')
if [ "$client" -ge 17 ] && [ "$(sql -c "SELECT current_setting('server_version_num')::int / 10000")" -lt 17 ]; then
  end=$( { pg_restore $flags --file=- && printf '%s\\n' '\\echo casa-restored'; } \\
    | sed '1,60{/^SET transaction_timeout = 0;$/d;}' | PGDATABASE=$fresh sql -f - | tail -n 1)
  [ "$end" = casa-restored ] || exit 73
else
  pg_restore --no-password --exit-on-error $flags --dbname="$fresh" >&2 || exit 73
fi
cat >/dev/null
PGDATABASE=$fresh sql >&2 <<'SQL' || exit 74
BEGIN READ ONLY;
${NO_LIMITS}
${CONTENT}
COMMIT;
SQL
if [ -n "$ts_version" ] && [ "$after" = keep ]; then
  PGDATABASE=$fresh sql -v schema="$ts_schema" >&2 <<'SQL' || exit 74
SELECT :"schema".timescaledb_post_restore();
SQL
fi
if [ "$after" = keep ]; then trap - EXIT; fi
`;

const inspect = (login: string) => `${login}
sql >&2 <<'SQL'
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
${NO_LIMITS}
${CONTENT}
COMMIT;
SQL
`;

/** Prints what the database holds. */
export const INSPECT = inspect(LOGIN);

/** Prints how far Liquibase has brought the database's schema. */
export const CHANGES = `${LOGIN}
sql >&2 <<'SQL'
BEGIN READ ONLY;
${LIQUIBASE}
COMMIT;
SQL
`;

/** Prints what the database holds after the chart. */
export const COUNT = inspect(LENIENT_LOGIN);

/** Prints what belongs to the database beside its contents, and the names of all roles and databases. */
export const DESCRIBE = `${LOGIN}
sql >&2 <<'SQL'
${PROPERTIES}
SELECT '${FACT}' || json_build_object('role', rolname) FROM pg_roles;
SELECT '${FACT}' || json_build_object('database', datname) FROM pg_database;
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
${COLLATIONS}
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
${NO_LIMITS}
SET LOCAL lock_timeout = '10s';
${IDENTITY}
${content("(SELECT FROM ONLY %I.%I LIMIT 1) one")}
COMMIT;
SQL
`;

/** What a server says of itself, as members of a JSON object. */
export const ABOUT_SERVER = `'serverVersion', current_setting('server_version'), 'dataDirectory', coalesce(
  CASE WHEN pg_has_role(current_user, 'pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') END, '')`;

/** Prints the room on the data directory's disk, and where its file system is mounted; for the server's container. */
export const ABOUT_DISK = `
  dir=$(sql -c "SELECT current_setting('data_directory')" 2>/dev/null) || dir=\${PGDATA:-}
  df -Pk "$dir" 2>/dev/null | tail -n 1 | {
    read -r disk size used free percent mount || exit 0
    case $mount in *[\\"\\\\]*) mount= ;; esac
    printf '${FACT}{"freeKiB":%s,"mountPoint":"%s"}\\n' "$free" "$mount" >&2
  }
`;

/**
 * Prints what the server is. One that nobody can log in to says its major by the file PG_VERSION, where the container's
 * environment names the folder.
 */
export const RUNNING = `
(${LOGIN}
sql >&2 <<'SQL'
SELECT '${FACT}' || json_build_object(${ABOUT_SERVER});
SQL
[ "$4" != pod ] || {${ABOUT_DISK}}
) || {
  [ "$4" = pod ] || exit 0
  ${ABOUT_DISK}
  [ -r "$dir/PG_VERSION" ] && printf '${FACT}{"serverVersion":"%s"}\\n' "$(cat "$dir/PG_VERSION")" >&2
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
  if refusal=$(sql -v VERBOSITY=verbose -v db="$db" -v fresh="$fresh" -v old="$old" 2>&1 <<'SQL'
SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity
WHERE datname IN (:'db', :'fresh') AND pid <> pg_backend_pid() \\gset
BEGIN;
ALTER DATABASE :"db" RENAME TO :"old";
ALTER DATABASE :"fresh" RENAME TO :"db";
COMMIT;
SQL
  ); then exit 0; fi
  # Object in use, in whatever language the server says it.
  case $refusal in *" 55006: "*) continue ;; esac
  break
done
printf '%s\\n' "$refusal" | sed '/^LOCATION: /d' >&2
exit 75
`;

/**
 * Prints the logical replication slots of a database: they belong to it whatever it is called, so those of one that was
 * replaced go on keeping log for a consumer that cannot use them any more. Own argument: its name.
 */
export const SLOTS = `${LOGIN}
sql -v old="$6" >&2 <<'SQL'
SELECT '${FACT}' || json_build_object('slot', slot_name, 'plugin', plugin) FROM pg_replication_slots
WHERE slot_type = 'logical' AND database = :'old' ORDER BY slot_name;
SQL
`;

/** Drops a database of ours that was not put in place. Own argument: its name. */
export const DROP = `${LOGIN}
${DROPPING}
drop_ours "$6"
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
