import { END_OF_ROLES } from "../proof";
import { CONTENT } from "./scripts";

/** Exit codes of {@link PROVE}. */
export const PROOF = {
  /** No programs of a server of this version. */
  noPrograms: 76,
  /** The server could not be set up or started. */
  noServer: 77,
  /** The database could not be made in it. */
  noDatabase: 78,
} as const;

/** Finds the programs of a server of version $major. */
const FIND_SERVER = `bin=
for one in "$(dirname "$(command -v postgres 2>/dev/null)")" "$(pg_config --bindir 2>/dev/null)" "/usr/lib/postgresql/$major/bin" \\
  "/usr/pgsql-$major/bin" "/usr/libexec/postgresql$major" "/opt/bitnami/postgresql/bin" "/usr/local/pgsql/bin" \\
  "/opt/homebrew/opt/postgresql@$major/bin" "/usr/local/opt/postgresql@$major/bin"; do
  if [ -x "$one/initdb" ] && [ -x "$one/postgres" ]; then
    case "$("$one/postgres" --version)" in *"(PostgreSQL) $major"[!0-9]* | *"(PostgreSQL) $major") bin=$one; break ;; esac
  fi
done
if [ -z "$bin" ]; then
  echo "initdb and postgres of version $major were not found" >&2
  exit ${PROOF.noPrograms}
fi
`;

/** Says whether this machine can run a server of a major version; its only own argument. */
export const HAS_SERVER = `
IFS= read -r ignored || :
major=$1
${FIND_SERVER}
if [ "$(id -u)" = 0 ]; then id postgres >/dev/null 2>&1 || id nobody >/dev/null || exit ${PROOF.noPrograms}; fi
`;

/**
 * Runs a throw-away PostgreSQL server, restores a dump into it and prints what it then holds. It listens on a socket in
 * its own folder only, and is gone with that folder when the script ends, however it ends: when the other end of stdin
 * is gone, the dump ends half-way.
 *
 * Stdin: an empty line, statements that make roles up to a line {@link END_OF_ROLES}, the dump. Arguments: folder to
 * work in, which must not exist, then those of `proofArguments`.
 *
 * The server starts nothing by itself that could act on what is restored: jobs of pg_cron stay off, TimescaleDB is in
 * its restoring mode until the rows are counted, event triggers are off where they can be (a login would fire them).
 */
export const PROVE = `
set -u
IFS= read -r ignored || :
case $1 in /*) work=$1 ;; *) work=$(pwd)/$1 ;; esac
db=$2 major=$3 encoding=$4 locale=$5 libraries=$6 ts_schema=$7 ts_version=$8 once=$9
LC_ALL=C
export LC_ALL
unset PGHOST PGPORT PGUSER PGDATABASE PGPASSWORD PGDATA PGOPTIONS PGSERVICE PGAPPNAME PGCLIENTENCODING PGSSLMODE PGPASSFILE
${FIND_SERVER}
# A dump has the form of the client's programs, which may be newer than the server: older ones could not read it.
version_of() { "$1" --version | sed 's/^[^0-9]*\\([0-9]*\\).*/\\1/'; }
restore=$(command -v pg_restore 2>/dev/null)
client=$major
if [ -n "$restore" ] && [ "$(version_of "$restore")" -gt "$major" ]; then client=$(version_of "$restore"); fi
PATH=$bin:$PATH
umask 077
mkdir "$work" || exit ${PROOF.noServer}
cd "$work" || exit ${PROOF.noServer}
# The server refuses to run as root.
as() { "$@"; }
if [ "$(id -u)" = 0 ]; then
  owner=
  for one in postgres nobody; do if id "$one" >/dev/null 2>&1; then owner=$one; break; fi; done
  chown "$owner" "$work" || exit ${PROOF.noServer}
  if command -v gosu >/dev/null; then as() { gosu "$owner" "$@"; }
  elif command -v su-exec >/dev/null; then as() { su-exec "$owner" "$@"; }
  elif command -v setpriv >/dev/null; then as() { setpriv "--reuid=$owner" "--regid=$(id -g "$owner")" --clear-groups "$@"; }
  elif command -v runuser >/dev/null; then as() { runuser -u "$owner" -- "$@"; }
  else as() { chroot "--userspec=$owner" / "$@"; }
  fi
elif ! id -un >/dev/null 2>&1; then
  # initdb wants its user to have a name; images that run as any user bring this library.
  for one in /usr/lib/libnss_wrapper.so /usr/lib/*/libnss_wrapper.so /usr/lib64/libnss_wrapper.so /opt/bitnami/common/lib/libnss_wrapper.so; do
    [ -e "$one" ] || continue
    echo "postgres:x:$(id -u):$(id -g):PostgreSQL:$work:/bin/false" >"$work/passwd"
    echo "postgres:x:$(id -g):" >"$work/group"
    LD_PRELOAD=$one NSS_WRAPPER_PASSWD=$work/passwd NSS_WRAPPER_GROUP=$work/group
    export LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
    break
  done
fi
finish() {
  code=$?
  trap - EXIT HUP INT TERM PIPE
  if [ -s "$work/data/postmaster.pid" ]; then as pg_ctl -D "$work/data" -m immediate -w -t 20 stop >/dev/null 2>&1; fi
  cd /
  rm -rf "$work"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' HUP INT TERM PIPE
sql() { as psql -X -q -A -t -w -v ON_ERROR_STOP=1 -h "$work" -U postgres "$@"; }
no_server() { tail -n 15 "$work/log" >&2; exit ${PROOF.noServer}; }
while IFS= read -r line && [ "$line" != '${END_OF_ROLES}' ]; do printf '%s\\n' "$line"; done >"$work/roles"
as initdb -D "$work/data" -U postgres -A trust --no-sync -E UTF8 --locale=C </dev/null >"$work/log" 2>&1 || no_server
cat >"$work/conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$work'
fsync = off
full_page_writes = off
synchronous_commit = off
wal_level = minimal
max_wal_senders = 0
autovacuum = off
max_connections = 20
max_locks_per_transaction = 2048
shared_buffers = 64MB
maintenance_work_mem = 64MB
max_parallel_maintenance_workers = 0
max_parallel_workers_per_gather = 0
max_wal_size = 256MB
shared_preload_libraries = '$libraries'
CONF
case ",$libraries," in *,pg_cron,*) printf "cron.launch_active_jobs = off\\ncron.database_name = '%s'\\n" "$db" >>"$work/conf" ;; esac
if [ "$major" -ge 17 ] 2>/dev/null; then echo "event_triggers = off" >>"$work/conf"; fi
as sh -c 'cat >>"$1"' sh "$work/data/postgresql.conf" <"$work/conf" || no_server
as postgres -D "$work/data" </dev/null >>"$work/log" 2>&1 &
server=$!
until sql -d template1 -c 'SELECT 1' >/dev/null 2>&1; do
  kill -0 "$server" 2>/dev/null || no_server
  sleep 0.1 2>/dev/null || sleep 1
done
sql -d template1 -v ON_ERROR_STOP=0 <"$work/roles" >/dev/null 2>&1
other=template1
if [ "$db" = template1 ]; then other=postgres; fi
create() { sql -d "$other" -v fresh="$db" -v encoding="$encoding" >&2 <<SQL
SET client_min_messages = warning;
DROP DATABASE IF EXISTS :"fresh";
CREATE DATABASE :"fresh" TEMPLATE template0 ENCODING :'encoding' $1;
SQL
}
# The order of texts has no say in whether the rows are there.
create "$locale" || create "LC_COLLATE 'C' LC_CTYPE 'C'" || exit ${PROOF.noDatabase}
PGDATABASE=$db PGCLIENTENCODING=UTF8
if [ "$encoding" = SQL_ASCII ]; then PGCLIENTENCODING=SQL_ASCII; fi
export PGDATABASE PGCLIENTENCODING
if [ -n "$ts_version" ]; then
  sql -v schema="$ts_schema" -v version="$ts_version" >&2 <<'SQL' || exit ${PROOF.noDatabase}
CREATE EXTENSION IF NOT EXISTS timescaledb WITH SCHEMA :"schema" VERSION :'version';
SELECT :"schema".timescaledb_pre_restore();
SQL
fi
# In one transaction rows need not be logged before they are stored; each object is a lock until its end.
if [ "$once" = once ]; then once=--single-transaction; fi
flags="--no-owner --no-privileges --no-publications --no-subscriptions --no-security-labels --no-tablespaces"
if [ "$client" = "$major" ]; then
  as pg_restore --no-password --exit-on-error $once $flags -h "$work" -U postgres --dbname="$db" >&2 || exit 73
else
  # One of 17 or later sets a limit that older servers do not know. What it writes its own psql can read.
  end=$( { "$restore" $flags --file=- && printf '%s\\n' '\\echo casa-restored'; } \\
    | sed '1,60{/^SET transaction_timeout = 0;$/d;}' \\
    | "$(dirname "$restore")/psql" -X -q -A -t -w $once -v ON_ERROR_STOP=1 -h "$work" -U postgres -d "$db" -f - | tail -n 1)
  [ "$end" = casa-restored ] || exit 73
fi
cat >/dev/null
sql >&2 <<'SQL' || exit 74
SET row_security = off;
${CONTENT}
SQL
if [ -n "$ts_version" ]; then
  sql -v schema="$ts_schema" >&2 <<'SQL' || exit 74
SELECT :"schema".timescaledb_post_restore();
SQL
fi
exit 0
`;
