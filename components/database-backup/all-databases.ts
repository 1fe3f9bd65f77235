import { UserError } from "../../shared/user-error";
import type { DatabaseTarget } from "./references";
import { whereIs } from "./references";

/** What a server says before a run begins. */
export interface ServerAnswer {
  target: DatabaseTarget;
  /** Name of the target's own database, and the user that is logged in. */
  database: string;
  user: string;
  /** Undefined where the user may not ask for it. */
  systemIdentifier?: string;
  /** It is a standby, which takes no new database. */
  standby: boolean;
  /** Databases that take connections and are no templates. */
  databases: readonly { name: string; connect: boolean; empty: boolean; unread?: readonly string[] }[];
}

/** The databases that are backed up, and what is not. */
export interface AllDatabases {
  targets: DatabaseTarget[];
  /** Not backed up although they hold something, in words with the line that helps. */
  missing: { what: string; fix: string }[];
  /** Copies that `casa-upgrade restore` kept; they are not backed up. */
  copies: string[];
  /** Standbys whose primary is among the servers. */
  standbys: string[];
}

/** Scratch databases of ours are gone soon. */
const SCRATCH = /^casa_upgrade_scratch_/;
const COPY = /_before_restore_\d{8}t\d{6}z$/;

/**
 * All databases of the servers: beside the one that its image makes those that somebody created there. A database that
 * two workloads reach is one; a standby is a copy of its primary.
 *
 * @throws UserError for a standby without its primary.
 */
export function allDatabases(asked: readonly ServerAnswer[]): AllDatabases {
  const primaries = new Set(asked.flatMap((one) => (one.standby ? [] : (one.systemIdentifier ?? []))));
  const isCopy = (one: ServerAnswer) => one.standby && primaries.has(one.systemIdentifier ?? "");
  const answers = asked.filter((one) => !isCopy(one));
  for (const { target, standby } of answers) {
    if (standby) throw standbyOnly(target);
  }

  const key = ({ target, systemIdentifier }: ServerAnswer, name: string) =>
    JSON.stringify([systemIdentifier ?? whereIs(target), name]);
  const seen = new Set(answers.map((answer) => key(answer, answer.database)));
  const names = new Set(answers.map(({ target }) => target.name));
  const all: AllDatabases = { targets: answers.map(({ target }) => target), missing: [], copies: [], standbys: [] };
  all.standbys.push(...asked.filter(isCopy).map(({ target }) => whereIs(target)));
  for (const answer of answers) {
    const { target, user } = answer;
    for (const { name, connect, empty, unread = [] } of answer.databases) {
      if (seen.has(key(answer, name)) || SCRATCH.test(name) || empty) continue;
      seen.add(key(answer, name));
      const what = `database ${name} of ${whereIs(target)}`;
      if (COPY.test(name)) all.copies.push(what);
      else if (!connect) {
        const fix = `let the user connect (psql: GRANT CONNECT ON DATABASE "${name}" TO "${user}";)`;
        all.missing.push({ what: `${what}: user ${user} may not connect to it`, fix });
      } else if (unread.length > 0) {
        const fix = `let the user read all of it (psql: GRANT pg_read_all_data TO "${user}"; ALTER ROLE "${user}" BYPASSRLS;)`;
        all.missing.push({ what: `${what}: user ${user} may not read ${listed(unread)}`, fix });
      } else {
        const own = nameFor(name, target, names);
        names.add(own);
        all.targets.push({ ...target, name: own, database: [{ value: name }] });
      }
    }
  }
  return all;
}

/** Some names, and how many more. */
export function listed(names: readonly string[], most = 3): string {
  const more = names.length > most ? ` and ${names.length - most} more` : "";
  return `${names.slice(0, most).join(", ")}${more}`;
}

function standbyOnly(target: DatabaseTarget): UserError {
  return new UserError(
    "backup",
    `database ${target.name} (${whereIs(target)}): the server is a standby (in recovery), on which no backup can be tried, and its primary is not among the release's servers`,
    "name the primary in backup.databases and set backup.discover to false, or promote the standby",
  );
}

/** Fit for a file name, and no other's. */
function nameFor(database: string, target: DatabaseTarget, taken: ReadonlySet<string>): string {
  const workload = "host" in target.at ? target.name : target.at.workload;
  const plain = database.replaceAll(/[^-\w.]/g, "_").replace(/^[^A-Za-z0-9]+/, "");
  const candidates = [...(plain === database ? [plain] : []), `${workload}-${plain}`];
  const free = candidates.find((name) => name !== "" && !taken.has(name));
  if (free !== undefined) return free;
  for (let i = 2; ; i++) if (!taken.has(`${workload}-${plain}-${i}`)) return `${workload}-${plain}-${i}`;
}
