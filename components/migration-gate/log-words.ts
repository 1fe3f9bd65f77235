import { saidBy } from "./log-json";

/** Lines that are about a schema migration; what Prisma's client says of an application's queries is none. */
export const ABOUT =
  /(?<!im)migrat|alembic|flyway|liquibase|prisma(?!Client|\/client|:(?:query|info|warn|error)|\.\w)/i;
/** What tools say when they cannot go on, without a word of what it is about. */
export const CANNOT_GO_ON = anyOf("", [
  // The last line of `alembic`.
  /^FAILED: \S/,
  // golang-migrate, Flyway (a report that it cannot write is no failed migration), Liquibase, Prisma
  /\bDirty database version \d/,
  /\bFlyway\w*Exception: (?!Unable to write )/,
  /\bliquibase\.exception\.\w+|Could not acquire change log lock/,
  /^Error: P[13]\d{3}\b/,
  // diesel, node-pg-migrate, Rails, Django, Laravel
  /^Failed to run \d{4}-\d\d-\d\d-\d{6}_/,
  /^> Rolling back attempted migration/,
  /\bPendingMigrationError\b/,
  /^CommandError: Conflicting migrations detected/,
  /^\s*\d{4}_\d\d_\d\d_\d{6}_\w+ \.+.* FAIL$/,
  // Keycloak; Hibernate, which makes some constraints anew at each start
  /\bFailed to update database\b/,
  /\bError executing DDL "(create table|alter table (?!.*\b(add|drop) constraint\b))/,
]);
/** sequelize-cli and dbmate name a step and then, in a line of its own, the error. */
export const BEGUN = /^== .*: migrating =+$|^Appl(ying|ied): \S+\.sql\b/;
export const ERROR_OF_STEP = /^error: \S/i;
const FAILED = anyOf("i", [
  /\b(error|err|eror|critical|crit|fatal|ftl|severe|panic|exception|failed|failure|aborted)\b/,
  /\b(could ?n[o']t|cannot|can't|unable to)( [\w.-]+){1,4} migrat/,
]);
/** Words with "error" in them that say nothing went wrong: nothing did, or it is said what would be done then. */
const HARMLESS = anyOf("gi", [
  /\b(no|0|zero|none|without)( (a|an|any|critical|fatal))* (errors?|exceptions?|failures?|failed|aborted|critical|fatal)\b/,
  /\b(err|errors?|exceptions?|failures?|failed|aborted)( count)?"?\s*[=:]?\s*(0\b|null\b|none\b|false\b|"?<?nil\b>?|""|''|\[\]|\{\})/,
  /\b(on|upon|if|when|after)( \w+)? (errors?|exceptions?|failures?|failed|aborted)\b/,
  /\bfail(ed|s|ing)?[- ]?over\b/,
  /\b(error|exception|failure)[- ](handl|polic|report|cod|mod|strateg|overrid|pag|log\b)\w*/,
]);
/** Requests and paths are names, whatever words are in them. */
const REQUEST = /"?\b(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) \S+( HTTP\/[\d.]+"? \d{3}( [A-Z][\w ]*)?)?/g;
const PATH = /(?<![\w:/])[\w.@~-]*(\/[\w.@~-]+)+\/?/g;
/** A tool's own report of a step names it in the author's words: "add error codes" is no error. */
const STEP =
  /Running (upgrade|downgrade|stamp|changeset)|Migrating schema .* to version (?!.*\bfailed!)|Applying migration|: migrat(ing|ed)\b|Changeset .*ran successfully|^Applied \d+\/migrate |^(executing )?query: /i;
/** What a line that calls itself information says of the migration itself, and not of something beside it. */
const STATED =
  /\b(migrations?|migrate|alembic|flyway|liquibase)( ["'#]?[\w.-]+["']?){0,4} (failed|aborted)\b|\b(failed|error)( [\w.-]+){0,4} migrat|\b(could ?n[o']t|cannot|unable to)( [\w.-]+){1,4} migrat|\b(err|error|failure|exception)"?\s*[=:]\s*\S/i;
/** The first level in a line; small letters count where a level has its own place. */
const LEVEL =
  /\b(?:(TRACE|DEBUG|DBG|INFO|INF|NOTICE)|WARN|WARNING|WRN|ERROR|ERR|FATAL|FTL|SEVERE|CRITICAL)\b|(?:^|\[|\b(?:level|lvl|severity)="?)(?:(trace|debug|dbug|info|notice)\b|(?:warn|error|fail|crit|fatal)\w*)/;
/** How Kubernetes' own logger marks errors. */
const KLOG = /^[EF]\d{4} (?=\d\d:\d\d:\d\d\.\d+ )/;
/** A later attempt began, or an attempt ended well: what failed before it was overcome. */
const ATTEMPT =
  /Context impl|Will assume (non-)?transactional DDL|Running upgrade|Running migrations|Migrating schema|Applying migration|no migration necessary|(successfully|update has been successful|no (pending )?migrations to).*|(migrations?|alembic)\b.*\b(complete[d]?|done|finished|succeeded|successful(ly)?|applied|up[- ]to[- ]date)\b/i;
/** What was not done, was undone, or is something else than a migration: it takes nothing back. */
const NO_SUCCESS = /\b(not|cannot|never|unable|rollback|roll(ed|ing)? back|revert\w*|connect\w*|load\w*)\b|n't\b/i;
/** golang-migrate gives it as an error. */
const NOTHING_TO_DO = /[:="] ?no change"?$/;
const UP_TO_DATE = /\b(database|schema)( \w+){0,3} (?<!\bnot )up[- ]to[- ]date\b/i;

/** How a line says that the migration went: that it failed, or that it goes on or went well. */
export function verdictOf(line: string): "failed" | "well" | undefined {
  const said = saidBy(line).replace(KLOG, "ERROR ").replace(REQUEST, "");
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

/** A line above a stack that says what was thrown. */
const THROWN = /\w*(Error|Exception)\b|\b(error|failed|panic|fatal)\b/i;

/** The line above a stack: what was thrown, unless it calls itself information. */
export function isThrown(line: string): boolean {
  return THROWN.test(line) && !isInformation(line);
}

function anyOf(flags: string, patterns: readonly RegExp[]): RegExp {
  return new RegExp(patterns.map(({ source }) => source).join("|"), flags);
}
