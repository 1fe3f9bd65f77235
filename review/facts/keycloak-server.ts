import { parseImage } from "../../kubernetes/image";
import { isPostgresServer } from "../../components/database-backup/postgres-server";
import { dig, digList } from "../../kubernetes/objects";
import { containersOf, type PodContainer, textOf } from "../../kubernetes/pod-templates";

const KEYCLOAK = /keycloak|(^|-)rhbk|(^|-)sso\d/;
/** Image names that are something else than the Keycloak they have in their name. */
const NO_KEYCLOAK = /exporter|operator|backup|config-cli|gatekeeper|proxy/;
/** Settings of the server; its clients are told its address, realm and client. */
const SETTING =
  /^KC_(?:DB|DB_\w+|HOSTNAME|HOSTNAME_\w+|CACHE|CACHE_\w+|HTTPS?_\w+|PROXY|PROXY_HEADERS|HEALTH_ENABLED|METRICS_ENABLED|FEATURES|BOOTSTRAP_ADMIN_\w+)$/;
/** One of these is among them. */
const TELLING = /^KC_(?:DB|DB_URL\w*|DB_USERNAME|HOSTNAME|CACHE|CACHE_STACK|BOOTSTRAP_ADMIN_USERNAME)$/;
const PROGRAM = /(?:^|\/)kc\.sh$/;

/** The container of a pod that runs Keycloak; undefined where none does. */
export function keycloakServer(podSpec: unknown): PodContainer | undefined {
  return containersOf(podSpec).find(({ init, fields }) => !init && isKeycloak(fields));
}

/** By the image's name; an image of one's own by its command and the settings that only the server has. */
function isKeycloak(container: Record<string, unknown>): boolean {
  const name = parseImage(textOf(container["image"]) ?? "").name.toLowerCase();
  if (NO_KEYCLOAK.test(name) || isPostgresServer(container)) return false;
  if (KEYCLOAK.test(name)) return true;
  const words = [...digList(container, "command"), ...digList(container, "args")].flatMap((word) =>
    (textOf(word) ?? "").split(/\s+/),
  );
  const names = digList(container, "env").flatMap((variable) => textOf(dig(variable, "name")) ?? []);
  const settings = new Set(names.filter((variable) => SETTING.test(variable)));
  const starts = words.includes("start") || words.includes("start-dev");
  if (starts && (words.some((word) => PROGRAM.test(word)) || settings.size > 0)) return true;
  return settings.size > 1 && names.some((variable) => TELLING.test(variable));
}

/** A version of Keycloak; the minor is unknown where a tag has the major alone. */
export interface KeycloakVersion {
  major: number;
  minor?: number;
}

/** Names of images whose tags are versions of Keycloak; others may have a version of their own. */
const OFFICIAL = /^keycloak(?:-rhel\d+|-x)?$/;
/** The first release on Quarkus, and more than any that there will be soon: other numbers are dates. */
const [QUARKUS, MOST] = [17, 99];

/** The version of Keycloak by an image's tag; undefined where the tag does not say or may say something else. */
export function keycloakVersion(image: string): KeycloakVersion | undefined {
  const { name, tag = "" } = parseImage(image);
  const [, first, second] = /^v?(\d+)(?:\.(\d+))?(?!\d)/.exec(tag) ?? [];
  const major = Number(first);
  if (first === undefined || major > MOST) return undefined;
  const isOwn = !OFFICIAL.test(name.toLowerCase());
  if (isOwn && (major < QUARKUS || second === undefined)) return undefined;
  return { major, ...(second === undefined ? {} : { minor: Number(second) }) };
}

/** Whether an image is a Keycloak of before 17, on WildFly, which is set up by other variables. */
export function isWildFly(image: string): boolean {
  const { name } = parseImage(image);
  const version = keycloakVersion(image);
  return /(?:^|-)sso\d/.test(name) || /(?:^|\/)jboss\/keycloak/.test(image) || (version?.major ?? QUARKUS) < QUARKUS;
}

/** Whether going from one image to the other is a step back to an older minor or major version. */
export function isOlder(from: string, to: string): boolean {
  const [old, next] = [keycloakVersion(from), keycloakVersion(to)];
  if (!old || !next) return false;
  if (old.major !== next.major) return next.major < old.major;
  return old.minor !== undefined && next.minor !== undefined && next.minor < old.minor;
}
