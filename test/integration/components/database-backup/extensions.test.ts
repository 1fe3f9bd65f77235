import { delimiter } from "node:path";
import { expect } from "chai";
import execa from "execa";
import { askServers, refuseCertainFailures } from "../../../../components/database-backup/cluster/ask-servers";
import { certainRefusal, NO_CLUSTER } from "../../world/outside-backups";
import { ServerOfOnesOwn } from "../../world/postgres-server";

const QUEUES = {
  version: "1.0",
  trusted: false,
  sql: "CREATE TABLE queue (id int); CREATE TABLE job (id int); SELECT pg_catalog.pg_extension_config_dump('job', 'WHERE id > 0');",
};

/** What is asked of a server before a backup, compared with what pg_dump does. */
describe("extensions that keep rows, and large objects", function () {
  this.timeout(60_000);
  let server: ServerOfOnesOwn;
  const { PATH: path } = process.env;

  before(async () => {
    server = await ServerOfOnesOwn.start({ extensions: { queues: QUEUES } });
    process.env["PATH"] = `${server.bin}${delimiter}${path}`;
    await sql("postgres", "CREATE ROLE reader LOGIN; CREATE DATABASE queued;");
    await sql("queued", "CREATE EXTENSION queues; GRANT SELECT ON job, queue TO reader; INSERT INTO job VALUES (1);");
  });
  after(async () => {
    process.env["PATH"] = path;
    await server?.stop();
  });

  const sql = (database: string, text: string) => server.sql(database, text);
  const target = (...args: Parameters<ServerOfOnesOwn["target"]>) => server.target(...args);

  const dumped = (user: string) => execa("pg_dump", ["-U", user, "-d", "queued"], { env: server.env, reject: false });
  const warnings = async () => {
    const asked = await askServers(NO_CLUSTER, [target("queued")]);
    return refuseCertainFailures(asked, () => "server").join();
  };

  it("rows that pg_dump leaves out are told", async () => {
    expect(await warnings()).not.to.contain("are in no backup");
    await sql("queued", "INSERT INTO queue VALUES (1);");
    const { stdout } = await dumped("postgres");
    expect(stdout).to.contain("COPY public.job").and.not.contain("COPY public.queue");
    expect(await warnings()).to.match(
      /the rows of public.queue in database queued .* are in no backup: the table belongs to extension queues.*DROP TABLE public.queue;/,
    );
    await sql("queued", "ALTER EXTENSION queues DROP TABLE queue;");
    expect((await dumped("postgres")).stdout).to.contain("COPY public.queue");
    expect(await warnings()).not.to.contain("are in no backup");
  });

  it("rows of an extension that row security hides are refused, as pg_dump would", async () => {
    expect(await certainRefusal(target("queued", "reader"))).to.equal("");
    await sql("queued", "ALTER TABLE job ENABLE ROW LEVEL SECURITY;");
    expect((await dumped("reader")).stderr).to.contain('row-level security policy for table "job"');
    expect(await certainRefusal(target("queued", "reader"))).to.match(/hides rows of public.job.*BYPASSRLS/s);
    await sql("queued", "ALTER TABLE job DISABLE ROW LEVEL SECURITY;");
  });

  it("large objects that the user may not read are refused, as pg_dump would", async () => {
    await sql(
      "queued",
      "CREATE ROLE keeper; SELECT lo_from_bytea(4711, 'x'); ALTER LARGE OBJECT 4711 OWNER TO keeper;",
    );
    expect((await dumped("reader")).stderr).to.contain("permission denied for large object");
    expect(await certainRefusal(target("queued", "reader"))).to.match(
      /user reader may not read the large objects of role keeper.*GRANT/s,
    );
    await sql("queued", "GRANT SELECT ON LARGE OBJECT 4711 TO PUBLIC;");
    expect(await certainRefusal(target("queued", "reader"))).to.equal("");
    await sql("queued", "REVOKE SELECT ON LARGE OBJECT 4711 FROM PUBLIC; GRANT keeper TO reader;");
    expect((await dumped("reader")).exitCode).to.equal(0);
    expect(await certainRefusal(target("queued", "reader"))).to.equal("");
  });

  for (const [what, made, gone] of [
    ["a function", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';", "DROP FUNCTION f;"],
    ["a type", "CREATE TYPE mood AS ENUM ('good');", "DROP TYPE mood;"],
    ["a large object", "SELECT lo_from_bytea(4712, 'x');", "SELECT lo_unlink(4712);"],
    ["rows of an extension", "CREATE EXTENSION queues; INSERT INTO job VALUES (1);", "DROP EXTENSION queues;"],
  ] as const) {
    it(`the database postgres with ${what} is not empty`, async () => {
      const isEmpty = async () => {
        const [asked] = await askServers(NO_CLUSTER, [target("queued")]);
        return asked?.databases.find(({ name }) => name === "postgres")?.empty;
      };
      await sql("postgres", made);
      expect(await isEmpty()).to.equal(false);
      await sql("postgres", gone);
      expect(await isEmpty()).to.equal(true);
    });
  }

  it("the database postgres with an extension and no rows in it is empty", async () => {
    await sql("postgres", "CREATE EXTENSION queues;");
    const [asked] = await askServers(NO_CLUSTER, [target("queued")]);
    expect(asked?.databases.find(({ name }) => name === "postgres")?.empty).to.equal(true);
    await sql("postgres", "DROP EXTENSION queues;");
  });
});
