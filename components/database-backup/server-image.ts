import { parseImage } from "../../kubernetes/image";
import { dig, digList } from "../../kubernetes/objects";
import { textOf } from "../../kubernetes/pod-templates";

/** The major version in a version of PostgreSQL: "15.8" is 15, "9.6.24" is 9.6; undefined for anything else. */
export function majorOf(version: string | undefined): string | undefined {
  const [, first = "", second] = /^(\d{1,2})(?:\.(\d+))?/.exec(version ?? "") ?? [];
  const number = Number(first);
  if (first === "" || number < 9) return undefined;
  return number > 9 ? first : second === undefined ? undefined : `9.${second}`;
}

/** Image names that hold the major themselves: `postgresql-15-c9s`, `spilo-15`. */
const IN_NAME = /(?:^|-)(?:postgres|postgresql|spilo|spilo-cdp|pg)-?(\d{1,2})(?=-|$)/;
/** The version of these is that of an extension; PostgreSQL's is in `pg15`, if anywhere. */
const OF_EXTENSION = /timescale|pgvector|pgvecto|citus|paradedb|orioledb|pgroonga/;
/** PGroonga's tags have PostgreSQL's major behind the system: `4.0.1-debian-17`. */
const PGROONGA = /(?:debian|alpine)-(\d{1,2})(?!\d)/;
/** What stands before the version in the tags of some. */
const PREFIX = /^(?:v|ubi\d+-|centos\d+-|rhel\d+-|debian-|alpine-|postgres(?:ql)?-?)/;
/** Bring the data into the form of their own major when they start. */
const UPGRADES_DATA = /pgautoupgrade/;

/**
 * The major version of PostgreSQL by an image's name; undefined where it does not say: a digest alone, `latest`. A tag
 * beside a digest counts.
 */
export function imageMajor(image: string): string | undefined {
  const { name, tag = "" } = parseImage(image);
  const lower = tag.toLowerCase();
  const tagged = /(?:^|[^a-z])pg-?(\d{1,2})(?!\d)/.exec(lower)?.[1];
  if (tagged !== undefined) return majorOf(tagged);
  const named = IN_NAME.exec(name.toLowerCase())?.[1];
  if (named !== undefined) return majorOf(named);
  if (/pgroonga/i.test(name)) return majorOf(PGROONGA.exec(lower)?.[1]);
  if (OF_EXTENSION.test(name.toLowerCase())) return undefined;
  const version = lower.replace(PREFIX, "");
  return /^\d{1,2}(?![\da-z])/.test(version) ? majorOf(version) : undefined;
}

/** Whether a server upgrades the data of an older major by itself, or because it is told to. */
export function upgradesData(container: Record<string, unknown>): boolean {
  const image = textOf(container["image"]) ?? "";
  const told = digList(container, "env").find((variable) => dig(variable, "name") === "POSTGRESQL_UPGRADE");
  // Of the images of Red Hat and sclorg.
  return UPGRADES_DATA.test(image.toLowerCase()) || ["copy", "hardlink"].includes(textOf(dig(told, "value")) ?? "");
}

/** Releases of Debian by the names that tags use. */
const DEBIAN = /(?:^|-)(stretch|buster|bullseye|bookworm|trixie|forky)(?:-|$)/;
const NUMBERED = /(?:^|-)(debian|ubi|centos|rhel|photon|ubuntu)-?(\d+)/;

/**
 * The operating system that an image is made on, by its tag; undefined where it does not say. The official image's tags
 * that name none are on some Debian.
 */
export function systemOf(image: string): string | undefined {
  const { name, tag = "" } = parseImage(image.toLowerCase());
  if (/(?:^|-)alpine/.test(tag)) return "Alpine";
  const debian = DEBIAN.exec(tag)?.[1];
  if (debian !== undefined) return `Debian ${debian}`;
  const [, system, number = ""] = NUMBERED.exec(tag) ?? [];
  const release = /pgroonga/.test(name) ? "" : number;
  if (system !== undefined) return `${system} ${release}`.trim();
  return name === "postgres" && /^\d+(\.\d+)*$/.test(tag) ? "Debian" : undefined;
}

/** The image without tag and digest: images of one repository have the same defaults. */
export function repositoryOf(image: string): string {
  const { tag } = parseImage(image);
  const [path = ""] = image.split("@");
  return tag === undefined ? path : path.slice(0, -tag.length - 1);
}

/** Images whose default is known: the official one, those made from it, and the usual distributions. */
const KNOWN = /^(?:postgres|postgis|timescaledb|timescaledb-ha|pgvector|spilo-\d+|postgresql-\d+.*)$/;

/** Whether {@link defaultDataDirectory} is certain; of others it is a guess. */
export function hasKnownDefault(image: string): boolean {
  return KNOWN.test(parseImage(image).name.toLowerCase()) || isBitnami(image);
}

/** Its tags are told even where its repository has another name, in a mirror. */
function isBitnami(image: string): boolean {
  return /bitnami/i.test(repositoryOf(image)) || /-debian-\d+-r\d+$/.test(parseImage(image).tag ?? "");
}

/** Where an image keeps its data when nothing else is set. */
export function defaultDataDirectory(image: string): string {
  const repository = repositoryOf(image).toLowerCase();
  const { name } = parseImage(repository);
  if (isBitnami(image)) return "/bitnami/postgresql/data";
  if (/^postgresql-\d+/.test(name)) return "/var/lib/pgsql/data/userdata";
  if (/timescaledb-ha/.test(name)) return "/home/postgres/pgdata/data";
  if (/spilo/.test(name)) return "/home/postgres/pgdata/pgroot/data";
  const major = Number(imageMajor(image) ?? 0);
  // From 18 on the official image has a folder for each major.
  return major >= 18 ? `/var/lib/postgresql/${major}/docker` : "/var/lib/postgresql/data";
}
