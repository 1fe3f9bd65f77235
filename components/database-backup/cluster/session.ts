import { UserError } from "../../../shared/user-error";
import { randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import { explainFailure } from "../failures";
import type { ContentFacts } from "../manifest";
import type { DatabaseProperty } from "../properties";
import type { DatabaseTarget } from "../references";
import { whereIs } from "../references";
import type { ClusterClient } from "../../../kubernetes/connect";
import { shellWord } from "../../../shared/shell-word";
import { serverPod } from "./pods";

import { type Fact, runScript } from "./run-script";
import { NO_LOGIN } from "./login-script";
import { END_SESSIONS } from "./scripts";
import { type Login, readLogin } from "./values";

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

/** Exit codes of the scripts themselves; each has ended what it started then. */
const OWN_CODES = [NO_LOGIN, 72, 73, 74, 75];
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
    const { code, facts, messages } = await this.attempt(script, run, this.app).catch(async (error: unknown) => {
      throw withHolders(error, await this.endSessions());
    });
    const dumped = facts.find((one) => one.dumped !== undefined)?.dumped ?? 0;
    if (code === 0 && dumped === 0) return facts;
    const failure = this.failure(run.step, code === 0 ? dumped : code, messages);
    if (code === 0 || (code !== null && OWN_CODES.includes(code))) throw failure;
    // A script that was killed, or a connection that broke off, leaves what it started: psql and pg_dump wait on, with
    // their locks.
    throw withHolders(failure, await this.endSessions());
  }

  /** Ends what was started for this session. @returns who held what it waited for, as far as the server tells. */
  private async endSessions(): Promise<Fact[]> {
    const signal = AbortSignal.timeout(END_MS);
    const run = { step: "ending our sessions", args: [this.app], signal };
    return this.attempt(END_SESSIONS, run, `${this.app}-end`).then(
      ({ facts }) => facts,
      () => [],
    );
  }

  private attempt(script: string, { args = [], input, output, signal }: ScriptRun, app: string) {
    const { at } = this.target;
    const [file, mode] = "host" in at ? ["", "host"] : [at.passwordFile ?? "", "pod"];
    const words = [this.login.database, this.login.user, file, mode, app, ...args];
    const place = { command: this.command, env: this.env };
    return runScript(place, script, { args: words, firstLine: this.login.password, input, output, signal });
  }

  private failure(step: string, code: number | null, messages: readonly string[]): UserError {
    const { problem, fix } = explainFailure({ step, code, messages });
    const isGone = messages.some((line) => line.includes(`FATAL:  database "${this.database}" does not exist`));
    return new UserError(
      "backup",
      `database ${this.target.name} (${whereIs(this.target)}): ${problem}`,
      isGone ? this.makingIt() : fix,
    );
  }

  /** A backup takes the place of a database, so there must be one. */
  private makingIt(): string {
    const { at, name } = this.target;
    const place = "host" in at ? ["--host", at.host, "--port", `${at.port}`] : [];
    const exec = this.command.map((word) => (word === "--stdin" ? "-it" : word));
    const line = [...exec, "createdb", ...place, "--username", this.login.user, this.database].map(shellWord).join(" ");
    return `if it is lost, make it empty (${line}), then: npx casa-upgrade restore --database ${shellWord(name)}`;
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

/** Rows outside of the tables in which Alembic and Liquibase keep what they have done. */
export function dataRowsOf(facts: readonly Fact[]): number {
  const theirs = new Set(facts.flatMap(({ alembicTable, liquibase }) => alembicTable ?? liquibase?.table ?? []));
  return facts.reduce((sum, { table, rows = 0 }) => (table === undefined || theirs.has(table) ? sum : sum + rows), 0);
}

/** By which versions the server sorts texts, as far as indexes depend on it; undefined where none does. */
export function collationsOf(facts: readonly Fact[]): Fact["collations"] {
  return facts.find(({ collations }) => collations !== undefined)?.collations;
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
