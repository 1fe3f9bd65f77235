import { isMap, type KubeObject } from "./objects";

/** What stands in a review where a value is secret. */
export const HIDDEN = "[secret]";

/** True for the kind whose every value is secret. */
export function isSecret(object: { apiVersion: string; kind: string }): boolean {
  return object.apiVersion === "v1" && object.kind === "Secret";
}

/** A Secret with its `stringData` moved to `data`, as the API server stores it; any other object as it is. */
export function normalizeSecret(object: KubeObject): KubeObject {
  if (!isSecret(object) || !isMap(object["stringData"])) return object;
  const { stringData, ...rest } = object;
  const encoded = Object.entries(stringData).map(([key, text]) => [key, Buffer.from(String(text)).toString("base64")]);
  return {
    ...rest,
    data: { ...(isMap(rest["data"]) ? rest["data"] : {}), ...Object.fromEntries(encoded) },
  };
}

/** The values of Secret objects in clear, for {@link Redactor}. */
export function secretTexts(objects: readonly KubeObject[]): string[] {
  return objects.filter(isSecret).flatMap((object) => {
    const { data } = normalizeSecret(object);
    return isMap(data) ? Object.values(data).map((text) => Buffer.from(String(text), "base64").toString()) : [];
  });
}

/** The texts and numbers at the leaves of a tree. */
export function leafTexts(value: unknown): string[] {
  if (typeof value === "string" || typeof value === "number") return [String(value)];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(leafTexts) : [];
}

/**
 * What the config declares secret, and what everybody can read in the chart's defaults and the config does not declare.
 */
export function declaredSecrets(secretPart: unknown, defaults: unknown): { declared: string[]; inChart: Set<string> } {
  const declared = leafTexts(secretPart);
  return { declared, inChart: new Set(leafTexts(defaults).filter((text) => !declared.includes(text))) };
}

/** Texts shorter than this are hidden only where they are the whole value: they occur in everything. */
const SHORTEST_PART = 6;

/**
 * Takes secret texts out of whatever a review says: a password that a chart puts into a connection string of a
 * ConfigMap, or that an admission webhook repeats in its message, is as secret there as in its Secret.
 */
export class Redactor {
  private readonly whole: Set<string>;
  private readonly parts: string[];

  /**
   * @param secret texts that must not show.
   * @param known texts that everybody can read in the chart, such as its default passwords; hiding them would only
   *   make names unreadable ("casa-[secret]-auth"). Configured secrets are never among them.
   */
  constructor(secret: readonly string[], known: ReadonlySet<string> = new Set()) {
    const hidden = secret.filter((text) => text.trim() !== "" && !known.has(text));
    const encoded = hidden.map((text) => Buffer.from(text).toString("base64"));
    this.whole = new Set([...hidden, ...encoded]);
    // The longest first: a part of a secret must not keep the rest of it readable.
    this.parts = [...this.whole].filter((text) => text.length >= SHORTEST_PART).sort((a, b) => b.length - a.length);
  }

  text(text: string): string {
    if (this.whole.has(text)) return HIDDEN;
    return this.parts.reduce((at, secret) => (at.includes(secret) ? at.replaceAll(secret, HIDDEN) : at), text);
  }

  /** The same tree with every text in it redacted; keys stay. */
  tree<T>(value: T): T {
    return this.at(value) as T;
  }

  /**
   * The same tree with its texts redacted, but for those under the keys named: what a program reads (kinds, actions,
   * names) must stay what it is, whatever a Secret happens to hold. Numbers stay, too.
   */
  texts<T>(value: T, identifiers: ReadonlySet<string>): T {
    return this.textsAt(value, identifiers) as T;
  }

  private textsAt(value: unknown, identifiers: ReadonlySet<string>): unknown {
    if (typeof value === "string") return this.text(value);
    if (Array.isArray(value)) return value.map((item) => this.textsAt(item, identifiers));
    if (!isMap(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, at]) => [key, identifiers.has(key) ? at : this.textsAt(at, identifiers)]),
    );
  }

  private at(value: unknown): unknown {
    if (typeof value === "string") return this.text(value);
    if (typeof value === "number") return this.whole.has(String(value)) && value > 9 ? HIDDEN : value;
    if (Array.isArray(value)) return value.map((item) => this.at(item));
    if (!isMap(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, at]) => [key, this.at(at)]));
  }
}
