import { spawn } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import execa from "execa";
import type { DatabaseTarget } from "../../../components/database-backup/references";
import { freePorts } from "../../../sandbox/cluster/ports";
import { findPgBouncer, type PgBouncer } from "../../../sandbox/pgbouncer";
import { runSql } from "../../../sandbox/postgres";
import { findPostgresBin } from "../../../sandbox/system";

/** An extension in SQL. */
export interface Extension {
  version: string;
  trusted: boolean;
  sql: string;
}

/** A PostgreSQL server in a copy of its programs, so that a test can give it extensions. Everybody may log in. */
export class ServerOfOnesOwn {
  private pgBouncer: PgBouncer | undefined;

  private constructor(
    readonly dir: string,
    readonly bin: string,
    readonly port: number,
    private readonly asServer: { uid?: number; gid?: number },
    private readonly server: { pid?: number | undefined },
  ) {}

  /** How `psql` reaches it, as superuser. */
  get env(): Record<string, string> {
    return { PGHOST: this.dir, PGPORT: `${this.port}`, PATH: `${this.bin}${delimiter}${process.env["PATH"] ?? ""}` };
  }

  /** What the superuser's statements print. */
  async sql(database: string, text: string): Promise<string> {
    return (await runSql(this.env, text, database)).trim();
  }

  /** A database as one outside of the cluster. */
  target(database: string, user = "postgres", port = this.port): DatabaseTarget {
    const at = { host: "127.0.0.1", port, sslMode: "prefer", namespace: "none" };
    return { name: database, database: [{ value: database }], user: [{ value: user }], password: [], at };
  }

  /** @param options `programs`: folder of a server's programs; default those of this machine. */
  static async start({
    extensions = {},
    programs,
  }: { extensions?: Record<string, Extension>; programs?: string } = {}): Promise<ServerOfOnesOwn> {
    const installed = programs ?? findPostgresBin() ?? "";
    const say = async (what: string) => (await execa(join(installed, "pg_config"), [`--${what}`])).stdout;
    const dir = mkdtempSync(join(tmpdir(), "casa-pg-"));
    chmodSync(dir, 0o755);
    // The programs find their files by the way from their own folder.
    const places = await Promise.all(["bindir", "pkglibdir", "sharedir"].map(say));
    for (const place of new Set(places))
      cpSync(place, join(dir, "copy", place), { recursive: true, dereference: true });
    const [bindir = "", , sharedir = ""] = places;
    for (const [name, { version, trusted, sql }] of Object.entries(extensions)) {
      const at = join(dir, "copy", sharedir, "extension");
      writeFileSync(
        join(at, `${name}.control`),
        `default_version = '${version}'\nrelocatable = false\ntrusted = ${trusted}\n`,
      );
      writeFileSync(join(at, `${name}--${version}.sql`), sql);
    }
    const asServer = await unprivileged();
    const data = join(dir, "data");
    mkdirSync(data);
    if (asServer.uid !== undefined) for (const one of [dir, data]) chownSync(one, asServer.uid, asServer.gid ?? 0);
    const bin = join(dir, "copy", bindir);
    const env = { ...process.env, LC_ALL: "C" };
    const options = { ...asServer, cwd: dir, env };
    await execa(
      join(bin, "initdb"),
      ["-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8"],
      options,
    );
    const [port = 0] = await freePorts(1);
    const settings = ["listen_addresses=127.0.0.1", `unix_socket_directories=${dir}`, "fsync=off", "wal_level=logical"];
    const more = ["max_prepared_transactions=4", "shared_buffers=16MB"].flatMap((one) => ["-c", one]);
    const args = ["-D", data, "-p", `${port}`, ...settings.flatMap((one) => ["-c", one]), ...more];
    const child = spawn(join(bin, "postgres"), args, { ...options, stdio: "ignore" });
    const server = new ServerOfOnesOwn(dir, bin, port, asServer, child);
    await until("PostgreSQL answers", () => runSql(server.env, "SELECT 1;"));
    return server;
  }

  /**
   * A pgbouncer in transaction mode before it; undefined where there is none.
   *
   * @param options `socket`: it uses the server's socket.
   */
  async pooler({ socket = false } = {}): Promise<{ port: number; stop: () => Promise<void> } | undefined> {
    this.pgBouncer ??= findPgBouncer(this.dir);
    if (!this.pgBouncer) return undefined;
    const { program, libraries } = this.pgBouncer;
    const [port = 0] = await freePorts(1);
    const file = join(this.dir, `pgbouncer-${port}`);
    const host = socket ? this.dir : "127.0.0.1";
    writeFileSync(`${file}.users`, '"postgres" ""\n');
    writeFileSync(
      `${file}.ini`,
      `[databases]\n* = host=${host} port=${this.port}\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=${port}\nunix_socket_dir=\n` +
        `auth_type=trust\nauth_file=${file}.users\npool_mode=transaction\n`,
    );
    const child = execa(program, [`${file}.ini`], {
      ...this.asServer,
      cwd: this.dir,
      reject: false,
      env: libraries.length > 0 ? { LD_LIBRARY_PATH: libraries.join(":") } : {},
    });
    const env = { ...this.env, PGHOST: "127.0.0.1", PGPORT: `${port}` };
    await until("pgbouncer answers", () => runSql(env, "SELECT 1;"));
    return {
      port,
      stop: async () => {
        child.kill("SIGKILL");
        await child;
      },
    };
  }

  /** Another server that follows this one, to be stopped before it. */
  async standby(): Promise<{ env: Record<string, string>; stop: () => Promise<void> }> {
    const [port = 0] = await freePorts(1);
    const dir = join(this.dir, `standby-${port}`);
    const run = { ...this.asServer, cwd: this.dir, env: { ...process.env, ...this.env, LC_ALL: "C" } };
    const basebackup = ["-D", dir, "-U", "postgres", "--write-recovery-conf", "--checkpoint=fast", "--no-sync"];
    await execa(join(this.bin, "pg_basebackup"), basebackup, run);
    const settings = ["listen_addresses=127.0.0.1", `unix_socket_directories=${this.dir}`, "shared_buffers=16MB"];
    const args = ["-D", dir, "-p", `${port}`, ...settings.flatMap((one) => ["-c", one])];
    const child = execa(join(this.bin, "postgres"), [...args, "-c", "max_prepared_transactions=4"], {
      ...run,
      stdio: "ignore",
      reject: false,
    });
    const env = { ...this.env, PGPORT: `${port}` };
    await until("the standby answers", () => runSql(env, "SELECT 1;"));
    return {
      env,
      stop: async () => {
        child.kill("SIGQUIT");
        await child;
      },
    };
  }

  /** Says who may log in from where, in lines of pg_hba.conf. */
  async allow(...lines: string[]): Promise<void> {
    writeFileSync(join(this.dir, "data", "pg_hba.conf"), `${lines.join("\n")}\n`);
    await runSql(this.env, "SELECT pg_reload_conf();");
  }

  async stop(): Promise<void> {
    if (this.server.pid) process.kill(this.server.pid, "SIGQUIT");
    await until("PostgreSQL has ended", async () => {
      const { failed } = await execa(join(this.bin, "pg_isready"), [], { env: this.env, reject: false });
      if (!failed) throw new Error("it runs");
    });
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** PostgreSQL refuses to run as root. */
async function unprivileged(): Promise<{ uid?: number; gid?: number }> {
  if (process.getuid?.() !== 0) return {};
  const id = async (flag: string) => {
    const { stdout, failed } = await execa("id", [flag, "postgres"], { reject: false });
    return Number(failed ? (await execa("id", [flag, "nobody"])).stdout : stdout);
  };
  return { uid: await id("-u"), gid: await id("-g") };
}

async function until(what: string, act: () => Promise<unknown>): Promise<void> {
  const end = Date.now() + 30_000;
  for (;;) {
    try {
      await act();
      return;
    } catch (error) {
      if (Date.now() > end) throw new Error(`${what}: not within 30 s`, { cause: error });
      await sleep(50);
    }
  }
}
