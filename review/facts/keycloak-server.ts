import { parseImage } from "../../kubernetes/image";
import { isPostgresServer } from "../../components/database-backup/postgres-server";
import { containersOf, type PodContainer, textOf } from "../../kubernetes/pod-templates";

const KEYCLOAK = /keycloak|(^|-)rhbk|(^|-)sso\d/;
/** Image names that are something else than the Keycloak they have in their name. */
const NO_KEYCLOAK = /exporter|operator|backup|config-cli|gatekeeper/;

/** The container of a pod that runs Keycloak; undefined where none does. */
export function keycloakServer(podSpec: unknown): PodContainer | undefined {
  return containersOf(podSpec).find(({ init, fields }) => {
    const name = imageName(fields);
    return !init && KEYCLOAK.test(name) && !NO_KEYCLOAK.test(name) && !isPostgresServer(fields);
  });
}

const imageName = (container: Record<string, unknown>) =>
  parseImage(textOf(container["image"]) ?? "").name.toLowerCase();

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
