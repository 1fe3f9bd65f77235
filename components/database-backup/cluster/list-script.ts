import { FACT, LOGIN } from "./login-script";
import { ABOUT_SERVER, IDENTITY } from "./scripts";

/** Tables and sequences that pg_dump reads: pg_class `c` with pg_namespace `n`. */
const DUMPED = `FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
  WHERE relkind IN ('r', 'p', 'S') AND relpersistence <> 't' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')`;

/** What in a database could make its dump fail, or wait: rights, row security, who has locked tables. */
const INSIDE = `
SELECT '${FACT}' || json_build_object('inside', current_database(), 'bytes', pg_database_size(current_database()),
  'unreadable', (SELECT coalesce(json_agg(nspname || '.' || relname ORDER BY nspname, relname), '[]') ${DUMPED}
    AND NOT (has_schema_privilege(n.oid, 'USAGE') AND CASE relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT')
      ELSE has_table_privilege(c.oid, 'SELECT') END)),
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
  'createdb', rolcreatedb OR rolsuper, ${ABOUT_SERVER}) FROM pg_roles WHERE rolname = current_user;
${IDENTITY}
SELECT '${FACT}' || json_build_object('database', datname, 'connect', has_database_privilege(datname, 'CONNECT'),
  'empty', datname = 'postgres' AND :'empty' = 't')
FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname;
SQL
printf '${FACT}{"client":"%s"}\\n' "$(pg_dump --version | sed 's/^[^0-9]*//')" >&2
if [ "$4" = pod ]; then
  dir=$(sql -c "SELECT current_setting('data_directory')" 2>/dev/null) || dir=\${PGDATA:-}
  df -Pk "$dir" 2>/dev/null | tail -n 1 | { read -r disk size used free rest && printf '${FACT}{"freeKiB":%s}\\n' "$free" >&2; }
fi
if [ "$4" = host ]; then printf '%s\\n' "$PGDATABASE"; else
  sql -c "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate AND has_database_privilege(datname, 'CONNECT')"
fi | while IFS= read -r one; do
  PGDATABASE=$one sql >&2 <<'SQL' || :
${INSIDE}
SQL
done


`;
