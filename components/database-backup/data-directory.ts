import { posix } from "node:path";
import { dig, digList, type KubeObject } from "../../kubernetes/objects";
import { containersOf, type PodWorkload, textOf } from "../../kubernetes/pod-templates";
import { isPostgresServer } from "./postgres-server";
import { defaultDataDirectory, hasKnownDefault, repositoryOf, upgradesData } from "./server-image";

/** What holds a server's data directory. */
export interface DataPlace {
  /**
   * `none`: the container's own file system, which goes with it. `imageVolume`: a volume that the container runtime
   * made for a VOLUME of the image, and takes away with the container. containerd makes them, CRI-O does not.
   */
  kind: "claim" | "emptyDir" | "ephemeral" | "hostPath" | "imageVolume" | "none" | "other";
  /** Two places are the same when this is, e.g. `claim casa-postgres-auth`. */
  volume: string;
  /** Path of the data within the volume. */
  inside: string;
}

/** A database server of a pod template, as far as it decides where its data is. */
export interface ServerTemplate {
  image: string;
  /** Its data is a copy of another server's, which it gets anew when it is lost. */
  isReplica: boolean;
  /** It brings the data of an older major into its own form. */
  upgrades: boolean;
  /** As far as the template says; undefined: the image's default. */
  directory: string | undefined;
  /** Where a directory is. The mount point of the running server's data tells volumes that the template does not. */
  placeOf: (directory: string, mountPoint?: string) => DataPlace;
  /** Where claims are mounted. */
  claimMounts: readonly string[];
}

/** Variables that set the data directory, the image's own name for it first. */
const DIRECTORY = ["POSTGRESQL_DATA_DIR", "PGDATA"];

/** Where a directory of a workload's container is. */
export function placeIn(
  directory: string,
  container: Record<string, unknown>,
  workload: PodWorkload,
  object: KubeObject,
): DataPlace {
  return placeOf({ directory, mountPoint: undefined }, container, workload, object);
}

/** The database server among a workload's containers; undefined when there is none. */
export function serverTemplate(workload: PodWorkload, object: KubeObject): ServerTemplate | undefined {
  const spec = workload.template["spec"];
  const server = containersOf(spec).find(({ init, fields }) => !init && isPostgresServer(fields));
  if (!server) return undefined;
  return {
    image: textOf(server.fields["image"]) ?? "",
    isReplica: isReplica(server.fields),
    upgrades: upgradesData(server.fields),
    directory: directoryOf(server.fields),
    placeOf: (directory, mountPoint) => placeOf({ directory, mountPoint }, server.fields, workload, object),
    claimMounts: claimMounts(server.fields, workload, object),
  };
}

/** Where a workload's container mounts claims. */
export function claimMounts(container: Record<string, unknown>, workload: PodWorkload, object: KubeObject): string[] {
  return mountsOf(container)
    .filter(({ name }) => volumeOf(name, workload, object).kind === "claim")
    .map(({ path }) => path);
}

/** Variables by which an image makes a server that only follows another one; Bitnami's first. */
const REPLICATION = /^(?:POSTGRES|POSTGRESQL)_REPLICATION_MODE$|^PG_MODE$|^POSTGRES_ROLE$/;

function isReplica(container: Record<string, unknown>): boolean {
  return digList(container, "env").some((variable) => {
    const [name, value] = [textOf(dig(variable, "name")) ?? "", textOf(dig(variable, "value")) ?? ""];
    return REPLICATION.test(name) && /^(?:slave|replica|standby)$/i.test(value);
  });
}

/**
 * The data directories of a server before and after a change. What the template does not say is the image's default:
 * the same as before for another version of one image.
 *
 * @param running what the running server told of its data directory, as far as it did.
 */
export function dataPlaces(
  before: ServerTemplate,
  after: ServerTemplate,
  { dataDirectory, mountPoint }: { dataDirectory?: string; mountPoint?: string } = {},
): { before: DataPlace; after: DataPlace } {
  const told = dataDirectory !== undefined && before.placeOf(dataDirectory).kind !== "none" ? dataDirectory : undefined;
  const old = before.directory ?? told ?? usual(before);
  const sameDefault =
    before.directory === undefined &&
    repositoryOf(before.image) === repositoryOf(after.image) &&
    defaultDataDirectory(before.image) === defaultDataDirectory(after.image);
  const next = after.directory ?? (sameDefault ? old : usual(after));
  return { before: before.placeOf(old, mountPoint), after: after.placeOf(next, mountPoint) };
}

/** The default of an image; one that we do not know keeps its data on the only claim that it mounts. */
function usual({ image, placeOf: place, claimMounts }: ServerTemplate): string {
  const usually = defaultDataDirectory(image);
  const [only, ...others] = claimMounts;
  if (hasKnownDefault(image) || place(usually).kind !== "none" || only === undefined || others.length > 0)
    return usually;
  return only;
}

/** Whether both are the same files. */
export function isSamePlace(a: DataPlace, b: DataPlace): boolean {
  return a.volume === b.volume && a.inside === b.inside;
}

/** Whether what is there is lost when its pod is replaced. */
export function goesWithPod({ kind }: DataPlace): boolean {
  return kind === "emptyDir" || kind === "ephemeral" || kind === "imageVolume" || kind === "none";
}

/** A place in words. */
export function placeText({ kind, volume, inside }: DataPlace): string {
  if (kind === "none") return "the container's own file system (no volume)";
  return inside === "." ? volume : `${volume} (${inside})`;
}

function directoryOf(container: Record<string, unknown>): string | undefined {
  const words = [...digList(container, "command"), ...digList(container, "args")].flatMap((word) => textOf(word) ?? []);
  const flag = words.indexOf("-D");
  const option = words
    .map((word) => /^(?:-D|--pgdata=|--data[-_]directory=|data_directory=)(\/.+)$/.exec(word)?.[1])
    .find((path) => path !== undefined);
  const given = option ?? (flag >= 0 ? words[flag + 1] : undefined);
  const env = new Map(
    digList(container, "env").map((entry) => [
      textOf(dig(entry, "name")) ?? "",
      // One that comes from elsewhere is the same as long as it comes from the same place.
      textOf(dig(entry, "value")) ?? JSON.stringify(dig(entry, "valueFrom") ?? ""),
    ]),
  );
  const expand = (text: string) => text.replace(/\$\(([^)]+)\)/g, (all, name: string) => env.get(name) ?? all);
  const volumeDirectory = env.get("POSTGRESQL_VOLUME_DIR");
  const named = DIRECTORY.map((name) => env.get(name)).find((value) => value !== undefined && value !== "");
  const found = given ?? named ?? (volumeDirectory === undefined ? undefined : `${volumeDirectory}/data`);
  return found === undefined ? undefined : posix.normalize(expand(found)).replace(/(.)\/$/, "$1");
}

function mountsOf(container: Record<string, unknown>) {
  return digList(container, "volumeMounts").map((mount) => ({
    name: textOf(dig(mount, "name")) ?? "",
    path: posix.normalize(textOf(dig(mount, "mountPath")) ?? "/").replace(/(.)\/$/, "$1"),
    subPath: textOf(dig(mount, "subPath")) ?? textOf(dig(mount, "subPathExpr")) ?? "",
  }));
}

function placeOf(
  { directory, mountPoint }: { directory: string; mountPoint: string | undefined },
  container: Record<string, unknown>,
  workload: PodWorkload,
  object: KubeObject,
): DataPlace {
  const mounts = mountsOf(container)
    .filter(({ path }) => isWithin(directory, path))
    .sort((a, b) => b.path.length - a.path.length);
  const [mount] = mounts;
  if (!mount) return { kind: "none", volume: "", inside: directory };
  const isDeeper = mountPoint !== undefined && mountPoint !== mount.path && isWithin(mountPoint, mount.path);
  if (isDeeper && isWithin(directory, mountPoint)) {
    const volume = `the image's own volume ${mountPoint}, which lies over the mount at ${mount.path}`;
    return { kind: "imageVolume", volume, inside: posix.relative(mountPoint, directory) || "." };
  }
  const inside = posix.join(".", mount.subPath, posix.relative(mount.path, directory));
  return { ...volumeOf(mount.name, workload, object), inside };
}

function isWithin(directory: string, path: string): boolean {
  return directory === path || directory.startsWith(path === "/" ? path : `${path}/`);
}

function volumeOf(name: string, workload: PodWorkload, object: KubeObject): Omit<DataPlace, "inside"> {
  const templates = digList(object, "spec", "volumeClaimTemplates");
  if (templates.some((template) => dig(template, "metadata", "name") === name)) {
    const first = Number(dig(object, "spec", "ordinals", "start") ?? 0);
    return { kind: "claim", volume: `claim ${name}-${workload.name}-${first}` };
  }
  const volume = digList(workload.template["spec"], "volumes").find((one) => dig(one, "name") === name);
  const claim = textOf(dig(volume, "persistentVolumeClaim", "claimName"));
  if (claim !== undefined) return { kind: "claim", volume: `claim ${claim}` };
  const path = textOf(dig(volume, "hostPath", "path"));
  if (path !== undefined) return { kind: "hostPath", volume: `hostPath ${path}` };
  // The API server fills in an emptyDir for a volume that names nothing.
  if (dig(volume, "ephemeral") !== undefined) return { kind: "ephemeral", volume: `ephemeral volume ${name}` };
  const { name: _name, ...source } = typeof volume === "object" && volume !== null ? { name, ...volume } : { name };
  if (Object.keys(source).length === 0 || "emptyDir" in source) {
    return { kind: "emptyDir", volume: `emptyDir volume ${name}` };
  }
  return { kind: "other", volume: `volume ${JSON.stringify(source)}` };
}
