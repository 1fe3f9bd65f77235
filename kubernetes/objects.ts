import { z } from "zod";
import { readYaml } from "./read-yaml";

/** Any Kubernetes object: what every kind has is typed, the rest is kept as it came. */
export const kubeObject = z.looseObject({
  apiVersion: z.string().min(1),
  kind: z.string().min(1),
  metadata: z.looseObject({
    name: z.string().optional(),
    namespace: z.string().optional(),
    labels: z.record(z.string(), z.string()).nullish(),
    annotations: z.record(z.string(), z.string()).nullish(),
  }),
});

export type KubeObject = z.infer<typeof kubeObject>;

/** One document of a manifest and the chart file it was rendered from (empty when the text does not say). */
export interface SourcedObject {
  source: string;
  object: KubeObject;
}

/** A manifest that is not valid YAML, or holds something that is no Kubernetes object. */
export class ManifestError extends Error {}

/**
 * Parses a multi-document manifest as helm prints it. Lists are flattened, empty documents dropped. A document without
 * a `# Source:` line of helm's belongs to the file of the one before: helm copies a `crds/` file whole, with one such
 * line for all its documents, and with comments of the file that may look like one.
 *
 * @throws ManifestError naming the chart file.
 */
export function parseManifest(text: string): SourcedObject[] {
  const found: SourcedObject[] = [];
  let source = "";
  // Kubernetes reads YAML 1.1 (`yes` is a boolean there) and takes the last of repeated keys. The document separator is
  // split off first so that an error can name the chart file it comes from.
  for (const part of text.split(/^---(?:[ \t].*)?$/m)) {
    const said = /^\s*# Source: (.+)$/m.exec(part.slice(0, 500))?.[1]?.trim();
    if (said !== undefined && isChartFile(said, source)) source = said;
    const value = valueOf(part, source);
    if (value !== null && value !== undefined) found.push(...flatten(value, source));
  }
  return found;
}

/** Whether it is a file of the chart that the file before it is of, as helm names them. */
function isChartFile(said: string, before: string): boolean {
  const [chart = ""] = before.split("/");
  return (
    before === "" || (said.startsWith(`${chart}/`) && /^[^/]+\/(?:charts\/[^/]+\/)*(?:templates|crds)\//.test(said))
  );
}

function valueOf(text: string, source: string): unknown {
  try {
    return readYaml(text);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new ManifestError(`${source || "manifest"} is not valid YAML: ${firstLine(said)}`);
  }
}

function flatten(value: unknown, source: string): SourcedObject[] {
  if (isMap(value) && typeof value["kind"] === "string" && /List$/.test(value["kind"])) {
    const { items } = value;
    if (Array.isArray(items)) return items.flatMap((item) => flatten(itemOf(value, item), source));
    // helm says best what is wrong with a list that has no items, where it minds.
    if (items === null) return [];
  }
  const parsed = kubeObject.safeParse(withoutEmptyMetadata(value));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue?.path.length ? `"${issue.path.join(".")}"` : "the document";
    throw new ManifestError(
      `${source || "manifest"} is not a Kubernetes object: ${where}: ${issue?.message ?? "invalid"}`,
    );
  }
  return [{ source, object: parsed.data }];
}

/** A list of one kind need not say it of its items: client-go takes it from the name of the list's. */
function itemOf(list: Record<string, unknown>, item: unknown): unknown {
  if (!isMap(item) || item["kind"] || item["apiVersion"]) return item;
  return { apiVersion: list["apiVersion"], kind: String(list["kind"]).replace(/List$/, ""), ...item };
}

/**
 * An empty namespace is none, and null as a label or annotation is an empty text: so client-go reads them, and charts
 * render them where a value is not set.
 */
function withoutEmptyMetadata(value: unknown): unknown {
  if (!isMap(value) || !isMap(value["metadata"])) return value;
  const metadata = { ...value["metadata"] };
  let changed = false;
  if ("namespace" in metadata && (metadata["namespace"] ?? "") === "") {
    delete metadata["namespace"];
    changed = true;
  }
  for (const field of ["labels", "annotations"]) {
    const texts = metadata[field];
    if (!isMap(texts) || !Object.values(texts).includes(null)) continue;
    metadata[field] = Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, text ?? ""]));
    changed = true;
  }
  return changed ? { ...value, metadata } : value;
}

/** The API group of an apiVersion; empty for the core group. */
export function groupOf(apiVersion: string): string {
  return apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "";
}

/** `group/Kind`, whatever the version. */
export function groupKind({ apiVersion, kind }: Pick<KubeObject, "apiVersion" | "kind">): string {
  return `${groupOf(apiVersion)}/${kind}`;
}

/** Whether an object is a CustomResourceDefinition. */
export function isCrd(object: Pick<KubeObject, "apiVersion" | "kind">): boolean {
  return groupKind(object) === "apiextensions.k8s.io/CustomResourceDefinition";
}

/** `group/Kind` that a CRD defines. */
export function definedKind(crd: KubeObject): string {
  return `${String(dig(crd, "spec", "group"))}/${String(dig(crd, "spec", "names", "kind"))}`;
}

/** `group/Kind namespace/name`: what makes an object the same one in two renderings. */
export function objectKey(object: KubeObject, defaultNamespace: string): string {
  return `${groupKind(object)} ${object.metadata.namespace ?? defaultNamespace}/${object.metadata.name ?? ""}`;
}

/** A map of YAML or JSON, as opposed to a list and to null. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads `a.b.c` of an unknown tree; undefined where a step is no map. */
export function dig(value: unknown, ...path: string[]): unknown {
  let at = value;
  for (const step of path) {
    if (!isMap(at)) return undefined;
    at = at[step];
  }
  return at;
}

/** Reads a list of an unknown tree; empty where there is none. */
export function digList(value: unknown, ...path: string[]): unknown[] {
  const at = dig(value, ...path);
  return Array.isArray(at) ? at : [];
}

function firstLine(text: string): string {
  return text.split("\n")[0] ?? text;
}
