import { delimiter, join } from "node:path";
import { expect } from "chai";
import { askServers, refuseCertainFailures } from "../../../../components/database-backup/cluster/ask-servers";
import { decideProof } from "../../../../components/database-backup/cluster/decide-proof";
import { compareData } from "../../../../components/migration-gate/cluster/compare-data";
import { comparableBackup } from "../../../../components/database-backup/job";
import type { ProofKind } from "../../../../components/database-backup/proof";
import { runSql } from "../../../../sandbox/postgres";
import { findPostgres17 } from "../../../../sandbox/python-tools";
import { findPostgresBin } from "../../../../sandbox/system";
import { backedUp, certainRefusal, enter, NO_CLUSTER, restored } from "../../world/outside-backups";
import { ServerOfOnesOwn } from "../../world/postgres-server";

/** Servers and clients of two major versions, whose programs are looked for on PATH. */
describe("backups with another version's programs", function () {
  this.timeout(120_000);
  let older: ServerOfOnesOwn;
  let newer: ServerOfOnesOwn;
  let leave: () => void;
  const { PATH: path } = process.env;

  /** The throw-away server's programs are found beside those on PATH. */
  const isFound = (findPostgresBin() ?? "").startsWith("/usr/lib/postgresql/");

  before(async function () {
    const programs = findPostgres17();
    if (!programs || /\/17\//.test(findPostgresBin() ?? "")) {
      console.error("there is no second version of PostgreSQL here, so nothing is tried between two");
      this.skip();
    }
    [older, newer] = await Promise.all([ServerOfOnesOwn.start(), ServerOfOnesOwn.start({ programs })]);
    leave = enter(older);
    for (const server of [older, newer]) {
      await runSql(server.env, "CREATE DATABASE data;");
      const note = "'SET transaction_timeout = 0;' AS note";
      await runSql(server.env, `CREATE TABLE t AS SELECT i AS id, ${note} FROM generate_series(1, 9) i;`, "data");
    }
  });
  after(async () => {
    leave?.();
    await Promise.all([older?.stop(), newer?.stop()]);
  });

  const withProgramsOf = (server: ServerOfOnesOwn) => {
    process.env["PATH"] = `${server.bin}${delimiter}${path}`;
  };
  /** Backs up as the preview decided, drops the table, restores, and counts. */
  async function backedUpAndRestored(server: ServerOfOnesOwn) {
    const one = server.target("data");
    const asked = await askServers(NO_CLUSTER, [one]);
    const { kindOf, warnings } = await decideProof(NO_CLUSTER, "auto", asked, { stack: "test", release: "casa" });
    refuseCertainFailures(asked, kindOf);
    const proof = { choice: "auto", kinds: { data: kindOf(one) } } as const;
    const backup = await backedUp(one, join(server.dir, "backups"), proof);
    await runSql(server.env, "DROP TABLE t;", "data");
    await restored(backup);
    const rows = await runSql(
      server.env,
      "SELECT count(*) FROM t WHERE note = 'SET transaction_timeout = 0;';",
      "data",
    );
    return { rows, said: backup.said, warnings, version: backup.manifest.serverVersion };
  }

  it("a client newer than the server: its limit that the server does not know is left out, the proof is told", async () => {
    withProgramsOf(newer);
    const { rows, said, warnings, version } = await backedUpAndRestored(older);
    expect(rows).to.equal("9");
    expect(Number.parseInt(version)).to.be.lessThan(17);
    // The throw-away server is of the server's version, and the dump is one that its own pg_restore cannot read.
    expect(`${said}\n${warnings.join()}`).to.contain(
      isFound
        ? "restored into a throw-away server of the same version, holds the same"
        : "no server programs of PostgreSQL",
    );
  });

  it("a client of the server's version: the proof is made on a server of that version", async () => {
    for (const server of [older, newer]) {
      withProgramsOf(server);
      const { rows, said } = await backedUpAndRestored(server);
      expect(rows).to.equal("9");
      expect(said).to.contain("restored into a throw-away server of the same version, holds the same");
    }
  });

  it("texts that the next server sorts by another version of its library: told, with what builds the indexes anew", async () => {
    const version = "SELECT pg_database_collation_actual_version(oid) FROM pg_database WHERE datname = 'sorted';";
    const versions: string[] = [];
    const providers = ["icu ICU_LOCALE 'en'", "builtin BUILTIN_LOCALE 'C.UTF-8'"];
    for (const [i, server] of [older, newer].entries()) {
      const provider = `LOCALE_PROVIDER ${providers[i] ?? ""}`;
      await server.sql("postgres", `CREATE DATABASE sorted TEMPLATE template0 ENCODING 'UTF8' ${provider};`);
      await server.sql("sorted", "CREATE TABLE t (name text PRIMARY KEY);\nINSERT INTO t VALUES ('a');");
      versions.push(await server.sql("postgres", version));
    }
    const [before = "", now = ""] = versions;
    expect(before).not.to.equal(now);
    withProgramsOf(newer);
    const made = (server: ServerOfOnesOwn, proof: ProofKind) =>
      backedUp(server.target("sorted"), join(server.dir, "sorted"), { choice: "auto", kinds: { sorted: proof } });
    for (const server of [older, newer]) await made(server, "server");
    await made(newer, "database");
    const backup = comparableBackup.parse((await made(older, "database")).result);
    expect(backup.comparison.collations).to.deep.equal({ default: before });
    expect(await compareData(NO_CLUSTER, [backup])).to.equal("database sorted has its data");
    const moved = { ...backup, comparison: { ...backup.comparison, target: newer.target("sorted") } };
    expect(await compareData(NO_CLUSTER, [moved]))
      .to.contain(`default: ${before} before, ${now} now`)
      .and.contain('REINDEX DATABASE "sorted"; ALTER DATABASE "sorted" REFRESH COLLATION VERSION;');
    // The statements are those that the server takes.
    await newer.sql("sorted", 'REINDEX DATABASE "sorted";\nALTER DATABASE "sorted" REFRESH COLLATION VERSION;');
  });

  it("a client older than the server is refused by the preview", async () => {
    withProgramsOf(older);
    expect(await certainRefusal(newer.target("data"), "database"))
      .to.contain("older than the server")
      .and.contain("Fix:");
  });
});
