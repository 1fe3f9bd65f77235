import { UserError } from "../../../shared/user-error";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { explainFailure } from "../failures";
import type { ContentFacts } from "../manifest";
import { databaseProperty, type DatabaseProperty } from "../properties";
import type { DatabaseTarget } from "../references";
import { whereIs } from "../references";
import type { ClusterClient } from "../../../kubernetes/connect";
import { serverPod } from "./pods";

import { END_SESSIONS, FACT } from "./scripts";
import { type Login, readLogin } from "./values";

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
  user: z.string().optional(),
  createdb: z.boolean().optional(),
  recovery: z.boolean().optional(),
  database: z.string().optional(),
  connect: z.boolean().optional(),
  empty: z.boolean().optional(),
  property: databaseProperty.optional(),
  role: z.string().optional(),
  /** A table that a session of ours waits for, who holds it, and what ends that. */
  waitsFor: z.string().nullable().optional(),
  holder: z.string().optional(),
  end: z.string().optional(),
  /** Table that the revision is in. */
  alembicTable: z.string().optional(),
});
export type Fact = z.infer<typeof fact>;

/** How one script is run. */
export interface ScriptRun {
  /** What it is for, in an error: "the dump". */
  step: string;
  /** Arguments after those that all scripts have. */
  args?: readonly string[];
  /** What the script reads after the password. */
  input?: Readable;
  /** Takes what the script prints; the run fails with what this throws. */
  output?: (stdout: Readable) => Promise<void>;
  signal: AbortSignal;
}

/** Messages of a program that are kept; one that prints without end must not fill the memory. */
const MOST_MESSAGES = 200;
/** Longest time for ending sessions that were given up, in milliseconds. */
const END_MS = 10_000;

/** Runs scripts where PostgreSQL's programs reach a database, logged in. */
export class DatabaseSession {
  /** By which the server knows the sessions of this one. */
  private readonly app = `casa-upgrade-${randomBytes(4).toString("hex")}`;

  private constructor(
    readonly target: DatabaseTarget,
    /** Name of the database on its server. */
    readonly database: string,
    private readonly login: Login,
    private readonly command: readonly string[],
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  /** Finds the pod and reads the credentials. @throws UserError when one of them is missing. */
  static async open(client: ClusterClient, target: DatabaseTarget): Promise<DatabaseSession> {
    const login = await readLogin(client, target);
    const { at } = target;
    if ("host" in at) {
      const env = { ...process.env, PGHOST: at.host, PGPORT: `${at.port}`, PGSSLMODE: at.sslMode };
      return new DatabaseSession(target, login.database, login, [], env);
    }
    const pod = await serverPod(client, target);
    const where = ["--context", client.context, "--namespace", at.namespace];
    const exec = ["kubectl", ...where, "exec", "--stdin", pod, "--container", at.container, "--"];
    const { kubeconfigPath } = client;
    const env = kubeconfigPath === undefined ? process.env : { ...process.env, KUBECONFIG: kubeconfigPath };
    return new DatabaseSession(target, login.database, login, exec, env);
  }

  /**
   * Runs a script to its end and gives back the facts it printed.
   *
   * @throws UserError naming the database, the cause and the fix.
   */
  async run(script: string, run: ScriptRun): Promise<Fact[]> {
    try {
      return await this.attempt(script, run, this.app);
    } catch (error) {
      if (!run.signal.aborted) throw error;
      // Killing the shell, or kubectl, leaves what they started: psql and pg_dump wait on, with their locks.
      throw withHolders(error, await this.endSessions());
    }
  }

  /** Ends what was started for this session. @returns who held what it waited for, as far as the server tells. */
  private async endSessions(): Promise<Fact[]> {
    const signal = AbortSignal.timeout(END_MS);
    const run = { step: "ending our sessions", args: [this.app], signal };
    return this.attempt(END_SESSIONS, run, `${this.app}-end`).catch(() => []);
  }

  private async attempt(
    script: string,
    { step, args = [], input, output, signal }: ScriptRun,
    app: string,
  ): Promise<Fact[]> {
    signal.throwIfAborted();
    const { at } = this.target;
    const [file, mode] = "host" in at ? ["", "host"] : [at.passwordFile ?? "", "pod"];
    const words = [this.login.database, this.login.user, file, mode, app, ...args];
    const [program = "", ...rest] = [...this.command, "sh", "-c", script, "casa-upgrade", ...words];
    // A group of its own, so that what the shell started ends with it.
    const child = spawn(program, rest, { env: this.env, detached: true, stdio: "pipe" });
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
    child.stdin.write(`${this.login.password}\n`);
    const fed = input ? pipeline(input, child.stdin).catch(unlessBrokenPipe) : child.stdin.end();
    try {
      // What takes the output fails first and best: its reason is the cause, the script's broken pipe a consequence.
      await (output ? output(child.stdout) : child.stdout.resume());
      await fed;
      const code = await ended;
      const { facts, messages } = await printed;
      const dumped = facts.find((one) => one.dumped !== undefined)?.dumped ?? 0;
      if (code !== 0 || dumped !== 0) throw this.failure(step, code === 0 ? dumped : code, messages);
      return facts;
    } catch (error) {
      kill();
      if (signal.aborted && signal.reason instanceof UserError) throw signal.reason;
      if (error instanceof UserError) throw error;
      throw this.failure(step, null, [error instanceof Error ? error.message : String(error)]);
    } finally {
      signal.removeEventListener("abort", kill);
    }
  }

  private failure(step: string, code: number | null, messages: readonly string[]): UserError {
    const { problem, fix } = explainFailure({ step, code, messages });
    return new UserError("backup", `database ${this.target.name} (${whereIs(this.target)}): ${problem}`, fix);
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

/** The error of a run that was given up, with who held what it waited for. */
function withHolders(error: unknown, facts: readonly Fact[]): unknown {
  const [first] = facts.filter(({ holder }) => holder !== undefined);
  if (!(error instanceof UserError) || !first) return error;
  const waits = `it waited for ${first.waitsFor ?? "a lock"}, which ${first.holder ?? ""} has locked`;
  const fix = `wait until that has ended, or end it (psql: ${first.end ?? ""}), then repeat`;
  return new UserError(error.code, `${error.problem}: ${waits}`, fix);
}

/** What belongs to the database beside its contents, among a script's facts. */
export function propertiesOf(facts: readonly Fact[]): DatabaseProperty[] {
  return facts.flatMap(({ property }) => property ?? []);
}

/** Rows outside of the tables in which Alembic keeps its revision. */
export function dataRowsOf(facts: readonly Fact[]): number {
  const alembic = new Set(facts.flatMap(({ alembicTable }) => alembicTable ?? []));
  return facts.reduce((sum, { table, rows = 0 }) => (table === undefined || alembic.has(table) ? sum : sum + rows), 0);
}

/** Tables, rows and Alembic revision among a script's facts. @throws Error when the script did not get to their end. */
export function contentOf(facts: readonly Fact[]): ContentFacts {
  if (!facts.some(({ complete }) => complete)) throw new Error("the list of tables is not complete");
  const tables = facts.flatMap(({ table, rows }) =>
    table === undefined || rows === undefined ? [] : [{ table, rows }],
  );
  const revisions = facts.flatMap(({ alembic }) => alembic ?? []);
  return { tables, alembic: revisions.length > 0 ? revisions.join(",") : null };
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
