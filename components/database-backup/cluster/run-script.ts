import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { UserError } from "../../../shared/user-error";
import { liquibaseChanges } from "../manifest";
import { collationVersions } from "../job";
import { databaseProperty } from "../properties";
import { serverTraits } from "../proof";
import { FACT } from "./login-script";

const fact = z.object({
  table: z.string().optional(),
  rows: z.number().int().optional(),
  alembic: z.string().optional(),
  complete: z.boolean().optional(),
  serverVersion: z.string().optional(),
  at: z.string().optional(),
  dumped: z.number().int().optional(),
  dataDirectory: z.string().optional(),
  systemIdentifier: z.string().optional(),
  /** By which version the server sorts texts, for each collation. */
  collations: collationVersions.optional(),
  user: z.string().optional(),
  createdb: z.boolean().optional(),
  recovery: z.boolean().optional(),
  /** The server takes no writes as it is set. */
  readOnly: z.boolean().optional(),
  /** Sessions that the user may still open, where somebody set a limit; `end` is what lifts it. */
  sessionsLeft: z.number().optional(),
  database: z.string().optional(),
  connect: z.boolean().optional(),
  /** Name of a database that is no part of a backup, and why. */
  leftOut: z.string().optional(),
  why: z.string().optional(),
  empty: z.boolean().optional(),
  /** Version of pg_dump where the scripts run, and room on the server's disk. */
  client: z.string().optional(),
  freeKiB: z.number().optional(),
  /** Where the file system of the data directory is mounted in the server's container. */
  mountPoint: z.string().optional(),
  /** Name of the database that the rest is about: its size, what the user may not read, where rows would be hidden. */
  inside: z.string().optional(),
  bytes: z.number().optional(),
  unreadable: z.array(z.string()).optional(),
  hidden: z.array(z.string()).optional(),
  /** Whose large objects the user may not read, in words. */
  largeObjects: z.array(z.string()).optional(),
  /** A table with rows that no dump holds, and the extension that it belongs to. */
  notDumped: z.string().optional(),
  extension: z.string().optional(),
  prepared: z.boolean().optional(),
  property: databaseProperty.optional(),
  role: z.string().optional(),
  /** A table that a session of ours waits for, who holds it, and what ends that. */
  waitsFor: z.string().nullable().optional(),
  holder: z.string().optional(),
  end: z.string().optional(),
  /** What another server needs to take the database. */
  traits: serverTraits.optional(),
  liquibase: liquibaseChanges.optional(),
  /** A role that owns something in the database, or has a right or a policy there. */
  needsRole: z.string().optional(),
  /** A pooler is in between; where the server behind it is, empty when that cannot be reached from here. */
  pooler: z.string().optional(),
  /** A logical replication slot, and what it decodes with. */
  slot: z.string().optional(),
  plugin: z.string().optional(),
  /** A scratch database that could not be dropped. */
  left: z.string().optional(),
  /** Table that the revision is in. */
  alembicTable: z.string().optional(),
});
export type Fact = z.infer<typeof fact>;

/** Where scripts are run: a program and its arguments that a shell is started with; none for this machine. */
export interface ScriptPlace {
  command: readonly string[];
  env: NodeJS.ProcessEnv;
}

interface Run {
  args: readonly string[];
  /** Comes before the input: a password, which must not be in an argument list. */
  firstLine: string;
  input?: Readable | undefined;
  output?: ((stdout: Readable) => Promise<void>) | undefined;
  signal: AbortSignal;
}

/** Messages of a program that are kept; one that prints without end must not fill the memory. */
const MOST_MESSAGES = 200;

/**
 * Runs a script to its end. Everything that it started here ends with it when it is given up.
 *
 * @returns also what people are told; the exit code is null when it was killed or could not be run.
 * @throws what takes the output throws; the signal's reason when that is one for users.
 */
export async function runScript(
  { command, env }: ScriptPlace,
  script: string,
  { args, firstLine, input, output, signal }: Run,
): Promise<{ code: number | null; facts: Fact[]; messages: string[] }> {
  signal.throwIfAborted();
  const [program = "", ...rest] = [...command, "sh", "-c", script, "casa-upgrade", ...args];
  // A group of its own, so that what the shell started ends with it.
  const child = spawn(program, rest, { env, detached: true, stdio: "pipe" });
  const kill = () => void killGroup(child.pid);
  signal.addEventListener("abort", kill, { once: true });
  const printed = collect(child.stderr);
  printed.catch(() => undefined);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  ended.catch(() => undefined);
  child.stdin.on("error", () => undefined); // a script that fails early leaves its input unread
  child.stdin.write(`${firstLine}\n`);
  const fed = input ? pipeline(input, child.stdin).catch(unlessBrokenPipe) : child.stdin.end();
  try {
    // What takes the output fails first and best: its reason is the cause, the script's broken pipe a consequence.
    await (output ? output(child.stdout) : child.stdout.resume());
    await fed;
    const code = await ended;
    // The end of what was given up says nothing of its own.
    if (code !== 0 && signal.aborted && signal.reason instanceof UserError) throw signal.reason;
    return { code, ...(await printed) };
  } catch (error) {
    kill();
    if (signal.aborted && signal.reason instanceof UserError) throw signal.reason;
    if (error instanceof UserError) throw error;
    return { code: null, facts: [], messages: [error instanceof Error ? error.message : String(error)] };
  } finally {
    signal.removeEventListener("abort", kill);
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

async function collect(stderr: Readable): Promise<{ facts: Fact[]; messages: string[] }> {
  const facts: Fact[] = [];
  const messages: string[] = [];
  let rest = "";
  const take = (line: string) => {
    if (line.startsWith(FACT)) facts.push(fact.parse(JSON.parse(line.slice(FACT.length))));
    else if (messages.push(line) > MOST_MESSAGES) messages.shift();
  };
  for await (const chunk of stderr.setEncoding("utf8")) {
    const lines = `${rest}${chunk as string}`.split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(take);
  }
  if (rest) take(rest);
  return { facts, messages };
}

/** The other end may stop reading; why it did is in its exit code and messages. */
function unlessBrokenPipe(error: NodeJS.ErrnoException): void {
  if (!["EPIPE", "ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE"].includes(error.code ?? "")) throw error;
}
