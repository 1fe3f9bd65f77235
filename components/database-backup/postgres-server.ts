import { dig, digList } from "../../kubernetes/objects";
import { parseImage } from "../../kubernetes/image";

/** Programs between clients and servers. */
const POOLER = /pgbouncer|pgpool|pooler|pgcat|odyssey|supavisor|proxy/;

/** Whether a container runs a program that hands on what clients send to a PostgreSQL server. */
export function isPooler(container: unknown): boolean {
  const image = dig(container, "image");
  return POOLER.test(parseImage(typeof image === "string" ? image : "").name.toLowerCase());
}

/** As a word of an image's name: the server and its usual distributions. `postgrest` and the like are other words. */
const SERVER =
  /(?:^|[-_.])(?:postgres|postgresql|pgsql|postgis|timescale|timescaledb|spilo|pgvector|pgvecto|pgautoupgrade|pgroonga|citus|paradedb|orioledb)(?:[-_.\d]|$)/;
/** Programs named after PostgreSQL that are no server, by a part of the image's name … */
const NO_SERVER =
  /exporter|operator|client|backup|restore|pgbackrest|pgadmin|pgbouncer|pgpool|pgcat|pgagroal|odyssey|supavisor|pooler|proxy|metrics|migrat|config-cli|gatekeeper/;
/** … or by a word of it, where the letters are in other words, too. */
const NO_SERVER_WORD = /(?:^|[-_.])(?:api|cli|init|job|mcp|meta|rest|tools?|ui|web)(?:[-_.]|$)/;
/** Whether an image's name says that it is a program beside a database server, and none itself. */
export function isNoServer(name: string): boolean {
  return NO_SERVER.test(name) || NO_SERVER_WORD.test(name);
}

/** Named after both: a Keycloak that is built for PostgreSQL. */
const KEYCLOAK = /keycloak/;
/** Variables that only a server is given; clients have user and password, too. */
const SERVER_VARIABLE =
  /^(?:PGDATA|PGROOT|POSTGRES_INITDB_\w+|POSTGRES_HOST_AUTH_METHOD|POSTGRES_REPLICATION_MODE|PATRONI_POSTGRESQL_DATA_DIR|SPILO_CONFIGURATION|POSTGRESQL_(?:DATA_DIR|VOLUME_DIR|REPLICATION_MODE|INITDB_\w+|UPGRADE|SHARED_BUFFERS|SHARED_PRELOAD_LIBRARIES))$/;
/** A server with this variable is made with that password; a client has it to log in … */
const PASSWORD_VARIABLE =
  /^(?:POSTGRES_PASSWORD|POSTGRESQL_PASSWORD|POSTGRESQL_POSTGRES_PASSWORD|POSTGRESQL_ADMIN_PASSWORD)(?:_FILE)?$/;
/** … somewhere else, unless it is its own pod. */
const HOST_VARIABLE = /HOST|URL|DSN|ADDR|SERVER/;
const HERE = /localhost|127\.0\.0\.1|^\/|^$/;
const PORT = 5432;
const PORT_NAME = /^(?:tcp-)?(?:postgres|postgresql|pgsql|pg)$/;
/** Where the usual images keep their data, and the scripts that make it. */
const DATA =
  /^\/(?:var\/lib\/(?:postgresql|pgsql)|bitnami\/postgresql|home\/postgres\/pgdata|pgdata|docker-entrypoint-initdb\.d)(?:\/|$)/;
/** The server's own program, as the first word of a command. */
const PROGRAM = /^(?:\S*\/)?postgres(?:\s|$)/;
const PROBES = ["livenessProbe", "readinessProbe", "startupProbe"];

/**
 * Whether a container runs a PostgreSQL server: by its image's name, or, for an image of one's own, by what else it is
 * given: a variable that only a server has; a volume where servers keep their data, or PostgreSQL's port, together with
 * a password and no host that it is for, or with what only a server does. What is backed up, what policies judge and
 * where the schema revision is read is told by this alone.
 *
 * @param container as in a pod template.
 */
export function isPostgresServer(container: unknown): boolean {
  const image = dig(container, "image");
  const name = parseImage(typeof image === "string" ? image : "").name.toLowerCase();
  if (isNoServer(name)) return false;
  const variables = digList(container, "env").map((variable) => ({
    name: String(dig(variable, "name")),
    value: dig(variable, "value"),
  }));
  const has = (which: RegExp) => variables.some((variable) => which.test(variable.name));
  if (has(SERVER_VARIABLE)) return true;
  const isClient = variables.some(
    (variable) =>
      HOST_VARIABLE.test(variable.name) && !(typeof variable.value === "string" && HERE.test(variable.value)),
  );
  const hasPassword = has(PASSWORD_VARIABLE) && !isClient;
  const listens = digList(container, "ports").some(
    (port) => dig(port, "containerPort") === PORT || PORT_NAME.test(String(dig(port, "name"))),
  );
  const keepsData = digList(container, "volumeMounts").some((mount) => DATA.test(String(dig(mount, "mountPath"))));
  const starts = [digList(container, "command"), digList(container, "args")].some(([first]) =>
    PROGRAM.test(String(first)),
  );
  if (keepsData && (listens || hasPassword || starts || isProbed(container))) return true;
  if (listens && (hasPassword || (starts && !isClient))) return true;
  return SERVER.test(name) && !KEYCLOAK.test(name);
}

/** Whether a probe asks it by PostgreSQL's own program. */
function isProbed(container: unknown): boolean {
  return PROBES.some((probe) =>
    digList(container, probe, "exec", "command").some((word) => /\bpg_isready\b/.test(String(word))),
  );
}
