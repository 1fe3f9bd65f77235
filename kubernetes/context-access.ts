import { existsSync, readFileSync } from "node:fs";
import type * as https from "node:https";
import { resolve } from "node:path";
import { UserError } from "../shared/user-error";
import { askPlugin, type ExecCredential } from "./exec-credential";
import type { ClusterEntry, Entry, Kubeconfig, User } from "./kubeconfig";
import { proxyAgent, proxyFor } from "../shared/proxy";
import type { ApiAccess, Login } from "./transport";
import { trustedCertificates } from "../shared/trusted-certificates";

/** Under this name a cluster of a kubeconfig has what its credential plugin is to know. */
const PLUGIN_CONFIG = "client.authentication.k8s.io/exec";

/** Server and credentials of one context. */
export class ContextAccess implements ApiAccess {
  private given: { credential: ExecCredential; until: number } | undefined;

  private constructor(
    private readonly name: string,
    private readonly server: string,
    private readonly cluster: Entry<ClusterEntry>,
    private readonly user: Entry<User> | undefined,
  ) {}

  /** @throws UserError when the context names a cluster or user that is not there, or a server that is no address. */
  static of(kubeconfig: Kubeconfig, context: string): ContextAccess {
    const entry = kubeconfig.contexts.get(context);
    const cluster = entry && kubeconfig.clusters.get(entry.cluster);
    const user = entry?.user ? kubeconfig.users.get(entry.user) : undefined;
    const missing = !cluster
      ? `cluster "${entry?.cluster ?? ""}"`
      : entry.user && !user
        ? `user "${entry.user}"`
        : undefined;
    const files = kubeconfig.files.join(", ");
    if (!cluster || missing) {
      throw new UserError(
        "kubeconfig",
        `context "${context}" names ${missing}, which is not in the kubeconfig (${files})`,
        `kubectl config set-context ${context} --cluster <cluster> --user <user>`,
      );
    }
    // Without a scheme it is http, as for kubectl.
    const server = cluster.value.server.includes("://") ? cluster.value.server : `http://${cluster.value.server}`;
    if (!URL.canParse(server)) {
      throw new UserError(
        "kubeconfig",
        `the server of cluster "${entry.cluster}" in the kubeconfig (${files}) is no address: "${cluster.value.server}"`,
        `kubectl config set-cluster ${entry.cluster} --server https://<host>:<port>`,
      );
    }
    return new ContextAccess(context, server, cluster, user);
  }

  getCurrentCluster(): { server: string } {
    return { server: this.server };
  }

  /** Adds TLS settings, credentials and, where kubeconfig or environment name a proxy, its agent. */
  async applyToHTTPSOptions(options: https.RequestOptions): Promise<Login> {
    const { value: cluster, folder } = this.cluster;
    const user = this.user?.value ?? {};
    options.ca =
      content(folder, cluster["certificate-authority-data"], cluster["certificate-authority"]) ??
      (this.server.startsWith("https:") ? trustedCertificates() : undefined);
    if (cluster["insecure-skip-tls-verify"]) options.rejectUnauthorized = false;
    if (cluster["tls-server-name"]) options.servername = cluster["tls-server-name"];

    const home = this.user?.folder ?? "";
    options.cert = content(home, user["client-certificate-data"], user["client-certificate"]);
    options.key = content(home, user["client-key-data"], user["client-key"]);
    if (user.username) options.auth = `${user.username}:${user.password ?? ""}`;
    const credential = await this.credential(user, home);
    const { clientCertificateData: cert, clientKeyData: key } = credential ?? {};
    if (cert) Object.assign(options, { cert, key });
    const token = tokenOf(user, home) ?? credential?.token;
    options.headers = {
      ...(user["auth-provider"] ? await this.headersOfProvider(user) : {}),
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...impersonation(user),
    };
    const { ca, rejectUnauthorized, servername } = options;
    const tls = { ca, cert: options.cert, key: options.key, rejectUnauthorized, servername };
    const proxy = cluster["proxy-url"] || proxyFor(this.server);
    if (proxy) options.agent = await proxyAgent(this.server, proxy, tls);
    return { until: this.given?.until };
  }

  /** What the credential plugin gives; asked again once that has expired. */
  private async credential(user: User, home: string): Promise<ExecCredential | undefined> {
    if (!user.exec) return undefined;
    if (this.given && this.given.until > Date.now()) return this.given.credential;
    const credential = await askPlugin(user.exec, home, this.clusterInfo());
    // Without a time the plugin knows best whether what it gave is still good.
    const until = Date.parse(credential.expirationTimestamp ?? "");
    this.given = Number.isNaN(until) ? undefined : { credential, until };
    return credential;
  }

  private clusterInfo(): object {
    const { value: cluster, folder } = this.cluster;
    const ca = content(folder, cluster["certificate-authority-data"], cluster["certificate-authority"]);
    const config = cluster.extensions?.find(({ name }) => name === PLUGIN_CONFIG)?.extension;
    const all = {
      server: this.server,
      "tls-server-name": cluster["tls-server-name"],
      "insecure-skip-tls-verify": cluster["insecure-skip-tls-verify"],
      "certificate-authority-data": ca?.toString("base64"),
      "proxy-url": cluster["proxy-url"],
      config,
    };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined && value !== null));
  }

  /** What only the library does: OIDC, which renews its token. */
  private async headersOfProvider(user: User): Promise<object> {
    const provider = user["auth-provider"]?.name ?? "";
    if (provider !== "oidc") {
      throw new UserError(
        "kubeconfig",
        `the user of context "${this.name}" logs in by the auth-provider "${provider}", which Kubernetes no longer has`,
        "make a kubeconfig with its credential plugin (gke-gcloud-auth-plugin, kubelogin)",
      );
    }
    const { KubeConfig } = await import("@kubernetes/client-node");
    const config = new KubeConfig();
    config.loadFromString(
      JSON.stringify({
        "current-context": "c",
        clusters: [{ name: "c", cluster: { server: this.server } }],
        users: [{ name: "c", user: { "auth-provider": user["auth-provider"] } }],
        contexts: [{ name: "c", context: { cluster: "c", user: "c" } }],
      }),
    );
    const options: https.RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    return options.headers ?? {};
  }
}

/** Inline data counts before a file, as with kubectl. */
function content(folder: string, data: string | null | undefined, file: string | null | undefined): Buffer | undefined {
  if (data) return Buffer.from(data, "base64");
  return file ? readFileSync(resolve(folder, file)) : undefined;
}

/** That of the file; where there is none, the one that is written down, as with kubectl. */
function tokenOf({ tokenFile, token }: User, home: string): string | undefined {
  const file = tokenFile ? resolve(home, tokenFile) : undefined;
  if (file !== undefined && (!token || existsSync(file))) {
    const found = readFileSync(file, "utf8").trim();
    if (found !== "") return found;
  }
  return token ?? undefined;
}

function impersonation(user: User): Record<string, string | string[]> {
  const extra = Object.entries(user["as-user-extra"] ?? {});
  return {
    ...(user.as ? { "impersonate-user": user.as } : {}),
    ...(user["as-uid"] ? { "impersonate-uid": user["as-uid"] } : {}),
    ...(user["as-groups"]?.length ? { "impersonate-group": user["as-groups"] } : {}),
    ...Object.fromEntries(
      extra.map(([key, values]) => [`impersonate-extra-${encodeURIComponent(key.toLowerCase())}`, values ?? []]),
    ),
  };
}
