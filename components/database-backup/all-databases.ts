import { listed } from "../../shared/listed";
import { UserError } from "../../shared/user-error";
import { isKeptCopy } from "./kept-copy";
import type { DatabaseTarget } from "./references";
import { whereIs, withoutPod } from "./references";

/** A database of a server, as the user finds it. */
interface AnsweredDatabase {
  name: string;
  connect: boolean;
  empty: boolean;
  /** Tables that the user may not read in whole. */
  unread?: readonly string[];
  /** Whose large objects the user may not read, in words. */
  largeObjects?: readonly string[];
}

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
  /** Databases that pg_dumpall would dump, but for the template of new ones. */
  databases: readonly AnsweredDatabase[];
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

/**
 * All databases of the servers: beside the one that its image makes those that somebody created there. A database that
 * two workloads reach is one; a standby is a copy of its primary.
 *
 * @throws UserError for a standby without its primary.
 */
export function allDatabases(asked: readonly ServerAnswer[]): AllDatabases {
  const primaries = asked.filter(({ standby }) => !standby);
  // Of the pods of one workload none need say so: a standby among them is one of theirs.
  const workload = (target: DatabaseTarget) => whereIs(withoutPod(target));
  const isCopy = ({ standby, systemIdentifier, target }: ServerAnswer) =>
    standby &&
    primaries.some((one) =>
      systemIdentifier === undefined || one.systemIdentifier === undefined
        ? workload(target) === workload(one.target)
        : systemIdentifier === one.systemIdentifier,
    );
  const answers = namedByPod(asked.filter((one) => !isCopy(one)));
  for (const { target, standby } of answers) {
    if (standby) throw standbyOnly(target);
  }

  // Servers that began as copies of one have one identifier, and data of their own by now.
  const key = ({ target, systemIdentifier }: ServerAnswer, name: string) =>
    JSON.stringify([podOf(target) === undefined ? (systemIdentifier ?? whereIs(target)) : whereIs(target), name]);
  const seen = new Set(answers.map((answer) => key(answer, answer.database)));
  const names = new Set(answers.map(({ target }) => target.name));
  const all: AllDatabases = { targets: answers.map(({ target }) => target), missing: [], copies: [], standbys: [] };
  all.standbys.push(...asked.filter(isCopy).map(({ target }) => whereIs(target)));
  for (const answer of answers) {
    const { target, user } = answer;
    for (const { name, connect, empty, unread = [], largeObjects = [] } of answer.databases) {
      if (seen.has(key(answer, name)) || SCRATCH.test(name) || empty) continue;
      seen.add(key(answer, name));
      const what = `database ${name} of ${whereIs(target)}`;
      if (isKeptCopy(name)) all.copies.push(what);
      else if (!connect) {
        const fix = `let the user connect (psql: GRANT CONNECT ON DATABASE "${name}" TO "${user}";)`;
        all.missing.push({ what: `${what}: user ${user} may not connect to it`, fix });
      } else if (unread.length + largeObjects.length > 0) {
        const more = largeObjects.length > 0 ? ` GRANT "<that role>" TO "${user}";` : "";
        const fix = `let the user read all of it (psql: GRANT pg_read_all_data TO "${user}"; ALTER ROLE "${user}" BYPASSRLS;${more})`;
        all.missing.push({ what: `${what}: user ${user} may not read ${listed([...unread, ...largeObjects])}`, fix });
      } else {
        const own = nameFor(name, target, names);
        names.add(own);
        all.targets.push({ ...target, name: own, database: [{ value: name }] });
      }
    }
  }
  return all;
}

const podOf = ({ at }: DatabaseTarget) => ("host" in at ? undefined : at.pod);

/** Pods of one workload that are servers of their own have one name at first; the first keeps it. */
function namedByPod(answers: readonly ServerAnswer[]): ServerAnswer[] {
  const taken = new Set<string>();
  return answers.map((answer) => {
    const { target } = answer;
    const pod = podOf(target);
    const name = pod !== undefined && taken.has(target.name) ? `${target.name}-${pod}` : target.name;
    taken.add(name);
    return name === target.name ? answer : { ...answer, target: { ...target, name } };
  });
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
