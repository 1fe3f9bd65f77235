import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { askServers, refuseCertainFailures } from "../../../components/database-backup/cluster/ask-servers";
import { LocalStore } from "../../../components/database-backup/cluster/local-store";
import { replaceDatabase } from "../../../components/database-backup/cluster/replace";
import { backUp } from "../../../components/database-backup/cluster/run";
import { DatabaseSession } from "../../../components/database-backup/cluster/session";
import type { BackupJob, BackupResult } from "../../../components/database-backup/job";
import type { BackupManifest } from "../../../components/database-backup/manifest";
import type { ProofKind } from "../../../components/database-backup/proof";
import type { DatabaseTarget } from "../../../components/database-backup/references";
import type { ClusterWriter } from "../../../kubernetes/connect";
import type { ServerOfOnesOwn } from "./postgres-server";

/** For databases outside of the cluster, so the cluster is asked for nothing. */
export const NO_CLUSTER = {} as ClusterWriter;

const release = { name: "casa", namespace: "n", chartVersion: "0.1.0", revision: 1, status: "deployed" };
/** Whose backups they are. */
export const OWNER = { stack: "test", cluster: "c", release };

/**
 * Has this process find a server's programs, and keep temporary files where other tests leave none.
 *
 * @returns what makes it as it was.
 */
export function enter(server: ServerOfOnesOwn): () => void {
  const { PATH: path, TMPDIR: temporary } = process.env;
  process.env["TMPDIR"] = join(server.dir, "tmp");
  mkdirSync(tmpdir());
  process.env["PATH"] = `${server.bin}${delimiter}${path}`;
  return () => {
    process.env["PATH"] = path;
    if (temporary === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = temporary;
  };
}

/** A backup that was made. */
export interface MadeBackup {
  target: DatabaseTarget;
  result: BackupResult;
  manifest: BackupManifest;
  read: () => ReturnType<LocalStore["read"]>;
  /** What the run said, in lines. */
  said: string;
}

/** Backs up one database to a folder. @throws what the run throws. */
export async function backedUp(
  target: DatabaseTarget,
  destination: string,
  proof: NonNullable<BackupJob["proof"]>,
): Promise<MadeBackup> {
  const job: BackupJob = {
    ...OWNER,
    destination: { kind: "folder", path: destination },
    keep: 5,
    timeoutSeconds: 60,
    databases: [target],
    proof,
    occasion: "test",
  };
  const said: string[] = [];
  const [result] = await backUp(NO_CLUSTER, job, (line) => said.push(line));
  const store = new LocalStore(destination, OWNER.stack);
  const [manifest] = (await store.list())
    .filter(({ name }) => name === target.name)
    .sort((a, b) => (a.at < b.at ? 1 : -1));
  if (!manifest || !result) throw new Error("there is no backup");
  return { target, result, manifest, read: () => store.read(manifest.file), said: said.join("\n") };
}

/** Puts a backup in the place of its database, or of another one. */
export async function restored({ target, manifest, read }: MadeBackup, at = target) {
  const session = await DatabaseSession.open(NO_CLUSTER, at);
  return replaceDatabase(session, manifest, await read(), OWNER, 60);
}

/** What a preview refuses a backup for; empty when it does not. */
export async function certainRefusal(target: DatabaseTarget, kind: ProofKind = "server"): Promise<string> {
  return refusalBy(await askServers(NO_CLUSTER, [target]), () => kind);
}

/** The same by what servers have answered. */
export function refusalBy(...answers: Parameters<typeof refuseCertainFailures>): string {
  try {
    refuseCertainFailures(...answers);
  } catch (error) {
    return (error as Error).message;
  }
  return "";
}
