import { dig, digList, isMap } from "./objects";
import { containersOf, textOf } from "./pod-templates";

/** A ConfigMap or Secret that the pods of a workload read. */
export interface ConfigReference {
  kind: "ConfigMap" | "Secret";
  name: string;
  /** The keys that are read; undefined: all. */
  keys?: string[];
  /**
   * When a change reaches a running pod: `environment` and `fixed file` (mounted by subPath) never do; a `file` is
   * replaced by the kubelet within a minute or two, and the program may read it again or not.
   */
  as: "environment" | "file" | "fixed file";
  /** Pods start without it, too. */
  optional: boolean;
}

/** Every ConfigMap and Secret that containers read as environment or files; pull secrets are not configuration. */
export function configReferences(podSpec: unknown): ConfigReference[] {
  return [
    ...containersOf(podSpec).flatMap(({ fields }) => [
      ...digList(fields, "envFrom").flatMap((from) => [
        ...reference("ConfigMap", dig(from, "configMapRef"), "environment"),
        ...reference("Secret", dig(from, "secretRef"), "environment"),
      ]),
      ...digList(fields, "env").flatMap((variable) => [
        ...reference("ConfigMap", dig(variable, "valueFrom", "configMapKeyRef"), "environment"),
        ...reference("Secret", dig(variable, "valueFrom", "secretKeyRef"), "environment"),
      ]),
    ]),
    ...digList(podSpec, "volumes").flatMap((volume) => {
      const as = isFixed(podSpec, dig(volume, "name")) ? "fixed file" : "file";
      return [volume, ...digList(volume, "projected", "sources")].flatMap((source) => [
        ...reference("ConfigMap", dig(source, "configMap"), as),
        ...reference("Secret", dig(source, "secret"), as),
      ]);
    }),
  ];
}

function reference(kind: ConfigReference["kind"], source: unknown, as: ConfigReference["as"]): ConfigReference[] {
  if (!isMap(source)) return [];
  // A Secret volume says secretName, everything else name.
  const name = textOf(source["name"]) ?? textOf(source["secretName"]);
  if (name === undefined) return [];
  const keys = [source["key"], ...digList(source, "items").map((item) => dig(item, "key"))].flatMap(
    (key) => textOf(key) ?? [],
  );
  return [{ kind, name, ...(keys.length > 0 ? { keys } : {}), as, optional: source["optional"] === true }];
}

/** Whether every mount of a volume is by subPath: the kubelet does not update those. */
function isFixed(podSpec: unknown, volume: unknown): boolean {
  const mounts = containersOf(podSpec)
    .flatMap(({ fields }) => digList(fields, "volumeMounts"))
    .filter((mount) => dig(mount, "name") === volume);
  return mounts.length > 0 && mounts.every((mount) => Boolean(dig(mount, "subPath") ?? dig(mount, "subPathExpr")));
}

/** Names of the PersistentVolumeClaims that all pods of a template share. */
export function claimNames(podSpec: unknown): string[] {
  return digList(podSpec, "volumes").flatMap(
    (volume) => textOf(dig(volume, "persistentVolumeClaim", "claimName")) ?? [],
  );
}
