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
  /exporter|operator|client|backup|restore|pgbackrest|pgadmin|pgbouncer|pgpool|pooler|proxy|metrics|migrat|config-cli|gatekeeper/;
/** … or by a word of it, where the letters are in other words, too. */
const NO_SERVER_WORD = /(?:^|[-_.])(?:api|cli|init|job|mcp|meta|rest|tools?|ui|web)(?:[-_.]|$)/;
/** Whether an image's name says that it is a program beside a database server, and none itself. */
export function isNoServer(name: string): boolean {
  return NO_SERVER.test(name) || NO_SERVER_WORD.test(name);
}

/** Named after both: a Keycloak that is built for PostgreSQL. */
const KEYCLOAK = /keycloak/;
/** Variables that only a server is given; clients have user and password, too. */
const SERVER_VARIABLE = /^(?:PGDATA|POSTGRES_INITDB_ARGS|POSTGRES_HOST_AUTH_METHOD)$/;
/** A server with this variable is made with that password; a client has it to log in … */
const PASSWORD_VARIABLE = /^(?:POSTGRES_PASSWORD|POSTGRESQL_PASSWORD)(?:_FILE)?$/;
/** … somewhere else. */
const HOST_VARIABLE = /HOST|URL|DSN|ADDR|SERVER/;
const PORT = 5432;

/**
 * Whether a container runs a PostgreSQL server: by its image's name, or, for an image of one's own, by a variable that
 * only a server is given, or because it listens on PostgreSQL's port and has a password, and no host that it is for.
 * What is backed up, what policies judge and where the schema revision is read is told by this alone.
 *
 * @param container as in a pod template.
 */
export function isPostgresServer(container: unknown): boolean {
  const image = dig(container, "image");
  const name = parseImage(typeof image === "string" ? image : "").name.toLowerCase();
  if (isNoServer(name)) return false;
  const variables = digList(container, "env").map((variable) => dig(variable, "name"));
  const has = (which: RegExp) => variables.some((variable) => typeof variable === "string" && which.test(variable));
  if (has(SERVER_VARIABLE)) return true;
  const listens = digList(container, "ports").some((port) => dig(port, "containerPort") === PORT);
  if (listens && has(PASSWORD_VARIABLE) && !has(HOST_VARIABLE)) return true;
  return SERVER.test(name) && !KEYCLOAK.test(name);
}
