import execa from "execa";
import { type Cluster, startCluster } from "../../sandbox/cluster/cluster";
import { Progress } from "../../sandbox/progress";
import { ensureTools, type Tools } from "../../sandbox/tools";
import { PluginClient, type PluginUnderTest, type Values } from "./client";

interface World {
  tools: Tools;
  cluster: Cluster;
}

let shared: Promise<World> | undefined;

async function start(): Promise<World> {
  const tools = await ensureTools(Progress.silent());
  return { tools, cluster: await startCluster(tools, { progress: Progress.silent() }) };
}

/** One cluster for all suites of the kubernetes plugin; each case uses a namespace of its own. */
export function world(): Promise<World> {
  return (shared ??= start());
}

after(async function () {
  this.timeout(60_000);
  await (await shared)?.cluster.stop();
});

/** Runs kubectl on the shared cluster; resolves to its stdout. */
export async function kubectl(args: string[], input?: Values): Promise<string> {
  const { tools, cluster } = await world();
  const all = ["--kubeconfig", cluster.kubeconfig, ...args];
  const { stdout } = await execa(tools.path("kubectl"), all, input ? { input: JSON.stringify(input) } : {});
  return stdout;
}

/** An object as it is in the cluster; undefined when there is none. */
export async function live(kind: string, namespace: string, name: string): Promise<Values | undefined> {
  const text = await kubectl([
    "get",
    kind,
    name,
    "-n",
    namespace,
    "-o",
    "json",
    "--ignore-not-found",
    "--show-managed-fields",
  ]);
  return text === "" ? undefined : (JSON.parse(text) as Values);
}

let namespaces = 0;

/** Makes a namespace that no other case uses. */
export async function newNamespace(): Promise<string> {
  const name = `case-${++namespaces}`;
  await kubectl(["create", "namespace", name]);
  return name;
}

/** Starts a plugin that is configured for the shared cluster. */
export async function startConfigured(plugin: PluginUnderTest, args: Values = {}): Promise<PluginClient> {
  const { cluster } = await world();
  const client = await PluginClient.start(plugin, "kubernetes");
  await client.configure({ kubeconfig: cluster.kubeconfig, context: cluster.context, ...args });
  return client;
}
