import { isMap } from "../../kubernetes/objects";

/** Lines that are about a schema migration; what Prisma's client says of an application's queries is none. */
export const ABOUT =
  /(?<!im)migrat|alembic|flyway|liquibase|prisma(?!Client|\/client|:(?:query|info|warn|error)|\.\w)/i;
/**
 * What tools say when they cannot go on, without a word of what it is about: the last line of `alembic`, and
 * golang-migrate, Flyway, Liquibase, Prisma. A report that Flyway cannot write is no failed migration.
 */
export const CANNOT_GO_ON =
  /^FAILED: \S|\bDirty database version \d|\bFlyway\w*Exception: (?!Unable to write )|\bliquibase\.exception\.\w+|Could not acquire change log lock|^Error: P[13]\d{3}\b/;
const FAILED = /\b(error|critical|fatal|severe|failed|failure|aborted)\b/i;
/** Words with "error" in them that say nothing went wrong: nothing did, or it is said what would be done then. */
const HARMLESS = new RegExp(
  [
    /\b(no|0|zero|none|without)( (a|an|any|critical|fatal))* (errors?|failures?|failed|aborted|critical|fatal)\b/,
    /\b(errors?|failures?|failed|aborted)( count)?"?\s*[=:]?\s*(0\b|null\b|none\b|false\b|"?<?nil\b>?|""|''|\[\]|\{\})/,
    /\b(on|upon|if|when|after)( \w+)? (errors?|failures?|failed|aborted)\b/,
    /\bfail(ed|s|ing)?[- ]?over\b/,
    /\b(error|failure)[- ](handl|polic|report|cod|mod|strateg|overrid|pag|log\b)\w*/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "gi",
);
/** Requests and paths are names, whatever words are in them. */
const REQUEST = /"?\b(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) \S+( HTTP\/[\d.]+"? \d{3}( [A-Z][\w ]*)?)?/g;
const PATH = /(?<![\w:/])[\w.@~-]*(\/[\w.@~-]+)+\/?/g;
/** A tool's own report of a step names it in the author's words: "add error codes" is no error. */
const STEP =
  /Running (upgrade|downgrade|stamp|changeset)|Migrating schema .* to version (?!.*\bfailed!)|Applying migration|: migrat(ing|ed)\b|Changeset .*ran successfully|^Applied \d+\/migrate |^(executing )?query: /i;
/** What a line that calls itself information says of the migration itself, and not of something beside it. */
const STATED =
  /\b(migrations?|migrate|alembic|flyway|liquibase)( ["'#]?[\w.-]+["']?){0,4} (failed|aborted)\b|\b(failed|error)( [\w.-]+){0,4} migrat|\b(error|failure)"?\s*[=:]\s*\S/i;
/** The first level in a line; small letters count where a level has its own place. */
const LEVEL =
  /\b(?:(TRACE|DEBUG|DBG|INFO|INF|NOTICE)|WARN|WARNING|WRN|ERROR|ERR|FATAL|FTL|SEVERE|CRITICAL)\b|(?:^|\[|\b(?:level|lvl|severity)="?)(?:(trace|debug|dbug|info|notice)\b|(?:warn|error|fail|crit|fatal)\w*)/;
/** A later attempt began, or an attempt ended well: what failed before it was overcome. */
const ATTEMPT =
  /Context impl|Will assume (non-)?transactional DDL|Running upgrade|Running migrations|Migrating schema|Applying migration|no migration necessary|(successfully|update has been successful|no (pending )?migrations to).*|(migrations?|alembic)\b.*\b(complete[d]?|done|finished|succeeded|successful(ly)?|applied|up[- ]to[- ]date)\b/i;
/** What was not done, was undone, or is something else than a migration: it takes nothing back. */
const NO_SUCCESS = /\b(not|cannot|never|unable|rollback|roll(ed|ing)? back|revert\w*|connect\w*|load\w*)\b|n't\b/i;
/** golang-migrate gives it as an error. */
const NOTHING_TO_DO = /[:="] ?no change"?$/;
const UP_TO_DATE = /\b(database|schema)( \w+){0,3} (?<!\bnot )up[- ]to[- ]date\b/i;

/** What of a log line in JSON says how something went; other fields are data. */
const SAYS = new Set(
  (
    "level levelname severity lvl logger name module component message msg event text " +
    "error err exception exc_info exc stack stack_trace traceback"
  ).split(" "),
);

const LEVEL_FIELD = /^(level|levelname|severity|lvl)$/i;

/** How a line says that the migration went: that it failed, or that it goes on or went well. */
export function verdictOf(line: string): "failed" | "well" | undefined {
  const said = saidBy(line).replace(REQUEST, "");
  if (!ABOUT.test(said)) return UP_TO_DATE.test(said) ? "well" : undefined;
  if (NOTHING_TO_DO.test(said)) return "well";
  if (!STEP.test(said)) {
    const words = said.replace(PATH, "").replace(HARMLESS, "");
    if ((isInformation(said) ? STATED : FAILED).test(words)) return "failed";
  }
  return ATTEMPT.test(said) && !NO_SUCCESS.test(said) ? "well" : undefined;
}

function isInformation(said: string): boolean {
  const [, upper, lower] = LEVEL.exec(said) ?? [];
  return upper !== undefined || lower !== undefined;
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
  return (
    Object.entries(fields)
      // Some loggers of Node.js give levels as numbers, errors from 50 on.
      .map(([name, value]) => [name, name === "level" && Number(value) >= 50 ? "error" : value] as const)
      .filter(([name, value]) => SAYS.has(name.toLowerCase()) && typeof value === "string" && value !== "")
      .map(([name, value]) => [name, LEVEL_FIELD.test(name) ? String(value).toUpperCase() : value] as const)
      .map(([name, value]) => (/^(error|err|exception)$/i.test(name) ? `error: ${String(value)}` : String(value)))
      .join(" ")
  );
}
