import { UserError } from "../shared/user-error";
import { existsSync, readFileSync } from "node:fs";
import type * as https from "node:https";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import type { ExecAuth } from "@kubernetes/client-node/dist/exec_auth.js";
import { parse } from "yaml";
import { z } from "zod";
import type { ApiAccess } from "./api";

const text = z.string().nullish();
const exec = z.looseObject({ command: z.string() });
const clusterSchema = z.looseObject({
  server: z.string(),
  "certificate-authority": text,
  "certificate-authority-data": text,
  "insecure-skip-tls-verify": z.boolean().nullish(),
  "tls-server-name": text,
  "proxy-url": text,
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
  exec: exec.nullish(),
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

type User = z.infer<typeof userSchema>;

/** An entry, and the folder that its relative paths are relative to. */
interface Entry<T> {
  value: T;
  folder: string;
}

/** All entries of one or more kubeconfig files; of two with one name the first counts, as with kubectl. */
export interface Kubeconfig {
  /** The files read. */
  files: string[];
  clusters: Map<string, Entry<z.infer<typeof clusterSchema>>>;
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
  const add = <T>(map: Map<string, T>, name: string, value: T) => void (map.has(name) || map.set(name, value));
  for (const { name, cluster } of clusters ?? []) add(into.clusters, name, { value: cluster, folder });
  for (const { name, user } of users ?? []) add(into.users, name, { value: user ?? {}, folder });
  for (const { name, context } of contexts ?? []) add(into.contexts, name, context);
}

function readFile(file: string): z.infer<typeof fileSchema> {
  const bad = (why: string) =>
    new UserError("kubeconfig", `kubeconfig ${file} cannot be read: ${why}`, `repair it, or: ${SET_IT}`);
  let value: unknown;
  try {
    value = parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw bad((error instanceof Error ? error.message : String(error)).split("\n")[0]?.replace(/:$/, "") ?? "");
  }
  const parsed = fileSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw bad(issue ? `${issue.path.join(".") || "the file"}: ${issue.message}` : "it is not a kubeconfig");
}

/** Server and credentials of one context. */
export class ContextAccess implements ApiAccess {
  private execAuth?: ExecAuth;

  private constructor(
    private readonly name: string,
    private readonly cluster: Entry<z.infer<typeof clusterSchema>>,
    private readonly user: Entry<User> | undefined,
  ) {}

  /** @throws UserError when the context names a cluster or user that is not there. */
  static of(kubeconfig: Kubeconfig, context: string): ContextAccess {
    const entry = kubeconfig.contexts.get(context);
    const cluster = entry && kubeconfig.clusters.get(entry.cluster);
    const user = entry?.user ? kubeconfig.users.get(entry.user) : undefined;
    const missing = !cluster
      ? `cluster "${entry?.cluster ?? ""}"`
      : entry.user && !user
        ? `user "${entry.user}"`
        : undefined;
    if (!cluster || missing) {
      throw new UserError(
        "kubeconfig",
        `context "${context}" names ${missing}, which is not in the kubeconfig (${kubeconfig.files.join(", ")})`,
        `kubectl config set-context ${context} --cluster <cluster> --user <user>`,
      );
    }
    return new ContextAccess(context, cluster, user);
  }

  getCurrentCluster(): { server: string } {
    return { server: this.cluster.value.server };
  }

  /** Adds TLS settings, credentials and, where the kubeconfig asks for a proxy, its agent. */
  async applyToHTTPSOptions(options: https.RequestOptions): Promise<void> {
    const { value: cluster, folder } = this.cluster;
    const user = this.user?.value ?? {};
    if (cluster["proxy-url"] || user["auth-provider"]) return this.applyByLibrary(options);
    options.ca = content(folder, cluster["certificate-authority-data"], cluster["certificate-authority"]);
    if (cluster["insecure-skip-tls-verify"]) options.rejectUnauthorized = false;
    if (cluster["tls-server-name"]) options.servername = cluster["tls-server-name"];

    const home = this.user?.folder ?? "";
    options.cert = content(home, user["client-certificate-data"], user["client-certificate"]);
    options.key = content(home, user["client-key-data"], user["client-key"]);
    const headers: Record<string, string | string[]> = {};
    const token = user.tokenFile ? readFileSync(resolve(home, user.tokenFile), "utf8").trim() : user.token;
    if (token) headers["authorization"] = `Bearer ${token}`;
    if (user.username) options.auth = `${user.username}:${user.password ?? ""}`;
    options.headers = headers;
    if (user.exec) {
      const library = await import("@kubernetes/client-node/dist/exec_auth.js");
      this.execAuth ??= new library.ExecAuth();
      await this.execAuth.applyAuthentication({ name: this.name, exec: command(user.exec, home) }, options);
    }
    impersonate(user, options);
  }

  /** What only the library does: SOCKS and HTTP proxies, auth providers such as OIDC. */
  private async applyByLibrary(options: https.RequestOptions): Promise<void> {
    const { KubeConfig } = await import("@kubernetes/client-node");
    const config = new KubeConfig();
    const entries = { cluster: this.cluster.value, user: this.user?.value ?? {} };
    config.loadFromString(
      JSON.stringify({
        "current-context": "c",
        clusters: [{ name: "c", cluster: entries.cluster }],
        users: [{ name: "c", user: entries.user }],
        contexts: [{ name: "c", context: { cluster: "c", user: "c" } }],
      }),
    );
    config.makePathsAbsolute(this.cluster.folder);
    await config.applyToHTTPSOptions(options);
    impersonate(entries.user, options);
  }
}

/** Inline data counts before a file, as with kubectl. */
function content(folder: string, data: string | null | undefined, file: string | null | undefined): Buffer | undefined {
  if (data) return Buffer.from(data, "base64");
  return file ? readFileSync(resolve(folder, file)) : undefined;
}

/** A credential plugin written with a slash is relative to its kubeconfig; a bare name is looked up on PATH. */
function command(plugin: z.infer<typeof exec>, folder: string): z.infer<typeof exec> {
  return plugin.command.includes("/") ? { ...plugin, command: resolve(folder, plugin.command) } : plugin;
}

function impersonate(user: User, options: https.RequestOptions): void {
  const headers = {
    ...(user.as ? { "impersonate-user": user.as } : {}),
    ...(user["as-uid"] ? { "impersonate-uid": user["as-uid"] } : {}),
    ...(user["as-groups"]?.length ? { "impersonate-group": user["as-groups"] } : {}),
  };
  options.headers = { ...(options.headers as Record<string, string>), ...headers };
}
