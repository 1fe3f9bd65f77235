/**
 * Times a backup and its proof beside plain `pg_dump` and `pg_restore`, as a table in Markdown.
 * `CASA_UPGRADE_BENCH_MB` asks for another size than 1 GB.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import execa from "execa";
import { backUp } from "../../components/database-backup/cluster/run";
import type { BackupJob } from "../../components/database-backup/job";
import type { ClusterWriter } from "../../kubernetes/connect";
import { runSql } from "../../sandbox/postgres";
import { ServerOfOnesOwn } from "../integration/world/postgres-server";

const MEGABYTES = Number(process.env["CASA_UPGRADE_BENCH_MB"] ?? 1024);
/** Rows of this table in one megabyte, about. */
const ROWS_PER_MEGABYTE = 1650;

async function main(): Promise<void> {
  const server = await ServerOfOnesOwn.start({});
  const scratch = mkdtempSync(join(tmpdir(), "casa-bench-"));
  chmodSync(scratch, 0o711);
  process.env["PATH"] = `${server.bin}${delimiter}${process.env["PATH"] ?? ""}`;
  const sql = async (database: string, text: string) => (await runSql(server.env, text, database)).trim();
  try {
    await sql("postgres", "CREATE DATABASE large; CREATE DATABASE again;");
    await sql(
      "large",
      `CREATE TABLE t AS SELECT i AS id, repeat(md5(i::text), 17) AS note FROM generate_series(1, ${MEGABYTES * ROWS_PER_MEGABYTE}) i;
      ALTER TABLE t ADD PRIMARY KEY (id);`,
    );
    const size = await sql("large", "SELECT pg_size_pretty(pg_database_size('large'));");
    const rows: [string, number][] = [];
    const timed = async (what: string, run: () => Promise<unknown>) => {
      const begun = Date.now();
      await run();
      rows.push([what, Date.now() - begun]);
    };
    const shell = (line: string) => execa("sh", ["-c", line], { env: { ...server.env, PGUSER: "postgres" } });
    const dump = join(scratch, "plain.dump");
    await timed("`pg_dump` into a file", () => shell(`pg_dump -Fc large > ${dump}`));
    await timed("`pg_restore` of that file", () => shell(`pg_restore -d again < ${dump}`));
    await sql("postgres", "DROP DATABASE again; CREATE DATABASE again;");
    await timed("`pg_dump` into `pg_restore`", () => shell("pg_dump -Fc large | pg_restore -d again"));
    await sql("postgres", "DROP DATABASE again;");
    for (const choice of ["server", "database"] as const) {
      const where = choice === "server" ? "a throw-away server" : "a scratch database";
      await timed(`backup, tried on ${where}`, () =>
        backUp({} as ClusterWriter, job(server.port, scratch, choice), () => undefined),
      );
    }
    console.log(`A database of ${size}, on this machine:\n\n| what | seconds |\n|---|---|`);
    for (const [what, time] of rows) console.log(`| ${what} | ${(time / 1000).toFixed(1)} |`);
  } finally {
    await server.stop();
    rmSync(scratch, { recursive: true });
  }
}

function job(port: number, destination: string, choice: "server" | "database"): BackupJob {
  const at = { host: "127.0.0.1", port, sslMode: "prefer", namespace: "none" };
  const database = { name: "large", database: [{ value: "large" }], user: [{ value: "postgres" }], password: [], at };
  return {
    stack: "bench",
    cluster: "none",
    release: { name: "casa", namespace: "none", chartVersion: "0", revision: 1, status: "deployed" },
    destination: { kind: "folder", path: destination },
    keep: 1,
    timeoutSeconds: 3600,
    databases: [database],
    proof: { choice, kinds: {} },
    occasion: "bench",
  };
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
