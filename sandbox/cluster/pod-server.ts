/**
 * Run as `pod-server.ts <cluster folder>`, with messages on stderr: serves what single pods need (see pods.ts) until it
 * is killed together with the cluster.
 */
import * as path from "node:path";
import * as k8s from "@kubernetes/client-node";

import { servePods } from "./pods";
import { readPostgresEnv } from "./state";

const [dir = ""] = process.argv.slice(2);
const log = (text: string) => process.stderr.write(`${new Date().toISOString()} ${text}\n`);

const kubeconfig = new k8s.KubeConfig();
kubeconfig.loadFromFile(path.join(dir, "kubeconfig.yaml"));
process.on("uncaughtException", (error) => log(`uncaught: ${error.stack}`));
servePods({ dir, kubeconfig, postgresEnv: readPostgresEnv(dir), log }).catch((error: Error) => {
  log(`serving pods failed: ${error.message}`);
  process.exitCode = 1;
});
