import { stripVTControlCharacters } from "node:util";
import { ABOUT, BEGUN, CANNOT_GO_ON, ERROR_OF_STEP, isThrown, verdictOf } from "./log-words";

const TRACEBACK = /Traceback \(most recent call last\):/;
/** Files that no migration of the service's own is in. */
const OF_LIBRARY = /(site|dist)-packages|\/lib\/python[\d.]+\/|"<|\/(sqlalchemy|alembic)\//;
/** What SQLAlchemy and PostgreSQL add below the error; `[parameters: …]` is left out, it holds data of users. */
const DETAIL = /^\s*(DETAIL|HINT|CONTEXT|LINE \d+):|^\[SQL:/;
const FRAME = /^\s+File "/;
/** Frames of Java, .NET, Node.js and Elixir, and what stands between those of one stack. */
const STACK_FRAME = /^\s+(at \S|\([\w ]+ [\d.]+\) \S+:\d+: )/;
const CAUSE = /^\s*(Caused by:|Suppressed:|\.\.\. \d+ |--- End of )/;
/** Whoever was called by one of these was migrating. */
const OF_TOOL =
  /flyway|liquibase|umzug|node-pg-migrate|EntityFrameworkCore\.Migrations|ecto\/migrat|(typeorm|knex|kysely|drizzle-orm|mikro-orm)\/.*migrat/i;
/** The time that whoever runs a program puts in front of each of its lines. */
const STAMP = /^\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:?\d\d)?\]? /;
/** What no logger writes: with a time in front, all lines have one. */
const UNLOGGED = /^(Traceback \(most|FAILED: |\s+(File "|at \S))/;
/** A step of alembic: from which revision to which. */
const ALEMBIC_STEP = /Running upgrade (.*?) -> ([^,]+)/;

/** Enough to see the cause, little enough to read. */
const MOST = { about: 10, frame: 2, details: 4, end: 10 };

/**
 * The lines of a container's log that tell how its schema migration went: those that name a migration or alembic, and
 * the end of the last traceback (its last frame, the error, PostgreSQL's details). Where the log has neither, its end.
 * "…" stands where lines were left out in between.
 */
export function migrationLines(text: string): string[] {
  const lines = linesOf(text);
  const about = lines
    .flatMap((line, i) => ((ABOUT.test(line) && !isFrame(lines, i)) || CANNOT_GO_ON.test(line) ? [i] : []))
    .slice(-MOST.about);
  const traceback = lastTraceback(lines);
  const chosen = [...new Set([...about, ...(traceback?.shown ?? [])])].sort((a, b) => a - b);
  if (chosen.length === 0) return lines.filter((line) => line.trim() !== "").slice(-MOST.end);
  return chosen.flatMap((at, i) => {
    const gap = i > 0 && lines.slice((chosen[i - 1] ?? 0) + 1, at).some((line) => line.trim() !== "");
    return [...(gap ? ["…"] : []), lines[at] ?? ""];
  });
}

/** How the last migration attempt of a log went. */
export interface MigrationAttempt {
  /** The line by which the log says that it failed; undefined when it does not say so. */
  readonly failure?: string;
  /** Steps of alembic that it began, `from -> to`. */
  readonly steps: readonly string[];
}

/**
 * How a log says that its last migration attempt went. For pods that are Ready all the same, because their probe only
 * opens a port.
 */
export function migrationAttempt(text: string): MigrationAttempt {
  const lines = linesOf(text);
  let failure: string | undefined;
  let steps: string[] = [];
  let above = "";
  for (const [i, line] of lines.entries()) {
    if (STACK_FRAME.test(line)) {
      if (OF_TOOL.test(line) && isThrown(above)) failure = above;
      continue;
    }
    const before = above;
    if (line.trim() !== "" && !CAUSE.test(line)) above = line;
    const [, from, to = ""] = ALEMBIC_STEP.exec(line) ?? [];
    if (from !== undefined) steps.push(`${from} -> ${to.trim()}`);
    else if (/\bContext impl\b/.test(line)) steps = [];
    if (TRACEBACK.test(line)) {
      const block = tracebackAt(lines, i);
      if (block.some((at) => ABOUT.test(lines[at] ?? ""))) failure = lines[block.at(-1) ?? i];
    } else if (CANNOT_GO_ON.test(line) || (BEGUN.test(before) && ERROR_OF_STEP.test(line))) failure = line;
    else if (!isFrame(lines, i)) {
      const verdict = verdictOf(line);
      if (verdict === "failed") failure = line;
      else if (verdict === "well") failure = undefined;
    }
  }
  return { ...(failure === undefined ? {} : { failure: failure.trim() }), steps };
}

/** The line by which a log says that its last migration attempt failed; undefined when it does not say so. */
export function migrationFailure(text: string): string | undefined {
  return migrationAttempt(text).failure;
}

/** What is said where two replicas of alembic made its own table at the same time. */
const SAME_TABLE = /pg_type_typname_nsp_index|"?alembic_version\w*"? already exists/;

/** What knex and Liquibase say where another replica migrates. */
const LOCKED = /Can't take lock to run migrations|Could not acquire change log lock/;

/**
 * Another replica that did, without failing, what this one failed at: alembic takes no lock, so of replicas that start
 * together one migrates and the others find its steps done; the others of a tool with a lock may give up at it.
 */
export function wasDoneBy<T extends MigrationAttempt & { readonly pod?: string }>(
  failed: T,
  others: readonly T[],
): T | undefined {
  if (LOCKED.test(failed.failure ?? "")) {
    // A lock that nobody holds any more stops every pod.
    const stopped = new Set(others.filter(({ failure }) => failure !== undefined).map(({ pod }) => pod));
    return others.find(({ pod }) => pod !== undefined && !stopped.has(pod));
  }
  const well = others.filter(({ failure, steps }) => failure === undefined && steps.length > 0);
  const last = failed.steps.at(-1);
  if (last !== undefined) return well.find(({ steps }) => steps.includes(last));
  return SAME_TABLE.test(failed.failure ?? "") ? well.find(({ steps }) => steps[0]?.startsWith(" -> ")) : undefined;
}

/** The lines of a log, without the colours, frames and times that some programs put around them. */
function linesOf(text: string): string[] {
  const grouped = text.includes("Exception Group Traceback");
  const raw = stripVTControlCharacters(text).split("\n");
  const stamped = raw.some((line) => STAMP.test(line) && UNLOGGED.test(line.replace(STAMP, "")));
  return raw
    .map((line) => (stamped ? line.replace(STAMP, "") : line))
    .map((line) => (grouped ? line.replace(/^[\s|+]+/, (gutter) => gutter.replace(/[|+]/g, " ")) : line))
    .map((line) =>
      line.replace(/^╭─+ (Traceback \(most recent call last\)) ─+╮.*/, "$1:").replace(/^[│╰](.*?)│?$/, " $1"),
    )
    .map((line) => line.trimEnd());
}

/** The last traceback: its last frame that is no library's, the error and the details below it. */
function lastTraceback(lines: readonly string[]): { shown: number[] } | undefined {
  const start = lines.findLastIndex((line) => TRACEBACK.test(line));
  if (start < 0) return undefined;
  const block = tracebackAt(lines, start);
  const error = block.at(-1) ?? start;
  const details: number[] = [];
  for (let at = error + 1; at < lines.length && details.length < MOST.details; at++) {
    const line = lines[at] ?? "";
    if (DETAIL.test(line)) details.push(at);
    else if (line.trim() !== "" && !/^\s/.test(line)) break;
  }
  return { shown: [start, ...lastOwnFrame(lines, block), error, ...details] };
}

/** The last frame in the service's own code, where the traceback has one; libraries' frames say little. */
function lastOwnFrame(lines: readonly string[], block: readonly number[]): number[] {
  const text = (at: number) => lines[at] ?? "";
  // Marks below the code (`~~~^^^`) are no code.
  const inner = block.slice(1, -1).filter((at) => !/^[\s^~]*$/.test(text(at)));
  const frames = inner.filter((at) => FRAME.test(text(at)));
  const frame = frames.findLast((at) => !OF_LIBRARY.test(text(at))) ?? frames.at(-1);
  if (frame === undefined) return inner.slice(-MOST.frame);
  const from = inner.indexOf(frame);
  const code = inner.slice(from + 1).findIndex((at) => FRAME.test(text(at)));
  return inner.slice(from, code < 0 ? from + MOST.frame : from + 1 + Math.min(code, MOST.frame - 1));
}

/** Line numbers of a traceback, from its head to the error, which is the first line that is not indented. */
function tracebackAt(lines: readonly string[], start: number): number[] {
  // Where something stands before it in its line, the frames are indented as if nothing did.
  const indent = /^\s*(?=Traceback)/.exec(lines[start] ?? "")?.[0].length ?? 0;
  const block = [start];
  for (let at = start + 1; at < lines.length; at++) {
    const line = lines[at] ?? "";
    if (line.trim() === "") continue;
    block.push(at);
    if (line.search(/\S/) <= indent) break;
  }
  return block;
}

/**
 * A frame of a traceback (`File "…/migrations/…"` or the code below it) is about a migration only together with the
 * rest.
 */
function isFrame(lines: readonly string[], i: number): boolean {
  const line = lines[i] ?? "";
  return FRAME.test(line) || (/^\s{2,}/.test(line) && FRAME.test(lines[i - 1] ?? ""));
}
