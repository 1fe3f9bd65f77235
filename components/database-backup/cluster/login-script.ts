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
 * In the server's pod, where nobody says a port: the one that its socket is named after, or that the server noted.
 */
export const FIND_PORT = `
if [ -z "\${PGPORT:-}" ]; then
  for socket in /var/run/postgresql/.s.PGSQL.* /run/postgresql/.s.PGSQL.* /tmp/.s.PGSQL.*; do
    if [ ! -S "$socket" ]; then continue; fi
    PGPORT=\${socket##*.}
    if [ "$PGPORT" = 5432 ]; then break; fi
  done
  if [ -z "\${PGPORT:-}" ]; then PGPORT=$(sed -n 4p "\${PGDATA:-/nowhere}/postmaster.pid" 2>/dev/null) || :; fi
  if [ -n "\${PGPORT:-}" ]; then export PGPORT; else unset PGPORT; fi
fi
`;

/**
 * Logs in over the pod's own address where that works: images trust connections over the socket and loopback, which
 * would let a wrong password pass until the runtime itself uses it.
 */
export const LOGIN = `
set -u
PGDATABASE=$1 PGUSER=$2
IFS= read -r PGPASSWORD || :
if [ -n "$3" ]; then PGPASSWORD=$(cat "$3") || exit ${NO_LOGIN}; fi
export PGDATABASE PGUSER PGPASSWORD PGCONNECT_TIMEOUT=10 PGAPPNAME=$5 PGCLIENTENCODING=UTF8 LC_ALL=C
if [ -z "$PGPASSWORD" ]; then unset PGPASSWORD; fi
sql() { psql -X -q -A -t -w -v ON_ERROR_STOP=1 "$@"; }
# What somebody set for the user or the database holds for his programs, not for ours.
options="\${PGOPTIONS-} -c casa_upgrade.straight=yes -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0"
unlimited() (PGOPTIONS=$options; export PGOPTIONS; sql "$@")
# A pooler takes no options that it does not know, or keeps them to itself.
straight() { [ "$(unlimited -c 'SHOW casa_upgrade.straight' 2>/dev/null)" = yes ]; }
# A limit of some milliseconds may end even this, which says nothing of the login.
answers() { unlimited -c 'SELECT 1' >/dev/null 2>&1 || sql -c 'SELECT 1' >/dev/null; }
around() {
  at=$(sql -c "SELECT host(inet_server_addr()), inet_server_port(), pg_postmaster_start_time()") || return 1
  case $at in "|"*) return 1 ;; esac
  PGHOST=\${at%%|*} PGPORT=$(echo "$at" | cut -d '|' -f 2)
  straight && [ "$(sql -c "SELECT host(inet_server_addr()), inet_server_port(), pg_postmaster_start_time()" 2>/dev/null)" = "$at" ]
}
login() {
  given=\${PGHOST-}
  if [ "$1" = pod ]; then
    ${FIND_PORT.trim()}
    for address in $(hostname -i 2>/dev/null) 127.0.0.1; do
      pg_isready -q -t 3 -h "$address" || continue
      PGHOST=$address; export PGHOST
      if refusal=$(answers 2>&1); then return 0; fi
      # Whether the password is wrong: the server asks for one at this address. libpq, which says so, speaks English here.
      case $(unset PGPASSWORD; PGPASSFILE=/dev/null sql -c 'SELECT 1' 2>&1 >/dev/null) in
        *"no password supplied"*) ;;
        *) continue ;;
      esac
      if [ "\${lenient-}" = 1 ]; then break; fi
      printf '%s\\n' "$refusal" >&2
      exit ${NO_LOGIN}
    done
    if [ -n "$given" ]; then PGHOST=$given; else unset PGHOST; fi
  fi
  answers || exit ${NO_LOGIN}
  if [ "$1" = pod ] || straight; then return 0; fi
  # pg_dump and pg_restore set what a pooler would hand on to others; the server itself is asked where it is.
  if (around); then around; printf '${FACT}{"pooler":"%s:%s"}\\n' "$PGHOST" "$PGPORT" >&2; else echo '${FACT}{"pooler":""}' >&2; fi
}
login "$4"
# Ours set the rest themselves. That the server as a whole takes no writes (its disk is full) is respected.
asked="SELECT current_setting('casa_upgrade.straight', true), current_setting('server_encoding'),
  (SELECT source FROM pg_settings WHERE name = 'default_transaction_read_only' AND setting = 'on')"
if said=$(unlimited -c "$asked" 2>/dev/null); then case $said in "yes|"*)
  case \${said##*|} in database | user | "database user") options="$options -c default_transaction_read_only=off" ;; esac
  PGOPTIONS=$options
  export PGOPTIONS
;; esac; else said=$(sql -c "$asked"); fi
encoding=\${said#*|} encoding=\${encoding%|*}
# Names of roles and databases have the encoding of the database that they were made in, whichever that was.
shared="SELECT rolname FROM pg_roles UNION ALL SELECT datname FROM pg_database UNION ALL SELECT unnest(setconfig) FROM pg_db_role_setting
  UNION ALL SELECT description FROM pg_shdescription"
case $encoding in
  UTF8) ;;
  # Texts of a database without an encoding are taken as they are.
  SQL_ASCII) PGCLIENTENCODING=SQL_ASCII ;;
  *) sql -c "$shared" >/dev/null 2>&1 || PGCLIENTENCODING=SQL_ASCII ;;
esac
`;
