import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { z } from "zod";
import type { Properties } from "../shared/handler";

/** How the provider reaches its cluster. */
export interface ClusterAccess {
  /** A file that helm and kubectl can read; contents given inline are written to one of mode 0600. */
  kubeconfigPath?: string;
  context?: string;
  /** Default namespace of the provider. */
  namespace?: string;
  kubeConfig: KubeConfig;
  /** Why there is no cluster to talk to; undefined when the kubeconfig is usable. */
  unreachable?: string;
}

const argsSchema = z.looseObject({
  kubeconfig: z.string().optional(),
  context: z.string().optional(),
  cluster: z.string().optional(),
  namespace: z.string().optional(),
  clusterIdentifier: z.string().optional(),
  renderYamlToDirectory: z.string().optional(),
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

/** Reads the provider's arguments and its kubeconfig. A kubeconfig that cannot be used is no error yet: a preview goes on. */
export function readSettings(args: Properties): ProviderSettings {
  const given = argsSchema.parse(args);
  if (given.renderYamlToDirectory) {
    throw new Error("the embedded kubernetes plugin does not render YAML to a directory; use the official one");
  }
  const access: ClusterAccess = {
    kubeConfig: new KubeConfig(),
    context: given.context,
    namespace: given.namespace,
  };
  try {
    loadKubeconfig(access, given.kubeconfig);
    if (given.context) access.kubeConfig.setCurrentContext(given.context);
    if (!access.kubeConfig.getCurrentCluster()) {
      throw new Error(`context "${access.kubeConfig.getCurrentContext()}" does not exist`);
    }
  } catch (error) {
    access.unreachable = error instanceof Error ? error.message : String(error);
  }
  return {
    access,
    serverSideApply: isTrue(args["enableServerSideApply"], true),
    configMapMutable: isTrue(args["enableConfigMapMutable"], false),
    secretMutable: isTrue(args["enableSecretMutable"], false),
  };
}

function loadKubeconfig(access: ClusterAccess, given: string | undefined): void {
  if (given === undefined || given === "") {
    access.kubeConfig.loadFromDefault();
  } else if (given.includes("\n") || given.trimStart().startsWith("{")) {
    const folder = mkdtempSync(join(tmpdir(), "casa-kubeconfig-"));
    process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
    access.kubeconfigPath = join(folder, "config");
    writeFileSync(access.kubeconfigPath, given, { mode: 0o600 });
    access.kubeConfig.loadFromString(given);
  } else {
    access.kubeconfigPath = given;
    access.kubeConfig.loadFromFile(given);
  }
}
