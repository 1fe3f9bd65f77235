import { dig, digList, groupKind, isMap, type KubeObject, objectKey } from "../../kubernetes/objects";
import { containersOf, POD_SPECS, textOf } from "../../kubernetes/pod-templates";
import { configReferences } from "../../kubernetes/references";
import { isPostgresServer } from "./postgres-server";

/** A ConfigMap or Secret. */
export interface ConfigId {
  readonly kind: "ConfigMap" | "Secret";
  readonly namespace: string;
  readonly name: string;
}

const isConfig = ({ apiVersion, kind }: KubeObject) =>
  apiVersion === "v1" && (kind === "ConfigMap" || kind === "Secret");

/** ConfigMaps and Secrets that containers take variables from, and that are not among the objects. */
export function configElsewhere(objects: readonly KubeObject[], namespace: string): ConfigId[] {
  const id = ({ kind, ...metadata }: ConfigId) => objectKey({ apiVersion: "v1", kind, metadata }, namespace);
  const own = new Set(objects.map((object) => objectKey(object, namespace)));
  const read = objects.flatMap((object) =>
    configReferences(podSpecOf(object))
      .filter(({ as }) => as === "environment")
      .map(({ kind, name }) => ({ kind, name, namespace: object.metadata.namespace ?? namespace })),
  );
  return [...new Map(read.map((one) => [id(one), one])).values()].filter((one) => !own.has(id(one)));
}

/**
 * What containers that are no database server themselves have in their environment and arguments, as the kubelet makes
 * it, and the entries of ConfigMaps and Secrets. An argument has the name of the variable that would say the same.
 *
 * @param config where the ConfigMaps and Secrets are looked for.
 */
export function variablesOf(object: KubeObject, namespace: string, config: readonly KubeObject[]): [string, string][] {
  if (isConfig(object)) return Object.entries(entriesOf(object));
  const find = finder(config, object.metadata.namespace ?? namespace, namespace);
  const entries: Entries = (kind, name) => find(kind, name) ?? {};
  return containersOf(podSpecOf(object))
    .filter(({ fields }) => !isPostgresServer(fields))
    .flatMap(({ fields }) => {
      const variables = environmentOf(fields, entries);
      return [...variables, ...argumentsOf(fields, variables)];
    });
}

/** Where a pod is, and the ConfigMaps and Secrets that it may take variables from. */
export interface PodSurroundings {
  /** The pod's namespace. */
  at: string;
  /** Of objects that name none. */
  namespace: string;
  config: readonly KubeObject[];
}

/**
 * The environment of one container, and the ConfigMaps and Secrets that more of it comes from and that are not among
 * the given ones, in words.
 */
export function containerEnvironment(
  container: Record<string, unknown>,
  { at, namespace, config }: PodSurroundings,
): { variables: ReadonlyMap<string, string>; unread: string[] } {
  const find = finder(config, at, namespace);
  const unread = new Set<string>();
  const entries: Entries = (kind, name) => {
    const found = find(kind, name);
    if (!found && typeof name === "string") unread.add(`${kind} ${name}`);
    return found ?? {};
  };
  return { variables: environmentOf(container, entries), unread: [...unread] };
}

/** Looks for the entries of a ConfigMap or Secret. */
function finder(config: readonly KubeObject[], at: string, namespace: string) {
  return (kind: string, name: unknown) => {
    const found = config.find(
      (one) =>
        one.kind === kind &&
        isConfig(one) &&
        one.metadata.name === name &&
        (one.metadata.namespace ?? namespace) === at,
    );
    return found && entriesOf(found);
  };
}

type Entries = (kind: string, name: unknown) => Record<string, string>;

/** Later ones win; a value may name variables that come before it. */
function environmentOf(container: Record<string, unknown>, entries: Entries): Map<string, string> {
  const all = new Map<string, string>();
  for (const from of digList(container, "envFrom")) {
    const prefix = textOf(dig(from, "prefix")) ?? "";
    for (const [kind, ref] of [
      ["ConfigMap", "configMapRef"],
      ["Secret", "secretRef"],
    ] as const) {
      const found = Object.entries(entries(kind, dig(from, ref, "name")));
      for (const [key, value] of found) all.set(`${prefix}${key}`, value);
    }
  }
  for (const variable of digList(container, "env")) {
    const name = textOf(dig(variable, "name")) ?? "";
    const from = (kind: string, ref: string) =>
      entries(kind, dig(variable, "valueFrom", ref, "name"))[textOf(dig(variable, "valueFrom", ref, "key")) ?? ""];
    const value = from("Secret", "secretKeyRef") ?? from("ConfigMap", "configMapKeyRef");
    all.set(name, value ?? expanded(textOf(dig(variable, "value")) ?? "", all));
  }
  return all;
}

function argumentsOf(container: Record<string, unknown>, variables: ReadonlyMap<string, string>): [string, string][] {
  const words = [...digList(container, "command"), ...digList(container, "args")].flatMap((word) =>
    expanded(textOf(word) ?? "", variables).split(/\s+/),
  );
  return words.flatMap((word, i): [string, string][] => {
    const [, flag, value] = /^--?([A-Za-z][\w.-]*)(?:=(.*))?$/s.exec(word) ?? [];
    if (flag === undefined) return [["", word]];
    return [[flag.replaceAll(/[.-]/g, "_").toUpperCase(), value ?? words[i + 1] ?? ""]];
  });
}

/** `$(NAME)` is the variable's value, unless there is none or another dollar is before it. */
function expanded(value: string, variables: ReadonlyMap<string, string>): string {
  return value.replaceAll(/\$\$|\$\(([^()]*)\)/g, (found, name: string | undefined) =>
    name === undefined ? "$" : (variables.get(name) ?? found),
  );
}

function podSpecOf(object: KubeObject): unknown {
  const path = POD_SPECS[groupKind(object)];
  return path && dig(object, ...path);
}

function entriesOf(config: KubeObject): Record<string, string> {
  const field = (name: string) => Object.entries(isMap(config[name]) ? config[name] : {});
  const isSecret = config.kind === "Secret";
  const decoded = (value: unknown) => (isSecret ? Buffer.from(String(value), "base64").toString() : String(value));
  return Object.fromEntries([
    ...field("data").map(([name, value]) => [name, decoded(value)] as const),
    ...(isSecret ? field("stringData").map(([name, value]) => [name, String(value)] as const) : []),
  ]);
}
