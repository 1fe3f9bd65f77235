import { FACT, LOGIN } from "./login-script";
import { ABOUT_DISK, ABOUT_SERVER, FIRST_OID, IDENTITY, isMember } from "./scripts";

/** An extension's tables whose rows pg_dump takes along: pg_class `c`. */
const IS_CONFIG = "EXISTS (SELECT FROM pg_extension WHERE c.oid = ANY (extconfig))";

/** Tables and sequences that pg_dump reads: pg_class `c` with pg_namespace `n`. */
const DUMPED = `FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
  WHERE relkind IN ('r', 'p', 'S') AND relpersistence <> 't' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
  AND (NOT ${isMember("pg_class", "c.oid")} OR ${IS_CONFIG})`;

/** Roles whose large objects the user may not read; members of a role may what it may. There is no function to ask. */
const CLOSED_LARGE_OBJECTS = `SELECT DISTINCT 'the large objects of role ' || pg_get_userbyid(lomowner) FROM pg_largeobject_metadata
  WHERE current_setting('lo_compat_privileges') <> 'on' AND NOT pg_has_role(lomowner, 'USAGE')
  AND NOT EXISTS (SELECT FROM aclexplode(lomacl) WHERE privilege_type = 'SELECT'
    AND CASE grantee WHEN 0 THEN true ELSE pg_has_role(grantee, 'USAGE') END)`;

/** Prints the tables with rows that are in no dump: an extension owns them, and does not name them to pg_dump. */
const NOT_DUMPED = `
BEGIN;
SET LOCAL lock_timeout = '1s';
SELECT format('SELECT ''${FACT}'' || json_build_object(''inside'', current_database(), ''notDumped'', %L, ''extension'', %L)
  WHERE EXISTS (SELECT FROM ONLY %I.%I)', nspname || '.' || relname, extname, nspname, relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
JOIN pg_extension e ON e.oid = d.refobjid
WHERE relkind = 'r' AND relpersistence <> 't' AND NOT ${IS_CONFIG} AND has_schema_privilege(n.oid, 'USAGE')
  AND has_table_privilege(c.oid, 'SELECT')
ORDER BY nspname, relname
\\gexec
COMMIT;
`;

/**
 * Databases that are backed up, of pg_database: those that pg_dumpall dumps, templates that somebody made included. The
 * two that every server has are the same on a new one, unless somebody wrote into template1.
 */
const BACKED_UP = "datallowconn AND datconnlimit <> -2 AND datname NOT IN ('template0', 'template1')";

const madeByUsers = (catalog: string) =>
  `EXISTS (SELECT FROM ${catalog} o WHERE o.oid >= ${FIRST_OID} AND NOT ${isMember(catalog, "o.oid")})`;

/**
 * SQL that prints a line for each thing that a database holds: what users made, and rows of theirs in the tables of
 * extensions (pg_cron's jobs), as far as pg_dump takes them along.
 */
const HOLDS = `
SELECT 'objects' WHERE ${["pg_proc", "pg_foreign_server", "pg_event_trigger", "pg_publication"].map(madeByUsers).join(" OR ")}
  OR EXISTS (SELECT FROM pg_largeobject_metadata)
  OR EXISTS (SELECT FROM pg_type o WHERE typtype IN ('d', 'e', 'r') AND oid >= ${FIRST_OID} AND NOT ${isMember("pg_type", "o.oid")})
  OR EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND NOT ${isMember("pg_class", "c.oid")});
SELECT CASE WHEN row_security_active(c.oid) THEN 'SELECT ''rows that are hidden'''
  ELSE format('SELECT ''rows'' WHERE EXISTS (SELECT FROM ONLY %I.%I %s)', nspname, relname, condition) END
FROM pg_extension, unnest(extconfig, extcondition) AS configured (relation, condition)
JOIN pg_class c ON c.oid = relation JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p')
\\gexec
`;

/** What in a database could make its dump fail, or wait: rights, row security, who has locked tables. */
const INSIDE = `
SELECT '${FACT}' || json_build_object('inside', current_database(), 'bytes', pg_database_size(current_database()),
  'unreadable', (SELECT coalesce(json_agg(nspname || '.' || relname ORDER BY nspname, relname), '[]') ${DUMPED}
    AND NOT (has_schema_privilege(n.oid, 'USAGE') AND CASE relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT')
      ELSE has_table_privilege(c.oid, 'SELECT') END)),
  'largeObjects', (SELECT coalesce(json_agg(one), '[]') FROM (${CLOSED_LARGE_OBJECTS}) closed (one)),
  'hidden', (SELECT coalesce(json_agg(nspname || '.' || relname ORDER BY nspname, relname), '[]') ${DUMPED}
    AND relkind <> 'S' AND row_security_active(c.oid)));
SELECT '${FACT}' || json_build_object('inside', current_database(), 'waitsFor', nspname || '.' || relname, 'prepared', h.pid IS NULL,
  'holder', CASE WHEN h.pid IS NULL THEN format('the prepared transaction %L (user %s, since %s)', p.gid, p.owner, date_trunc('second', p.prepared))
    ELSE format('pid %s (user %s, %s, since %s)', h.pid, h.usename, coalesce(h.state, 'state not told'), date_trunc('second', h.xact_start)) END,
  'end', CASE WHEN h.pid IS NULL THEN format('ROLLBACK PREPARED %L;', p.gid) ELSE format('SELECT pg_terminate_backend(%s);', h.pid) END)
FROM (SELECT c.oid, nspname, relname ${DUMPED} AND relkind <> 'S') t
JOIN pg_locks l ON l.relation = t.oid AND l.granted AND l.mode = 'AccessExclusiveLock'
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
LEFT JOIN pg_stat_activity h ON h.pid = l.pid
LEFT JOIN pg_locks x ON l.pid IS NULL AND x.locktype = 'transactionid' AND x.pid IS NULL AND x.virtualtransaction = l.virtualtransaction
LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
WHERE h.pid IS NOT NULL OR p.gid IS NOT NULL
LIMIT 3;
${NOT_DUMPED}`;

/**
 * Prints what a backup needs to know of the server, and its databases. Whether the maintenance database, which every
 * server has, holds anything is looked up; it counts as not empty when that is refused.
 */
export const LIST = `${LOGIN}
holds() {
  PGDATABASE=$1 sql 2>/dev/null <<'SQL'
${HOLDS}
SQL
}
if found=$(holds postgres) && [ -z "$found" ]; then empty=t; else empty=f; fi
template=f
if [ "$4" = pod ] && found=$(holds template1) && [ -n "$found" ]; then template=t; fi
sql -v empty="$empty" -v template="$template" >&2 <<'SQL' || exit 1
SELECT '${FACT}' || json_build_object('user', current_user, 'recovery', pg_is_in_recovery(),
  'createdb', rolcreatedb OR rolsuper, 'readOnly', current_setting('default_transaction_read_only') = 'on',
  ${ABOUT_SERVER}) FROM pg_roles WHERE rolname = current_user;
SELECT '${FACT}' || json_build_object('sessionsLeft', most - used, 'end', format('ALTER %s CONNECTION LIMIT -1;', of)) FROM (
  SELECT rolconnlimit AS most, format('ROLE %I', rolname) AS of,
    (SELECT count(*) FROM pg_stat_activity WHERE usename = rolname AND pid <> pg_backend_pid()) AS used
  FROM pg_roles WHERE rolname = session_user AND NOT rolsuper
  UNION ALL SELECT datconnlimit, format('DATABASE %I', datname),
    (SELECT count(*) FROM pg_stat_activity a WHERE a.datname = d.datname AND pid <> pg_backend_pid())
  FROM pg_database d, pg_roles WHERE datname = current_database() AND rolname = session_user AND NOT rolsuper) limits
WHERE most >= 0 ORDER BY most - used LIMIT 1;
${IDENTITY}
SELECT '${FACT}' || json_build_object('database', datname, 'connect', has_database_privilege(datname, 'CONNECT'),
  'empty', datname = 'postgres' AND :'empty' = 't')
FROM pg_database WHERE ${BACKED_UP} ORDER BY datname;
SELECT '${FACT}' || json_build_object('leftOut', datname, 'why', CASE
  WHEN datconnlimit = -2 THEN 'it is invalid since a DROP DATABASE was interrupted (drop it once more)'
  WHEN datallowconn THEN 'it is the template of all new databases, into which somebody wrote (move that to a database)'
  ELSE format('it takes no connections (to have it backed up: ALTER DATABASE %I ALLOW_CONNECTIONS true;)', datname) END)
FROM pg_database WHERE datname <> 'template0' AND (NOT datallowconn OR datconnlimit = -2 OR datname = 'template1' AND :'template' = 't')
ORDER BY datname;
SQL
printf '${FACT}{"client":"%s"}\\n' "$(pg_dump --version | sed 's/^[^0-9]*//')" >&2
if [ "$4" = pod ]; then
${ABOUT_DISK}fi
if [ "$4" = host ]; then printf '%s\\n' "$PGDATABASE"; else
  sql -c "SELECT datname FROM pg_database WHERE ${BACKED_UP} AND has_database_privilege(datname, 'CONNECT')"
fi | while IFS= read -r one; do
  PGDATABASE=$one sql >&2 <<'SQL' || :
${INSIDE}
SQL
done
`;
