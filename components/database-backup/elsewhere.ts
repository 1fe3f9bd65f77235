import { dig, digList, groupKind, isMap, type KubeObject } from "../../kubernetes/objects";
import { containersOf, POD_SPECS, textOf } from "../../kubernetes/pod-templates";
import { workloadId } from "../../kubernetes/workload";
import { variablesOf } from "./environment";
import { isPooler, isPostgresServer } from "./postgres-server";

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
const HOST = /^(?:(?:KC_)?DB_URL_HOST|PGHOST|(?:\w+_)?(?:POSTGRES|POSTGRESQL|PG|DB|DATABASE)_(?:HOST|HOSTNAME|ADDR))$/;
const NAMED = /^PGHOST$|(?:^|_)(?:POSTGRES|POSTGRESQL|PG)_/;
const PORT = 5432;
/** Drivers stand before it: `jdbc:`, `r2dbc:pool:`, `jdbc:aws-wrapper:`; or behind: `+asyncpg`. */
const URL =
  /^(?:[a-z][\w-]*:){0,3}(?:postgres|postgresql|pgsql|cockroachdb)(?:\+\w+)?:\/\/(?:[^@/\s]*@)?([\w.-]+)(?=[:/?,]|$)/i;
/** As libpq and Npgsql write it: `host=db dbname=auth`, `Host=db;Port=5432;Username=casa`. */
const SETTINGS = /(?:^|[\s;])host=([\w.-]+)(?=[\s;,:]|$)/i;
const OF_POSTGRES = /(?:^|[\s;])(?:dbname=|port=5432(?!\d)|username=)/i;
/** A proxy beside the program, or a socket: what is behind it cannot be told. */
const LOCAL = /^(?:localhost|127\.|\/|$)/;

/**
 * PostgreSQL servers that programs of the release use and that are none of its own: outside of the cluster, of another
 * release, or behind a Service of this one that leads to no server which is known as one. Only hosts are taken from
 * what may be secret.
 *
 * @param config ConfigMaps and Secrets of others that its containers take variables from.
 */
export function externalDatabases(
  objects: readonly KubeObject[],
  namespace: string,
  config: readonly KubeObject[] = [],
): DatabaseElsewhere[] {
  const found = new Map<string, DatabaseElsewhere>();
  const all = [...objects, ...config];
  for (const { user, host, isNamed } of objects.flatMap((object) => hostsOf(object, namespace, all))) {
    const leadsTo = LOCAL.test(host) ? undefined : whereServiceLeads(host, isNamed, objects, namespace);
    if (LOCAL.test(host) || leadsTo === "server" || found.has(host)) continue;
    const real = leadsTo?.externalName ?? host;
    const through = leadsTo === undefined ? "" : ` through ${leadsTo.what}`;
    found.set(host, {
      what: `PostgreSQL at ${real}, which ${user} uses${through}`,
      names: [...new Set([host, real])],
      fix: fixFor(firstLabel(host), real, "its user, and the Secret with the password"),
    });
  }
  return [...found.values()];
}

/** Of a Service: it leads to a server that is looked for by itself, or to something else. */
type Way = "server" | { what: string; externalName?: string };

/** Where a Service of the release leads by which a program calls its database; undefined when the host is none. */
function whereServiceLeads(
  host: string,
  isNamed: boolean,
  objects: readonly KubeObject[],
  namespace: string,
): Way | undefined {
  const service = serviceOf(host, objects, namespace);
  if (!service) return undefined;
  const at = service.metadata.namespace ?? namespace;
  const what = `Service ${at}/${service.metadata.name ?? ""}`;
  const externalName = textOf(dig(service, "spec", "externalName"));
  if (dig(service, "spec", "type") === "ExternalName" && externalName !== undefined) return { what, externalName };
  const selector = dig(service, "spec", "selector");
  if (!isMap(selector) || Object.keys(selector).length === 0) return { what: `${what}, which selects no pods` };
  const selected = objects.filter((object) => {
    const labels = dig(object, "spec", "template", "metadata", "labels");
    const here = (object.metadata.namespace ?? namespace) === at && POD_SPECS[groupKind(object)] !== undefined;
    return here && Object.entries(selector).every(([key, value]) => dig(labels, key) === value);
  });
  const containers = selected.flatMap((object) => containersOf(dig(object, ...(POD_SPECS[groupKind(object)] ?? []))));
  // Pods of operators are none of the release's; a pooler leads on to a server that is looked for by itself.
  if (selected.length === 0 || containers.some(({ fields }) => isPostgresServer(fields) || isPooler(fields))) {
    return "server";
  }
  // A database of another make has a host, too.
  const ports = digList(service, "spec", "ports").flatMap((port) => [dig(port, "port"), dig(port, "targetPort")]);
  if (!isNamed && !ports.includes(PORT)) return "server";
  const images = containers.map(({ fields }) => textOf(fields["image"]) ?? "").join(", ");
  return { what: `${what}: pods of ${images}, which are not known as a PostgreSQL server` };
}

/** The Service of the release that a host is; a pod of a StatefulSet has its own name before it. */
function serviceOf(host: string, objects: readonly KubeObject[], namespace: string): KubeObject | undefined {
  const labels = host.toLowerCase().split(".");
  const named = ([name, at = namespace, svc = "svc"]: readonly string[]) =>
    objects.find(
      ({ kind, metadata }) =>
        kind === "Service" && svc === "svc" && metadata.name === name && (metadata.namespace ?? namespace) === at,
    );
  return named(labels) ?? (/-\d+$/.test(labels[0] ?? "") && labels.length > 1 ? named(labels.slice(1)) : undefined);
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

/** @returns also whether it is PostgreSQL by its name or URL; other databases have a host, too. */
function hostsOf(
  object: KubeObject,
  namespace: string,
  config: readonly KubeObject[],
): { user: string; host: string; isNamed: boolean }[] {
  const { kind, metadata } = object;
  const user = workloadId({ kind, namespace: metadata.namespace ?? namespace, name: metadata.name ?? "" });
  return variablesOf(object, namespace, config).flatMap(([name, value]) => {
    const settings = OF_POSTGRES.test(value) ? SETTINGS.exec(value)?.[1] : undefined;
    const inUrl = URL.exec(value.trim())?.[1] ?? settings;
    const host = inUrl ?? (HOST.test(name) && !value.includes("$(") ? value.replace(/:\d+$/, "") : undefined);
    return host === undefined ? [] : [{ user, host, isNamed: inUrl !== undefined || NAMED.test(name) }];
  });
}
