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
 * Parses a multi-document manifest as helm prints it. `List` objects are flattened, empty documents dropped. A document
 * without a `# Source:` line belongs to the file of the one before: helm copies a `crds/` file whole, with one such
 * line for all its documents.
 *
 * @throws ManifestError naming the chart file.
 */
export function parseManifest(text: string): SourcedObject[] {
  const found: SourcedObject[] = [];
  let source = "";
  // Kubernetes reads YAML 1.1 (`yes` is a boolean there) and takes the last of repeated keys. The document separator is
  // split off first so that an error can name the chart file it comes from.
  for (const part of text.split(/^---(?:[ \t].*)?$/m)) {
    source = /^\s*# Source: (.+)$/m.exec(part.slice(0, 500))?.[1]?.trim() ?? source;
    const value = valueOf(part, source);
    if (value !== null && value !== undefined) found.push(...flatten(value, source));
  }
  return found;
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
  if (isMap(value) && typeof value["kind"] === "string" && /List$/.test(value["kind"]) && Array.isArray(value["items"]))
    return value["items"].flatMap((item) => flatten(item, source));
  const parsed = kubeObject.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue?.path.length ? `"${issue.path.join(".")}"` : "the document";
    throw new ManifestError(
      `${source || "manifest"} is not a Kubernetes object: ${where}: ${issue?.message ?? "invalid"}`,
    );
  }
  return [{ source, object: parsed.data }];
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
