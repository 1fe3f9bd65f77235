import { dig, digList, type KubeObject } from "../../kubernetes/objects";
import { parseImage } from "../../kubernetes/image";
import { containersOf, podWorkload, type PodWorkload, textOf } from "../../kubernetes/pod-templates";
import { claimNames } from "../../kubernetes/references";
import { listed } from "../../shared/listed";
import { containerEnvironment, variablesOf } from "./environment";
import { isNoServer, isPostgresServer } from "./postgres-server";

/** Data of a database that is not PostgreSQL's, which a container keeps by itself. */
export interface OtherStore {
  /** Such as `MySQL` or `H2`. */
  make: string;
  directory: string;
  /** The directory is the image's default; what it is set to otherwise is not known. */
  isGuess: boolean;
}

/** Servers by a word of their image's name, and where the official images keep their data. */
const SERVERS: readonly [RegExp, make: string, directory: string][] = [
  [/(?:^|[-_.])mariadb(?:[-_.\d]|$)/, "MariaDB", "/var/lib/mysql"],
  [/(?:^|[-_.])(?:mysql|percona-server|percona-xtradb-cluster)(?:[-_.\d]|$)/, "MySQL", "/var/lib/mysql"],
  [/(?:^|[-_.])(?:mongo|mongodb|percona-server-mongodb)(?:[-_.\d]|$)/, "MongoDB", "/data/db"],
];

/** Databases that a program keeps in a file, by the URL in a variable; the path is absolute. */
const FILE_URLS: readonly [RegExp, make: string][] = [
  [/^(?:jdbc:)?sqlite3?(?:\+\w+)?:(?:\/\/\/(?=\/)|(?!\/\/))(\/[^?;]+)/, "SQLite"],
  [/^jdbc:h2:(?:file:)?(\/[^?;]+)/, "H2"],
];

/** Keycloak's own database, unless it is told another one (https://www.keycloak.org/server/db). */
const KEYCLOAK_FILES = "/opt/keycloak/data/h2";

/**
 * The databases of other makes than PostgreSQL that a container keeps its data of.
 *
 * @param environment as the kubelet makes it.
 */
function storesOf(container: Record<string, unknown>, environment: ReadonlyMap<string, string>): OtherStore[] {
  const image = textOf(container["image"]) ?? "";
  const name = parseImage(image).name.toLowerCase();
  const [, make, usual] = SERVERS.find(([pattern]) => pattern.test(name) && !isNoServer(name)) ?? [];
  // Bitnami's images have a folder of their own, whatever registry they are copied to.
  const directory = /bitnami/.test(image) ? `/bitnami/${name}/data` : usual;
  const server = make !== undefined && directory !== undefined ? [{ make, directory, isGuess: true }] : [];
  const files = [...environment.values()].flatMap((value) =>
    FILE_URLS.flatMap(([pattern, of]) => {
      const path = pattern.exec(value)?.[1];
      return path === undefined ? [] : [{ make: of, directory: path, isGuess: false }];
    }),
  );
  const h2 = keepsKeycloakFiles(container, name, environment)
    ? [{ make: "H2", directory: KEYCLOAK_FILES, isGuess: true }]
    : [];
  return [...server, ...files, ...h2];
}

/** Said to, or in the mode for development without another database. An image may have been built for one. */
function keepsKeycloakFiles(
  container: Record<string, unknown>,
  image: string,
  environment: ReadonlyMap<string, string>,
): boolean {
  if (!/keycloak/.test(image)) return false;
  const words = [...digList(container, "command"), ...digList(container, "args")].flatMap((word) =>
    (textOf(word) ?? "").split(/\s+/),
  );
  const at = words.findIndex((word) => /^--db(?:=|$)/.test(word));
  const option = at < 0 ? undefined : (words[at]?.split("=")[1] ?? words[at + 1]);
  const database = option ?? environment.get("KC_DB");
  if (database !== undefined) return database === "dev-file";
  const isConfigured = digList(container, "volumeMounts").some((mount) =>
    (textOf(dig(mount, "mountPath")) ?? "").startsWith("/opt/keycloak/conf"),
  );
  return words.includes("start-dev") && image === "keycloak" && !isConfigured && !environment.has("KC_DB_URL");
}

/** A container with databases of other makes. */
export interface OtherServer {
  container: Record<string, unknown>;
  store: OtherStore;
}

/**
 * What of a workload keeps databases of other makes than PostgreSQL.
 *
 * @param config where ConfigMaps and Secrets are looked for.
 */
export function otherServers({ template, namespace }: PodWorkload, config: readonly KubeObject[]): OtherServer[] {
  return containersOf(template["spec"])
    .filter(({ init, fields }) => !init && !isPostgresServer(fields))
    .flatMap(({ fields }) =>
      storesOf(fields, containerEnvironment(fields, { at: namespace, namespace, config }).variables).map((store) => ({
        container: fields,
        store,
      })),
    );
}

/** Servers of other makes that programs use by URL; the host comes first after what may be a user. */
const MAKES: readonly [RegExp, make: string][] = [
  [/^(?:jdbc:)?(?:aws-wrapper:)?mariadb(?:\+\w+)?:/, "MariaDB"],
  [/^(?:jdbc:)?(?:aws-wrapper:)?mysql2?(?:\+\w+)?:/, "MySQL"],
  [/^(?:jdbc:)?(?:sqlserver|mssql)(?:\+\w+)?:/, "SQL Server"],
  [/^(?:jdbc:)?oracle(?:\+\w+)?:(?:thin:@)?/, "Oracle Database"],
  [/^mongodb(?:\+srv)?:/, "MongoDB"],
];
const HOST = /^(?:\/\/)?(?:[^@/\s]*@)?([\w.-]+)/;

/**
 * Data that the backups of this program do not hold, because it is not PostgreSQL's, in lines: what is on claims, and
 * servers that are used by URL.
 *
 * @param objects of the installed release.
 * @param config ConfigMaps and Secrets of others that its containers take variables from.
 */
export function notSaved(objects: readonly KubeObject[], namespace: string, config: readonly KubeObject[]): string[] {
  const onClaims = objects.flatMap((object) => {
    const workload = podWorkload(object, namespace);
    if (!workload) return [];
    const spec = workload.template["spec"];
    if (containersOf(spec).some(({ fields }) => isPostgresServer(fields))) return [];
    const claims = [
      ...claimNames(spec),
      ...digList(object, "spec", "volumeClaimTemplates").flatMap(
        (claim) => textOf(dig(claim, "metadata", "name")) ?? [],
      ),
    ];
    return claims.length > 0 ? [workload.id] : [];
  });
  const all = [...objects, ...config];
  const used = objects.flatMap((object) =>
    variablesOf(object, namespace, all).flatMap(([, value]) => {
      const [pattern, make] = MAKES.find(([scheme]) => scheme.test(value)) ?? [];
      const host = pattern && HOST.exec(value.replace(pattern, ""))?.[1];
      return make === undefined || host === undefined ? [] : [`${make} at ${host}`];
    }),
  );
  const hosts = [...new Set(used)].sort();
  return [
    ...(onClaims.length > 0 ? [`on claims of ${listed([...new Set(onClaims)].sort())}`] : []),
    ...(hosts.length > 0 ? [`in ${listed(hosts)}`] : []),
  ].map(
    (what) => `what is ${what} is in no backup of this run, which saves PostgreSQL databases; save it by its own means`,
  );
}
