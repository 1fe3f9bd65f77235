import { UserError } from "../shared/user-error";
import { findBackup } from "../components/database-backup/cluster/find";
import { closeStore, openStore } from "../components/database-backup/cluster/open-store";
import { replaceDatabase } from "../components/database-backup/cluster/replace";
import { DatabaseSession } from "../components/database-backup/cluster/session";
import type { ClusterWriter } from "../kubernetes/connect";

import { readRelease } from "../helm/release";
import { rowsOf } from "../components/database-backup/manifest";
import { destinationOf, findDatabases } from "../components/database-backup/plan";
import { whereIs } from "../components/database-backup/references";
import type { UpgradeConfig } from "../config/config";
import type { Command } from "./arguments";
import { confirmed } from "./confirm";
import { openStack } from "./engine";
import { type Outcome, say } from "./output";
import { withProgress } from "./progress";
import { connectStackForWriting } from "./stack-config";

/**
 * Puts a verified backup in the place of a database. The stored dump is restored into a new database and compared with
 * its manifest first; only then the two change places, in one transaction. The old one is kept under another name.
 *
 * @returns exit code 0: done, 1: not wanted.
 * @throws UserError naming what is wrong and its fix; the database is as it was, unless the message says otherwise.
 */
export async function restoreCommand(command: Extract<Command, { name: "restore" }>): Promise<Outcome> {
  const stack = await openStack(command.target);
  const { config, client } = await connectStackForWriting(stack);
  return restore(command, stack.name, config, client);
}

async function restore(
  { database, from, yes }: Extract<Command, { name: "restore" }>,
  stack: string,
  config: UpgradeConfig,
  client: ClusterWriter,
): Promise<Outcome> {
  const installed = await readRelease(client, config.namespace, config.release);
  if (!installed)
    throw new UserError("not-installed", `release ${config.namespace}/${config.release} is not installed`);
  const targets = await withProgress("asking the servers", () => findDatabases(client, config, installed));
  const target = targets.find(({ name }) => name === database);
  if (!target) {
    const names = targets.map(({ name }) => name).join(", ") || "none";
    throw new UserError("backup", `there is no database ${database}; this release has: ${names}`);
  }
  const { timeoutSeconds } = config.backup;
  const access = { client, release: config.release, timeoutSeconds, purpose: "restore" } as const;
  const store = openStore(destinationOf(config), stack, access);
  const owner = {
    stack,
    cluster: client.uid ?? "unknown",
    name: database,
    release: { name: config.release, namespace: config.namespace },
  };
  // Nothing is held while a person thinks about the answer; reading opens the store again.
  const { manifest, location, read } = await findBackup(store, owner, from).finally(() =>
    closeStore(store, console.error),
  );

  const { at, release, cluster } = manifest;
  say(`${location}: ${at}, chart ${release.chartVersion}, ${rowsOf(manifest)} rows`);
  if (cluster !== owner.cluster) say(`made on another cluster (${cluster})`);
  say(`goes into database ${manifest.database} of ${whereIs(target)}, whose connections are ended`);
  if (!yes && !(await confirmed("Replace the database?", "casa-upgrade restore --yes"))) {
    return { code: 1, result: { outcome: "not-wanted" } };
  }
  const session = await DatabaseSession.open(client, target);
  const replaced = async () => replaceDatabase(session, manifest, await read(), owner, timeoutSeconds);
  const restored = withProgress(`restoring ${database}`, replaced);
  const { kept, left, slots } = await restored.finally(() => closeStore(store, console.error));
  say(`restored and compared: ${manifest.tables.length} tables, ${rowsOf(manifest)} rows`);
  if (left.length > 0) {
    say("warning: this user may not set what also belongs to the database; as a superuser:");
    for (const statement of left) say(`  ${statement}`);
  }
  if (slots.length > 0) {
    say(
      `warning: logical replication slots stay with ${kept}: their consumers get no change of the restored database, and the`,
    );
    say("server keeps its log for them. For each stop the consumer, then, in the restored database:");
    for (const { name, plugin } of slots) {
      say(
        `  SELECT pg_drop_replication_slot('${name}'); SELECT pg_create_logical_replication_slot('${name}', '${plugin}');`,
      );
    }
    say("and have the consumer begin with a new snapshot");
  }
  say(`the database as it was is kept as ${kept}; drop it when it is no longer needed`);
  return { code: 0, result: { outcome: "done", database, backup: location, kept, left, slots } };
}
