import { UserError } from "../shared/user-error";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { z } from "zod";
import { execPlugin } from "./exec-credential";
import { NoYaml, readFirstDocument } from "./read-yaml";

const text = z.string().nullish();
const clusterSchema = z.looseObject({
  server: z.string(),
  "certificate-authority": text,
  "certificate-authority-data": text,
  "insecure-skip-tls-verify": z.boolean().nullish(),
  "tls-server-name": text,
  "proxy-url": text,
  extensions: z.array(z.looseObject({ name: z.string(), extension: z.unknown() })).nullish(),
});
const userSchema = z.looseObject({
  "client-certificate": text,
  "client-certificate-data": text,
  "client-key": text,
  "client-key-data": text,
  token: text,
  tokenFile: text,
  username: text,
  password: text,
  as: text,
  "as-uid": text,
  "as-groups": z.array(z.string()).nullish(),
  "as-user-extra": z.record(z.string(), z.array(z.string()).nullable()).nullish(),
  exec: execPlugin.nullish(),
  "auth-provider": z.looseObject({ name: z.string() }).nullish(),
});
const contextSchema = z.looseObject({ cluster: z.string(), user: text });
const fileSchema = z
  .looseObject({
    clusters: z.array(z.looseObject({ name: z.string(), cluster: clusterSchema })).nullish(),
    users: z.array(z.looseObject({ name: z.string(), user: userSchema.nullish() })).nullish(),
    contexts: z.array(z.looseObject({ name: z.string(), context: contextSchema })).nullish(),
  })
  .nullish();

/** A user of a kubeconfig. */
export type User = z.infer<typeof userSchema>;
/** A cluster of a kubeconfig. */
export type ClusterEntry = z.infer<typeof clusterSchema>;

/** An entry, and the folder that its relative paths are relative to. */
export interface Entry<T> {
  value: T;
  folder: string;
}

/** All entries of one or more kubeconfig files; of two with one name the first counts, as with kubectl. */
export interface Kubeconfig {
  /** The files read. */
  files: string[];
  clusters: Map<string, Entry<ClusterEntry>>;
  users: Map<string, Entry<User>>;
  contexts: Map<string, z.infer<typeof contextSchema>>;
}

const SET_IT = "pulumi config set kubeconfig <path>, or set KUBECONFIG";

/**
 * Reads the kubeconfig at `path`, else those that `$KUBECONFIG` lists (missing ones are passed over, as by kubectl),
 * else `~/.kube/config`.
 *
 * Not the library's loader: it brings all generated clients along, which costs every start about 1 s, and it refuses
 * lists of files that name a cluster twice.
 *
 * @throws UserError naming the file; never with text of the file, which holds secrets.
 */
export function loadKubeconfig(path: string | undefined, environment: NodeJS.ProcessEnv = process.env): Kubeconfig {
  const listed =
    path === undefined ? (environment["KUBECONFIG"] ?? "").split(delimiter).filter((file) => file) : [path];
  const candidates = listed.length > 0 ? listed : [join(homedir(), ".kube", "config")];
  const files = candidates.filter((file) => existsSync(file));
  if (files.length === 0) {
    const plural = candidates.length > 1 ? "none of these kubeconfig files exists:" : "kubeconfig";
    throw new UserError(
      "kubeconfig",
      `${plural} ${candidates.join(", ")}${candidates.length > 1 ? "" : " does not exist"}`,
      SET_IT,
    );
  }
  const found: Kubeconfig = { files, clusters: new Map(), users: new Map(), contexts: new Map() };
  for (const file of files) merge(found, file);
  return found;
}

function merge(into: Kubeconfig, file: string): void {
  const folder = dirname(resolve(file));
  const { clusters, users, contexts } = readFile(file) ?? {};
  for (const [what, list] of Object.entries({ clusters, users, contexts })) refuseTwins(file, what, list ?? []);
  const add = <T>(map: Map<string, T>, name: string, value: T) => void (map.has(name) || map.set(name, value));
  for (const { name, cluster } of clusters ?? []) add(into.clusters, name, { value: cluster, folder });
  for (const { name, user } of users ?? []) add(into.users, name, { value: user ?? {}, folder });
  for (const { name, context } of contexts ?? []) add(into.contexts, name, context);
}

/** Across files the first entry of a name counts; within one file kubectl refuses two, and quotes them. */
function refuseTwins(file: string, what: string, list: readonly { name: string }[]): void {
  const names = list.map(({ name }) => name);
  const twin = names.find((name, i) => names.indexOf(name) < i);
  if (twin === undefined) return;
  throw new UserError(
    "kubeconfig",
    `kubeconfig ${file} has two ${what} of the name "${twin}", which kubectl refuses`,
    "remove the one that is wrong",
  );
}

function readFile(file: string): z.infer<typeof fileSchema> {
  const bad = (why: string) =>
    new UserError("kubeconfig", `kubeconfig ${file} cannot be read: ${why}`, `repair it, or: ${SET_IT}`);
  let value: unknown;
  try {
    value = readFirstDocument(readFileSync(file, "utf8"));
  } catch (error) {
    throw bad(error instanceof NoYaml || isSystemError(error) ? error.message : "it is not valid YAML");
  }
  const parsed = fileSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw bad(issue ? `${issue.path.join(".") || "the file"}: ${issue.message}` : "it is not a kubeconfig");
}

function isSystemError(error: unknown): error is Error {
  return error instanceof Error && "syscall" in error;
}
