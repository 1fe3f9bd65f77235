import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { z } from "zod";
import { type Properties, UNKNOWN } from "../shared/handler";

/** How the provider reaches its cluster. */
export interface ClusterAccess {
  /**
   * A file that helm and kubectl can read; undefined for the user's default kubeconfig. Contents given inline are
   * written to a file of mode 0600 when this is first read.
   */
  readonly kubeconfigPath?: string;
  context?: string;
  /** Default namespace of the provider. */
  namespace?: string;
  kubeConfig: KubeConfig;
  /** Why there is no cluster to talk to; undefined when the kubeconfig is usable. */
  unreachable?: string;
}

const text = z.string().optional();
const argsSchema = z.looseObject({
  kubeconfig: text,
  context: text,
  cluster: text,
  namespace: text,
  clusterIdentifier: text,
  renderYamlToDirectory: text,
});

/** A provider argument that arrives as JSON text (`"true"`), as all but strings do. */
function isTrue(value: unknown, byDefault: boolean): boolean {
  return value === undefined || value === "" ? byDefault : value === true || value === "true";
}

/** What the provider was configured with. */
export interface ProviderSettings {
  access: ClusterAccess;
  /** Server-side apply for updates and previews; on by default as in the official provider since version 4. */
  serverSideApply: boolean;
  /** ConfigMap data may change in place instead of replacing the object. */
  configMapMutable: boolean;
  secretMutable: boolean;
}

/**
 * Reads the provider's arguments and its kubeconfig. A kubeconfig that cannot be used is no error yet: a preview goes
 * on.
 */
export function readSettings(args: Properties): ProviderSettings {
  const unknown = Object.keys(args).filter((key) => args[key] === UNKNOWN);
  const given = argsSchema.parse(Object.fromEntries(Object.entries(args).filter(([key]) => !unknown.includes(key))));
  if (given.renderYamlToDirectory) {
    throw new Error("the embedded kubernetes plugin does not render YAML to a directory; use the official one");
  }
  let kubeConfig = new KubeConfig();
  let unreachable: string | undefined;
  try {
    kubeConfig = loadKubeconfig(given);
    if (unknown.length > 0) unreachable = `the provider's ${unknown.join(", ")} is not known yet`;
    else if (!kubeConfig.getCurrentCluster()) {
      unreachable = `the kubeconfig has no context "${kubeConfig.getCurrentContext()}" with a cluster`;
    }
  } catch (error) {
    unreachable = `the kubeconfig cannot be used: ${error instanceof Error ? error.message : String(error)}`;
  }
  const contextNamespace = kubeConfig.getContextObject(kubeConfig.getCurrentContext())?.namespace;
  let file: string | undefined;
  return {
    access: {
      get kubeconfigPath() {
        return (file ??= fileOf(given.kubeconfig));
      },
      context: given.context,
      namespace: given.namespace ?? contextNamespace,
      kubeConfig,
      unreachable,
    },
    serverSideApply: isTrue(args["enableServerSideApply"], true),
    configMapMutable: isTrue(args["enableConfigMapMutable"], false),
    secretMutable: isTrue(args["enableSecretMutable"], false),
  };
}

function loadKubeconfig(given: { kubeconfig?: string; context?: string; cluster?: string }): KubeConfig {
  const config = new KubeConfig();
  if (!given.kubeconfig) config.loadFromDefault();
  else if (isContents(given.kubeconfig)) config.loadFromString(given.kubeconfig);
  else config.loadFromFile(given.kubeconfig);
  if (given.context) config.setCurrentContext(given.context);
  const { cluster } = given;
  if (cluster) {
    const current = config.getCurrentContext();
    config.contexts = config.contexts.map((context) => (context.name === current ? { ...context, cluster } : context));
  }
  return config;
}

function isContents(kubeconfig: string): boolean {
  return kubeconfig.includes("\n") || kubeconfig.trimStart().startsWith("{");
}

const FOLDER = "casa-kubeconfig-";

/** The file behind the `kubeconfig` argument. The engine kills plugins, so what an earlier one left behind goes now. */
function fileOf(kubeconfig: string | undefined): string | undefined {
  if (!kubeconfig || !isContents(kubeconfig)) return kubeconfig || undefined;
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(FOLDER))) {
    const owner = Number(name.slice(FOLDER.length).split("-")[0]);
    if (!isRunning(owner)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
  const folder = mkdtempSync(join(tmpdir(), `${FOLDER}${process.pid}-`));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "config");
  writeFileSync(file, kubeconfig, { mode: 0o600 });
  return file;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process may not be signalled, but it is there.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * The provider arguments whose change means another cluster, so that everything this provider manages is replaced. With
 * a cluster identifier on both sides only that decides; otherwise the cluster that the kubeconfigs select does.
 */
export function replacingArguments(olds: Properties, news: Properties): string[] {
  const [before, after] = [olds["clusterIdentifier"], news["clusterIdentifier"]];
  if (before !== undefined && after !== undefined && before !== "" && after !== "") {
    return before === after ? [] : ["clusterIdentifier"];
  }
  const selecting = ["kubeconfig", "context", "cluster"];
  const unknown = selecting.filter((key) => news[key] === UNKNOWN);
  if (unknown.length > 0) return unknown;
  const [was, is] = [selectedCluster(olds), selectedCluster(news)];
  return was !== undefined && is !== undefined && was !== is ? selecting : [];
}

/** The settings of the cluster that provider arguments select, as text; undefined when there is none. */
function selectedCluster(args: Properties): string | undefined {
  try {
    const cluster = loadKubeconfig(argsSchema.parse(args)).getCurrentCluster();
    return cluster ? JSON.stringify(cluster) : undefined;
  } catch {
    return undefined;
  }
}
