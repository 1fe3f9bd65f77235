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
  const known = CAUSES.find(([pattern]) => pattern.test(text));
  if (known) return { problem: `${known[1]} (${said})`, fix: known[2] };
  const ended = code === null ? "was killed" : `failed with exit code ${code}`;
  return { problem: `${step} ${ended}: ${said}`, fix: "repair what the message names, then repeat" };
}

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
