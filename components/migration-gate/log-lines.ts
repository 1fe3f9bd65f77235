import { stripVTControlCharacters } from "node:util";
import { isMap } from "../../kubernetes/objects";

/** Lines that are about a schema migration. */
const ABOUT = /migrat|alembic/i;
/** How the command `alembic` ends when it cannot go on; without a word of what it is about. */
const ALEMBIC_FAILED = /^FAILED: \S/;
const TRACEBACK = /^\s*Traceback \(most recent call last\):/;
/** What SQLAlchemy and PostgreSQL add below the error; `[parameters: …]` is left out, it holds data of users. */
const DETAIL = /^\s*(DETAIL|HINT|CONTEXT|LINE \d+):|^\[SQL:/;
const FAILED = /\b(error|critical|fatal|failed|failure|aborted)\b/i;
/** Words with "error" in them that say nothing went wrong. */
const HARMLESS =
  /\b(no|0|without) (errors?|failures?|failed|aborted)\b|\b(errors?|failures?|failed|aborted)"?\s*[=:]\s*(0\b|null\b|none\b|false\b|""|''|\[\]|\{\})/gi;
/** What of a log line in JSON says how something went; other fields are data. */
const SAYS = new Set(
  (
    "level levelname severity lvl logger name module component message msg event text " +
    "error err exception exc_info exc stack stack_trace traceback"
  ).split(" "),
);
/** Alembic's own report of a step names it in the author's words: "add error codes" is no error. */
const STEP = /Running (upgrade|downgrade)|Running stamp/;
/** A later attempt began, or an attempt ended well: what failed before it was overcome. */
const ATTEMPT =
  /Context impl|Will assume (non-)?transactional DDL|Running upgrade|(migrations?|alembic)\b.*\b(complete[d]?|done|finished|succeeded|successful(ly)?|applied|up[- ]to[- ]date)\b/i;

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
    .flatMap((line, i) => ((ABOUT.test(line) && !isFrame(lines, i)) || ALEMBIC_FAILED.test(line) ? [i] : []))
    .slice(-MOST.about);
  const traceback = lastTraceback(lines);
  const chosen = [...new Set([...about, ...(traceback?.shown ?? [])])].sort((a, b) => a - b);
  if (chosen.length === 0) return lines.filter((line) => line.trim() !== "").slice(-MOST.end);
  return chosen.flatMap((at, i) => {
    const gap = i > 0 && lines.slice((chosen[i - 1] ?? 0) + 1, at).some((line) => line.trim() !== "");
    return [...(gap ? ["…"] : []), lines[at] ?? ""];
  });
}

/**
 * The line by which a log says that its last migration attempt failed; undefined when it does not say so. For pods that
 * are Ready all the same, because their probe only opens a port.
 */
export function migrationFailure(text: string): string | undefined {
  const lines = linesOf(text);
  let failure: string | undefined;
  for (const [i, line] of lines.entries()) {
    if (TRACEBACK.test(line)) {
      const block = tracebackAt(lines, i);
      if (block.some((at) => ABOUT.test(lines[at] ?? ""))) failure = lines[block.at(-1) ?? i];
    } else if (ALEMBIC_FAILED.test(line)) failure = line;
    else if (!isFrame(lines, i)) {
      const said = saidBy(line);
      if (!ABOUT.test(said)) continue;
      if (FAILED.test(said.replace(HARMLESS, "")) && !STEP.test(said)) failure = line;
      else if (ATTEMPT.test(said)) failure = undefined;
    }
  }
  return failure?.trim();
}

/** The lines of a log, without the colours that some programs give them. */
function linesOf(text: string): string[] {
  return stripVTControlCharacters(text)
    .split("\n")
    .map((line) => line.trimEnd());
}

/** What a line says: of one in JSON the fields that tell how something went, where they hold something. */
function saidBy(line: string): string {
  if (!line.startsWith("{")) return line;
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch {
    return line;
  }
  if (!isMap(fields)) return line;
  return Object.entries(fields)
    .filter(([name, value]) => SAYS.has(name.toLowerCase()) && typeof value === "string" && value !== "")
    .map(([name, value]) => (/^(error|err|exception)$/i.test(name) ? `error: ${String(value)}` : String(value)))
    .join(" ");
}

/** The last traceback: its last frame, the error and the details below it. */
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
  return { shown: [start, ...block.slice(-1 - MOST.frame, -1), error, ...details] };
}

/** Line numbers of a traceback, from its head to the error, which is the first line that is not indented. */
function tracebackAt(lines: readonly string[], start: number): number[] {
  const indent = /^\s*/.exec(lines[start] ?? "")?.[0].length ?? 0;
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
  return /^\s+File "/.test(line) || (/^\s{2,}/.test(line) && /^\s+File "/.test(lines[i - 1] ?? ""));
}
