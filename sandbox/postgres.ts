import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import execa from "execa";

import { endProcess, MARKER, readPid } from "./cluster/processes";
import { freePorts } from "./cluster/ports";
import { findPostgresBin } from "./system";

/** Databases every server has; the runtime's two PostgreSQL pods share one server. */
export const DATABASES = ["auth", "keycloak"] as const;

/** Superuser of the server; over the socket no password is asked. */
export const SUPERUSER = "postgres";

/** Folder in which throw-away servers of backups work; the path of a socket must be short. */
export const proofDir = (dir: string) => path.join(dir, "proof");

/** How long a server may take to accept connections, in milliseconds. */
const START_MS = 30_000;

/** The PostgreSQL server of one cluster; its place is known before it runs. */
export interface PostgresServer {
  /** Folder with data, log and socket. */
  dir: string;
  /** What `psql` and `pg_dump` need to reach the server without further arguments, PATH included. */
  env: Record<string, string>;
  /**
   * Creates the data, starts the server and its databases.
   * @throws with the end of the server's log when it does not start.
   */
  start(): Promise<void>;
}

/** PostgreSQL refuses to run as root: the account its package made, else `nobody`. */
function unprivilegedUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = fs.readFileSync("/etc/passwd", "utf8").split("\n");
  for (const name of ["postgres", "nobody"]) {
    const fields = accounts.find((line) => line.startsWith(`${name}:`))?.split(":");
    if (fields) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new Error("PostgreSQL cannot run as root, and there is neither an account postgres nor nobody to run it");
}

/** The environment by which a client reaches the server in `dir`. */
function clientEnvironment(dir: string, port: number, bin: string): Record<string, string> {
  return { PGHOST: dir, PGPORT: String(port), PATH: `${bin}${path.delimiter}${process.env.PATH ?? ""}` };
}

/** Quotes an SQL identifier, such as the name of a role. */
export const quoteIdentifier = (name: string) => `"${name.replaceAll('"', '""')}"`;
/** Quotes an SQL string. Standard strings are on by default, so a backslash means itself. */
export const quoteLiteral = (value: string) => `'${value.replaceAll("'", "''")}'`;

/** Runs SQL as superuser; the text goes over stdin, so that a password in it is in no argument list. */
export async function runSql(env: Record<string, string>, sql: string, database = SUPERUSER): Promise<string> {
  const args = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", SUPERUSER, "-d", database];
  // execa looks programs up on our PATH, not on the one given to the child.
  const psql = env.PATH ? path.join(env.PATH.split(path.delimiter)[0] ?? "", "psql") : "psql";
  const { stdout } = await execa(psql, args, { env, input: sql });
  return stdout;
}

/**
 * Prepares a PostgreSQL server for the cluster in `clusterDir`. Its data is in a folder of its own under the system's
 * folder for temporary files: an unprivileged account may not be able to enter the checkout, and the path of a socket
 * must be short. Local connections are trusted; over loopback TCP a role's password is asked.
 */
export async function preparePostgres(clusterDir: string): Promise<PostgresServer> {
  const bin = findPostgresBin();
  if (!bin) throw new Error("PostgreSQL's programs were not found; run `make setup`");
  const user = unprivilegedUser();
  const dir = await fs.promises.mkdtemp(path.join(os.tmpdir(), "casa-upgrade-pg-"));
  if (user) await fs.promises.chown(dir, user.uid, user.gid);
  await fs.promises.mkdir(proofDir(dir));
  const [port = 0] = await freePorts(1);
  const env = clientEnvironment(dir, port, bin);
  const options = { ...user, cwd: dir, env: { ...process.env, [MARKER]: clusterDir, LC_ALL: "C" } };
  return { dir, env, start: () => start(bin, dir, port, env, options) };
}

async function start(
  bin: string,
  dir: string,
  port: number,
  env: Record<string, string>,
  options: { cwd: string; env: NodeJS.ProcessEnv; uid?: number; gid?: number },
): Promise<void> {
  const data = path.join(dir, "data");
  await execa(
    path.join(bin, "initdb"),
    ["-D", data, "-U", SUPERUSER, "-A", "trust", "--auth-host=scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"],
    options,
  );
  const settings = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: dir,
    // Nothing has to survive a power cut here, and several servers may run side by side on a small machine.
    fsync: "off",
    shared_buffers: "16MB",
    max_connections: "50",
  };
  const log = fs.openSync(path.join(dir, "server.log"), "a");
  const server = spawn(
    path.join(bin, "postgres"),
    ["-D", data, "-p", String(port), ...Object.entries(settings).flatMap(([key, value]) => ["-c", `${key}=${value}`])],
    { ...options, detached: true, stdio: ["ignore", log, log] },
  );
  fs.closeSync(log);
  server.unref();

  const deadline = Date.now() + START_MS;
  for (;;) {
    try {
      await runSql(env, DATABASES.map((name) => `CREATE DATABASE ${quoteIdentifier(name)};`).join("\n"));
      return;
    } catch (error) {
      if (Date.now() > deadline || server.exitCode !== null) {
        const end = fs.readFileSync(path.join(dir, "server.log"), "utf8").trim().split("\n").slice(-10).join("\n");
        throw new Error(`PostgreSQL did not start:\n${end}`, { cause: error });
      }
      await sleep(50);
    }
  }
}

/** Stops the server in `dir` at once and removes the folder. Does nothing when there is none. */
export async function stopPostgres(dir: string): Promise<void> {
  const pid = readPid(path.join(dir, "data", "postmaster.pid"));
  // SIGQUIT: the server ends its own processes and goes, without writing anything back.
  if (pid && !(await endProcess(pid, "SIGQUIT"))) await endProcess(pid, "SIGKILL");
  await fs.promises.rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
