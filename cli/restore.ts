import * as path from "node:path";
import { findBackup } from "../cluster/backup/find";
import { openStore } from "../cluster/backup/open-store";
import { restoreDatabase } from "../cluster/backup/restore";
import type { ClusterClient } from "../cluster/connect";
import { readRelease } from "../cluster/release";
import { destinationOf, findDatabases } from "../plan/backup/plan";
import { type BackupManifest, rowsOf } from "../plan/backup/manifest";
import { type DatabaseTarget, whereIs } from "../plan/backup/references";
import type { UpgradeConfig } from "../plan/config";
import { prepareConfig } from "../plan/config-load";
import { connectTo } from "../plan/live";
import type { Command, Target } from "./arguments";
import { confirmed } from "./confirm";
import { CliError, openStack } from "./engine";

/**
 * Puts a database back as a verified backup has it: restores into a new database beside it, compares, and only then swaps the two.
 * The old one is kept under a dated name.
 *
 * @returns the exit code: 0 done, 1 not wanted.
 * @throws CliError, PreflightError, ConfigError: refused or failed; the database is then as it was, unless the message says otherwise.
 */
export async function restoreCommand({
  target,
  database,
  from,
  yes,
}: Extract<Command, { name: "restore" }>): Promise<number> {
  const { stack, config, folder } = await readStack(target);
  // Relative paths of the configuration are relative to the program, as in `pulumi up`.
  const file = from === "latest" ? from : from.startsWith("s3://") ? from : path.resolve(from);
  process.chdir(folder);
  const client = await connectTo(config);
  const found = await databaseNamed(client, config, database);
  const store = openStore(destinationOf(config), stack);
  const owner = {
    stack,
    cluster: client.uid ?? "unknown",
    name: database,
    release: { name: config.release, namespace: config.namespace },
  };
  const { manifest, read, location } = await findBackup(store, owner, file);
  console.log(describe(manifest, found, location));
  if (manifest.cluster !== owner.cluster) console.log("  made on another cluster");
  const otherwise = `casa-upgrade restore --database ${database} --from ${from} --yes`;
  if (!yes && !(await confirmed("Put the database back to this?", otherwise))) return 1;
  const { old } = await restoreDatabase(client, found, manifest, read, {
    owner,
    timeoutSeconds: config.backup.timeoutSeconds,
    say: (line) => console.log(line),
  });
  console.log(
    `Done. What was there before is kept as database "${old}"; when it is not needed any more: DROP DATABASE "${old}";`,
  );
  return 0;
}

async function readStack(target: Target): Promise<{ stack: string; config: UpgradeConfig; folder: string }> {
  const stack = await openStack(target);
  const { name, main } = await stack.workspace.projectSettings();
  const all = Object.entries(await stack.getAllConfig());
  const folder = path.resolve(target.cwd, main ?? ".");
  const values = Object.fromEntries(all.map(([key, { value }]) => [key, value]));
  const secrets = all.flatMap(([key, { secret }]) => (secret ? [key] : []));
  // Value files are relative to the program, too.
  const here = process.cwd();
  process.chdir(folder);
  try {
    return { stack: stack.name, config: prepareConfig(name, values, secrets).config, folder };
  } finally {
    process.chdir(here);
  }
}

async function databaseNamed(client: ClusterClient, config: UpgradeConfig, name: string): Promise<DatabaseTarget> {
  const installed = await readRelease(client, config.namespace, config.release);
  if (!installed) {
    throw new CliError(
      `release ${config.release} is not installed in namespace ${config.namespace}\n  Fix: check context, release and namespace`,
    );
  }
  const all = await findDatabases(client, config, installed);
  const found = all.find((one) => one.name === name);
  if (found) return found;
  const known = all.map((one) => one.name).join(", ") || "none";
  throw new CliError(
    `there is no database "${name}" (there are: ${known})\n  Fix: name one of them, or add it to backup.databases`,
  );
}

function describe(manifest: BackupManifest, target: DatabaseTarget, location: string): string {
  const { release, at, bytes, tables, alembic, sha256 } = manifest;
  return [
    `Database ${manifest.name} (${whereIs(target)}) from ${location}`,
    `  made ${at} of ${release.namespace}/${release.name} ${release.chartVersion}, revision ${release.revision}`,
    `  ${tables.length} tables, ${rowsOf(manifest)} rows, Alembic revision ${alembic ?? "absent"}, ${bytes} bytes, sha256 ${sha256}`,
    "  Clients are disconnected for a moment; what was written since the backup is only in the database that is kept aside.",
  ].join("\n");
}
