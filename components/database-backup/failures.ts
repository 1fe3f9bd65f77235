/** What a failing step of a backup is about. */
export interface FailedStep {
  /** What was done: "the dump", "the restore into a scratch database". */
  step: string;
  /** Exit code; null when it was killed. */
  code: number | null;
  /** What PostgreSQL's programs and kubectl printed. */
  messages: readonly string[];
}

/** Cause and fix of a failed step, in the order in which a person would look. */
export function explainFailure({ step, code, messages }: FailedStep): { problem: string; fix: string } {
  const text = messages.join("\n");
  const said =
    messages
      .filter((line) => line.trim() !== "")
      .slice(-5)
      .join(" / ") || `exit code ${code ?? "none"}`;
  const ofRestore = explainRestore(text);
  if (ofRestore) return ofRestore;
  const known = CAUSES.find(([pattern]) => pattern.test(text));
  if (known) return { problem: `${known[1]} (${said})`, fix: known[2] };
  const ended = code === null ? "was killed" : `failed with exit code ${code}`;
  return { problem: `${step} ${ended}: ${said}`, fix: "repair what the message names, then repeat" };
}

/** The cause of a restore that failed, and its fix, where it is in the database and not in the server. */
export function explainRestore(text: string): { problem: string; fix: string } | undefined {
  if (!WITHOUT_SCHEMA.test(text)) return undefined;
  const name = /ERROR:\s+(.* does not exist)/.exec(text)?.[1];
  return { problem: name === undefined ? SCHEMA_PROBLEM : `${SCHEMA_PROBLEM}: ${name}`, fix: SCHEMA_FIX };
}

/** pg_restore, and a REFRESH up to PostgreSQL 16, look nothing up in `public`. */
const WITHOUT_SCHEMA =
  /does not exist[\s\S]*Command was: (?:REFRESH MATERIALIZED VIEW|CREATE (?:UNIQUE )?INDEX)|COPY failed for table [\s\S]*does not exist/;
const SCHEMA_PROBLEM =
  "its dump cannot be restored as it is: a function or a text in it names something without its schema, and a restore has no search_path";
export const SCHEMA_FIX =
  "write the schema before the name that the message says (public.name), or ALTER FUNCTION … SET search_path, then repeat";

const CAUSES: readonly (readonly [RegExp, string, string])[] = [
  [
    /password authentication failed|no password supplied|fe_sendauth/i,
    "the server refuses the password",
    "the password in the release's Secret (or in the Secret that backup.databases names) is not the one of the database: " +
      "set the one or the other (psql: \\password), then repeat",
  ],
  [
    /permission denied to create database/i,
    "the user may not create the scratch database that a backup is verified in",
    "as a superuser of the server: ALTER ROLE <user> CREATEDB;",
  ],
  [
    /No space left on device|could not extend file|ENOSPC/i,
    "a disk of the server is full",
    "make room on the server's volume: the scratch database needs as much as the database itself",
  ],
  [
    /server version mismatch/i,
    "pg_dump of this machine is older than the server",
    "install the server's major version of PostgreSQL's client programs here",
  ],
  [
    /(psql|pg_dump|pg_restore|pg_isready): (command )?not found|ENOENT/i,
    "PostgreSQL's client programs are missing where the backup runs",
    "use an image with psql, pg_dump and pg_restore; for an external server install them on this machine",
  ],
  [
    /Forbidden|cannot create resource "pods\/exec"/i,
    "kubectl exec is not allowed",
    "let the user get and create pods/exec in the release's namespace",
  ],
  [
    /Connection refused|could not translate host name|timeout expired|could not connect|starting up|shutting down/i,
    "the server cannot be reached",
    "look at the server and its pod, then repeat",
  ],
];
