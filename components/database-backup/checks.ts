import { listed } from "../../shared/listed";
import type { ProofKind } from "./proof";
import { majorOf } from "./server-image";

/** A table that somebody has locked for himself. */
export interface HeldLock {
  table: string;
  holder: string;
  /** The statement that ends it. */
  end: string;
  /** Nobody is connected who could end it by going. */
  prepared: boolean;
}

/** A dump and who counts beside it. */
export const SESSIONS = 2;

/** What a server says that decides whether a backup will work. */
export interface ServerChecks {
  user: string;
  serverVersion: string;
  /** Of pg_dump, where it runs. */
  clientVersion: string;
  standby: boolean;
  createdb: boolean;
  /** It takes no writes as it is set. */
  readOnly: boolean;
  /** Sessions that the user may still open, and the statement that lifts the limit; undefined where there is none. */
  sessions?: { left: number; lift: string };
  /** Room on the server's disk in bytes; undefined where it cannot be told. */
  free?: number;
  /** The database that is backed up. */
  bytes: number;
  unreadable: readonly string[];
  hidden: readonly string[];
  /** Whose large objects the user may not read, in words. */
  largeObjects?: readonly string[];
  locks: readonly HeldLock[];
}

/** What would fail for certain, and the line that helps; undefined when nothing is known to. */
export function certainFailure(checks: ServerChecks, kind: ProofKind): { problem: string; fix: string } | undefined {
  const { user, serverVersion, clientVersion, unreadable, hidden, largeObjects = [], free, bytes } = checks;
  const [server, client] = [Number(majorOf(serverVersion)), Number(majorOf(clientVersion))];
  if (client < server) {
    return {
      problem: `pg_dump ${clientVersion} is older than the server (${serverVersion}), and refuses to dump it`,
      fix: `install PostgreSQL ${server}'s client programs here (Debian: apt-get install postgresql-client-${server})`,
    };
  }
  const { sessions } = checks;
  if (sessions && sessions.left < SESSIONS) {
    return {
      problem: `a dump takes ${SESSIONS} sessions, and user ${user} may open ${Math.max(sessions.left, 0)} more`,
      fix: `end some, or as a superuser of the server, with a limit that suits or none: ${sessions.lift}`,
    };
  }
  const forever = checks.locks.find(({ prepared }) => prepared);
  if (forever) {
    return {
      problem: `${forever.holder} has locked ${forever.table}, which the dump would wait for`,
      fix: `commit it, or end it (psql: ${forever.end})`,
    };
  }
  if (unreadable.length > 0) {
    return {
      problem: `user ${user} may not read ${listed(unreadable)}`,
      fix: `as a superuser of the server: GRANT pg_read_all_data TO "${user}"; before PostgreSQL 14: GRANT SELECT ON the tables`,
    };
  }
  if (hidden.length > 0) {
    return {
      problem: `row security hides rows of ${listed(hidden)} from user ${user}`,
      fix: `as a superuser of the server: ALTER ROLE "${user}" BYPASSRLS;`,
    };
  }
  if (largeObjects.length > 0) {
    return {
      problem: `user ${user} may not read ${listed(largeObjects)}`,
      fix: `as a superuser of the server, for each of these roles: GRANT "<role>" TO "${user}";`,
    };
  }
  if (kind === "server") return undefined;
  if (checks.standby) {
    return {
      problem: "the server is a standby (in recovery), on which no scratch database can be made",
      fix: "name the primary, or let backups be tried on a throw-away server: pulumi config set --path backup.proof server",
    };
  }
  if (checks.readOnly) {
    return {
      problem: "the server takes no writes (default_transaction_read_only), so no scratch database can be made",
      fix: "find out why (a full disk?) and set it off, or let backups be tried on a throw-away server: pulumi config set --path backup.proof server",
    };
  }
  if (!checks.createdb) {
    return {
      problem: `user ${user} may not create the scratch database that a backup is verified in`,
      fix: `as a superuser of the server: ALTER ROLE "${user}" CREATEDB;`,
    };
  }
  if (free !== undefined && free < bytes) {
    return {
      problem: `the server's disk has ${mebibytes(free)} left, and the scratch database that a backup is verified in needs ${mebibytes(bytes)}`,
      fix: "make room on the server's volume, or try backups elsewhere: pulumi config set --path backup.proof server",
    };
  }
  return undefined;
}

/** What may fail, as warnings. */
export function warningsOf({ locks }: Pick<ServerChecks, "locks">, database: string): string[] {
  return locks
    .filter(({ prepared }) => !prepared)
    .map(
      ({ table, holder, end }) =>
        `the dump of ${database} waits for ${table} as long as ${holder} has it locked (${end})`,
    );
}

const mebibytes = (bytes: number) => `${Math.ceil(bytes / 1024 / 1024)} MiB`;
