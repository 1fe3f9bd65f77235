/** The parts of an image reference, `registry:5000/team/keycloak:25@sha256:…`. */
export interface ImageReference {
  /** Its first part where that is a host, by the rule of the container runtimes; else docker.io. */
  readonly registry: string;
  /** The last part of the path: `keycloak`. */
  readonly name: string;
  readonly tag?: string;
  readonly digest?: string;
}

/** Whether two references are of one image, wherever it is taken from: a mirror has another path before the name. */
export function isSameImage(a: string, b: string): boolean {
  const [one, other] = [parseImage(a), parseImage(b)];
  return one.name === other.name && one.tag === other.tag && one.digest === other.digest;
}

/** Reads an image reference. */
export function parseImage(image: string): ImageReference {
  const [path = "", digest] = image.split("@");
  const [first = "", ...rest] = path.split("/");
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === "localhost");
  // The colon of a registry's port is before the last slash.
  const last = path.slice(path.lastIndexOf("/") + 1);
  const colon = last.indexOf(":");
  return {
    registry: isHost ? first.toLowerCase() : "docker.io",
    name: colon < 0 ? last : last.slice(0, colon),
    ...(colon < 0 ? {} : { tag: last.slice(colon + 1) }),
    ...(digest === undefined ? {} : { digest }),
  };
}
