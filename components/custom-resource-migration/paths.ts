import { isMap } from "../../kubernetes/objects";

/** One step of a rule's path: a field, every element of a list, or every value of a map. */
export type Segment =
  { readonly kind: "field"; readonly name: string } | { readonly kind: "items" } | { readonly kind: "values" };

/** A path that is none; the message says what is wrong with it. */
export class PathError extends Error {}

const PART = /^(?:\.?(?<field>[A-Za-z0-9_-]+|\*)|\[(?<quoted>"(?:[^"\\]|\\.)*")\]|(?<items>\[\]))/;
const METADATA = 'only labels and annotations of the metadata are data: metadata.annotations["casa.io/realm"]';

/**
 * Parses `spec.apps[].model`, `spec.limits.*.max` (every value of a map) or `metadata.annotations["casa.io/realm"]`:
 * the form in which reviews name fields.
 *
 * @throws PathError
 */
export function parsePath(text: string): Segment[] {
  const segments: Segment[] = [];
  for (let rest = text; rest !== "";) {
    const { field, quoted, items } = PART.exec(rest)?.groups ?? {};
    const part = PART.exec(rest)?.[0];
    const dot = rest.startsWith(".");
    if (part === undefined || (field !== undefined && dot === (segments.length === 0))) {
      throw new PathError(`"${text}" is not a path at "${rest}"`);
    }
    if (items !== undefined) segments.push({ kind: "items" });
    else if (field === "*") segments.push({ kind: "values" });
    else segments.push({ kind: "field", name: field ?? unquote(quoted ?? "", text) });
    rest = rest.slice(part.length);
  }
  refuseStrange(segments, text);
  return segments;
}

function unquote(quoted: string, text: string): string {
  try {
    return String(JSON.parse(quoted));
  } catch {
    throw new PathError(`"${text}" is not a path at ${quoted}`);
  }
}

function refuseStrange(segments: readonly Segment[], text: string): void {
  const [first, second] = segments;
  if (first?.kind !== "field") throw new PathError(`"${text}" does not begin with a field such as spec`);
  if (segments.length === 1) throw new PathError(`"${text}" is a whole part of the object; name a field in it`);
  if (first.name === "apiVersion" || first.name === "kind") throw new PathError(`"${text}": ${first.name} is not data`);
  if (first.name !== "metadata") return;
  const ok = second?.kind === "field" && ["labels", "annotations"].includes(second.name) && segments.length === 3;
  if (!ok) throw new PathError(`"${text}": ${METADATA}`);
}

/** The path as text, as {@link parsePath} takes it. */
export function pathText(segments: readonly Segment[]): string {
  return segments.reduce((text, segment) => {
    if (segment.kind === "items") return `${text}[]`;
    const name = segment.kind === "values" ? "*" : segment.name;
    if (segment.kind === "field" && !/^[\w-]+$/.test(name)) return `${text}[${JSON.stringify(name)}]`;
    return text === "" ? name : `${text}.${name}`;
  }, "");
}

/** Whether one path is the other, or leads to something in it. A map's `*` meets each of its keys. */
export function overlap(a: readonly Segment[], b: readonly Segment[]): boolean {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a];
  return short.every((segment, i) => meet(segment, long[i] as Segment));
}

function meet(a: Segment, b: Segment): boolean {
  if (a.kind === "items" || b.kind === "items") return a.kind === b.kind;
  return a.kind === "values" || b.kind === "values" || a.name === b.name;
}

export function samePath(a: readonly Segment[], b: readonly Segment[]): boolean {
  return pathText(a) === pathText(b);
}

/** Up to and with the last list or map that a path goes through all of; the rest are fields. */
export function splitAtWildcard(path: readonly Segment[]): { through: readonly Segment[]; fields: readonly string[] } {
  const last = path.findLastIndex(({ kind }) => kind !== "field");
  const fields = path.slice(last + 1).flatMap((segment) => (segment.kind === "field" ? [segment.name] : []));
  return { through: path.slice(0, last + 1), fields };
}

/** The values that a path leads to which goes through lists and maps only as far as they are there. */
export function valuesAt(root: unknown, path: readonly Segment[]): unknown[] {
  return path.reduce<unknown[]>((at, segment) => at.flatMap((value) => stepInto(value, segment)), [root]);
}

function stepInto(value: unknown, segment: Segment): unknown[] {
  if (segment.kind === "items") return Array.isArray(value) ? (value as unknown[]) : [];
  if (!isMap(value)) return [];
  if (segment.kind === "values") return Object.values(value);
  return Object.hasOwn(value, segment.name) ? [value[segment.name]] : [];
}
