import * as fs from "node:fs";
import * as path from "node:path";
import { z } from "zod";

import { CLUSTERS_DIR } from "../paths";
import { commandLine, isAlive } from "./processes";

const StateSchema = z.object({
  name: z.string(),
  detached: z.boolean(),
  keeperPid: z.number().int(),
  ownerPid: z.number().int(),
  createdAt: z.iso.datetime(),
  /** Set once the cluster can be used. */
  ready: z.boolean(),
  /** Folder with the data and the socket of the cluster's PostgreSQL server. */
  postgresDir: z.string().optional(),
});

/** What is known about a cluster beyond its processes, kept in `sandbox.json` in its folder. */
export type ClusterState = z.infer<typeof StateSchema>;

/** Cluster names become folder names and parts of a kubeconfig context. */
export const NAME_PATTERN = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;

export function clusterDir(name: string): string {
  return path.join(CLUSTERS_DIR, name);
}

export function writeState(dir: string, state: ClusterState): void {
  const file = path.join(dir, "sandbox.json");
  fs.writeFileSync(`${file}.tmp`, `${JSON.stringify(state, undefined, 2)}\n`);
  fs.renameSync(`${file}.tmp`, file);
}

/** The state of the cluster in `dir`; undefined when there is none yet or it cannot be read. */
export function readState(dir: string): ClusterState | undefined {
  try {
    return StateSchema.parse(JSON.parse(fs.readFileSync(path.join(dir, "sandbox.json"), "utf8")));
  } catch {
    return undefined;
  }
}

/** Whether the cluster's keeper runs. The command line is compared too, because numbers of processes are used again. */
export function keeperRuns(dir: string, state: ClusterState): boolean {
  if (!isAlive(state.keeperPid)) return false;
  const command = commandLine(state.keeperPid);
  return command === undefined || command.includes(dir);
}

/** Names of all clusters that have a folder in this checkout. */
export function clusterNames(): string[] {
  if (!fs.existsSync(CLUSTERS_DIR)) return [];
  return fs
    .readdirSync(CLUSTERS_DIR, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

const postgresFile = (dir: string) => path.join(dir, "postgres.json");

export function writePostgresEnv(dir: string, env: Record<string, string>): void {
  fs.writeFileSync(postgresFile(dir), JSON.stringify(env));
}

/** How `psql` reaches the cluster's PostgreSQL server; undefined when the cluster has none. */
export function readPostgresEnv(dir: string): Record<string, string> | undefined {
  if (!fs.existsSync(postgresFile(dir))) return undefined;
  return z.record(z.string(), z.string()).parse(JSON.parse(fs.readFileSync(postgresFile(dir), "utf8")));
}
