import { dig, digList, groupKind, isMap, type KubeObject } from "../../kubernetes/objects";
import { containersOf, POD_SPECS, textOf } from "../../kubernetes/pod-templates";
import { workloadId } from "../../kubernetes/workload";
import { isPostgresServer } from "./postgres-server";

/** A database that something other than the chart's own servers holds. */
export interface DatabaseElsewhere {
  /** In words, for messages. */
  what: string;
  /** Names by which an entry of `backup.databases` covers it: its own, or the first part of a host. */
  names: readonly string[];
  /** How it is named in `backup.databases`. */
  fix: string;
}

/** Kinds by which operators make PostgreSQL servers. */
export const OPERATOR_KINDS = [
  { apiVersion: "postgresql.cnpg.io/v1", kind: "Cluster", plural: "clusters" },
  { apiVersion: "acid.zalan.do/v1", kind: "postgresql", plural: "postgresqls" },
  { apiVersion: "postgres-operator.crunchydata.com/v1beta1", kind: "PostgresCluster", plural: "postgresclusters" },
] as const;

/** Where each operator puts a cluster's address and password. */
const ACCESS: Record<string, (name: string, object: KubeObject) => { host: string; secret: string; user: string }> = {
  "postgresql.cnpg.io/Cluster": (name, object) => ({
    host: `${name}-rw`,
    secret: textOf(dig(object, "spec", "bootstrap", "initdb", "secret", "name")) ?? `${name}-app`,
    user: textOf(dig(object, "spec", "bootstrap", "initdb", "owner")) ?? "app",
  }),
  "acid.zalan.do/postgresql": (name) => ({
    host: name,
    secret: `postgres.${name}.credentials.postgresql.acid.zalan.do`,
    user: "postgres",
  }),
  "postgres-operator.crunchydata.com/PostgresCluster": (name, object) => {
    const user = textOf(dig(object, "spec", "users", "0", "name")) ?? name;
    return { host: `${name}-primary`, secret: `${name}-pguser-${user}`, user };
  },
};

/** The databases that operators made from these objects. */
export function operatorDatabases(objects: readonly KubeObject[], namespace: string): DatabaseElsewhere[] {
  return objects.flatMap((object) => {
    const name = object.metadata.name ?? "";
    const access = ACCESS[groupKind(object)]?.(name, object);
    if (!access) return [];
    const at = object.metadata.namespace ?? namespace;
    return [
      {
        what: `${object.kind} ${at}/${name} (${object.apiVersion}), made by an operator`,
        names: [name, access.host],
        fix: fixFor(name, `${access.host}.${at}`, `user ${access.user}, Secret ${access.secret}, key password`),
      },
    ];
  });
}

/** Variables that name the host of a database, and those that hold a URL of one. */
const HOST = /^(?:KC_DB_URL_HOST|PGHOST|(?:\w+_)?(?:POSTGRES|POSTGRESQL|PG|DB|DATABASE)_(?:HOST|HOSTNAME|ADDR))$/;
const URL = /^(?:jdbc:)?(?:postgres|postgresql|cockroachdb)(?:\+\w+)?:\/\/(?:[^@/\s]*@)?([\w.-]+)(?::(\d+))?/i;
/** A proxy beside the program, or a socket: what is behind it cannot be told. */
const LOCAL = /^(?:localhost|127\.|\/|$)/;

/**
 * PostgreSQL servers that programs of the release use and that no Service of it stands for: outside of the cluster, or
 * of another release. Only hosts are taken from what may be secret.
 */
export function externalDatabases(objects: readonly KubeObject[], namespace: string): DatabaseElsewhere[] {
  const services = new Set(objects.filter(({ kind }) => kind === "Service").map(({ metadata }) => metadata.name ?? ""));
  const found = new Map<string, string>();
  for (const { user, host } of objects.flatMap((object) => hostsOf(object, namespace))) {
    if (LOCAL.test(host) || services.has(firstLabel(host)) || found.has(host)) continue;
    found.set(host, user);
  }
  return [...found].map(([host, user]) => ({
    what: `PostgreSQL at ${host}, which ${user} uses`,
    names: [host],
    fix: fixFor(firstLabel(host), host, "its user, and the Secret with the password"),
  }));
}

/** Those that no entry of `backup.databases` names. */
export function notCovered(
  found: readonly DatabaseElsewhere[],
  configured: readonly { name: string; host: string }[],
): DatabaseElsewhere[] {
  const given = new Set(configured.flatMap(({ name, host }) => [name, host, firstLabel(host)].map(lower)));
  return found.filter(({ names }) => !names.some((name) => given.has(lower(name))));
}

const lower = (text: string) => text.toLowerCase();
const firstLabel = (host: string) => (/^[\d.]+$/.test(host) ? host : (host.split(".")[0] ?? host));

function fixFor(name: string, host: string, rest: string): string {
  const set = (key: string, value: string) => `pulumi config set --path 'backup.databases[0].${key}' ${value}`;
  return `${set("name", name)}; ${set("host", host)}; and database, user and secret (docs/backup.md): ${rest}`;
}

function hostsOf(object: KubeObject, namespace: string): { user: string; host: string }[] {
  const { kind, metadata } = object;
  const user = workloadId({ kind, namespace: metadata.namespace ?? namespace, name: metadata.name ?? "" });
  return variablesOf(object).flatMap(([name, value]) => {
    const [, inUrl] = URL.exec(value) ?? [];
    const host = inUrl ?? (HOST.test(name) ? value.replace(/:\d+$/, "") : undefined);
    return host === undefined ? [] : [{ user, host }];
  });
}

/** Literal variables of containers that are no database server themselves, and entries of ConfigMaps and Secrets. */
function variablesOf(object: KubeObject): [string, string][] {
  const path = POD_SPECS[groupKind(object)];
  if (path) {
    return containersOf(dig(object, ...path))
      .filter(({ fields }) => !isPostgresServer(fields))
      .flatMap(({ fields }) =>
        digList(fields, "env").map((entry): [string, string] => [
          textOf(dig(entry, "name")) ?? "",
          textOf(dig(entry, "value")) ?? "",
        ]),
      );
  }
  if (object.apiVersion !== "v1" || (object.kind !== "ConfigMap" && object.kind !== "Secret")) return [];
  const entries = (field: string) => Object.entries(isMap(object[field]) ? object[field] : {});
  const encoded = object.kind === "Secret" ? entries("data") : [];
  const plain = [...entries("stringData"), ...(object.kind === "ConfigMap" ? entries("data") : [])];
  return [
    ...encoded.map(([name, value]): [string, string] => [name, Buffer.from(String(value), "base64").toString()]),
    ...plain.map(([name, value]): [string, string] => [name, String(value)]),
  ];
}
