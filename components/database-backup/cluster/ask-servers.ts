import { UserError } from "../../../shared/user-error";
import { ApiError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";
import { kubeObject, type KubeObject } from "../../../kubernetes/objects";
import { listed } from "../../../shared/listed";
import type { ServerAnswer } from "../all-databases";
import { certainFailure, SESSIONS, type ServerChecks, warningsOf } from "../checks";
import { OPERATOR_KINDS } from "../elsewhere";
import type { ConfigId } from "../environment";
import type { ProofKind } from "../proof";
import { asAdmin, type DatabaseTarget, whereIs, withoutPod } from "../references";
import { LIST } from "./list-script";
import type { Fact } from "./run-script";
import { DatabaseSession } from "./session";

/** Longest wait for one server, in milliseconds. */
const LIMIT_MS = 30_000;

/** What a server said, and how its backups are tried. */
export interface AskedServer extends ServerAnswer {
  checks: ServerChecks;
  /** A pooler is in between, and the server behind it cannot be reached from here. */
  pooled: boolean;
  /** Tables with rows that are in no dump, because they belong to an extension. */
  notDumped?: readonly { database: string; table: string; extension: string }[];
  /** Databases that cannot be dumped, and why. */
  leftOut?: readonly { name: string; why: string }[];
  /** Undefined where the server does not tell this user. */
  dataDirectory?: string;
  /** Where the data directory's file system is mounted; undefined where the server is not asked in its container. */
  mountPoint?: string;
}

/** What is being asked, or was, by the server: a plan wants to know of a server for more than one reason. */
const questions = new WeakMap<ClusterClient, Map<string, Promise<AskedServer>>>();

/** The answer to {@link askServers} of a server that is among them; undefined when it was not asked. */
export function askedAlready(client: ClusterClient, target: DatabaseTarget): Promise<AskedServer> | undefined {
  return questions.get(client)?.get(whereIs(target));
}

/**
 * Asks the servers, read-only, what is on them and what a backup will need.
 *
 * @throws UserError when one does not answer.
 */
export function askServers(client: ClusterClient, targets: readonly DatabaseTarget[]): Promise<AskedServer[]> {
  const asked = targets.map((target) => [target, askServer(client, target)] as const);
  // Who asks for a workload whose pods were asked one by one gets the answer of the first.
  const byWorkload = [...asked].reverse().map(([target, answer]) => [whereIs(withoutPod(target)), answer] as const);
  questions.set(
    client,
    new Map([...byWorkload, ...asked.map(([target, answer]) => [whereIs(target), answer] as const)]),
  );
  return Promise.all(asked.map(([, answer]) => answer));
}

/**
 * A user who may not do what is needed gives way to the superuser, where the server's container knows the password.
 *
 * @param kindOf how a target's backups are tried.
 * @returns the answers, some of them as the superuser's.
 */
export function withAdmins(
  client: ClusterClient,
  asked: readonly AskedServer[],
  kindOf: (target: DatabaseTarget) => ProofKind,
): Promise<AskedServer[]> {
  return Promise.all(asked.map((answer) => orAdmin(client, answer, kindOf(answer.target))));
}

/** Refuses what would fail later. @returns warnings. @throws UserError naming the database, the cause and the fix. */
export function refuseCertainFailures(
  answers: readonly AskedServer[],
  kindOf: (target: DatabaseTarget) => ProofKind,
): string[] {
  for (const { target, checks, standby } of answers) {
    // A standby in the cluster is left to its primary.
    if (standby && !("host" in target.at)) continue;
    const failure = certainFailure(checks, kindOf(target));
    if (failure)
      throw new UserError("backup", `database ${target.name} (${whereIs(target)}): ${failure.problem}`, failure.fix);
  }
  return answers.flatMap(({ target, checks, pooled, leftOut = [], notDumped = [] }) => [
    ...warningsOf(checks, target.name),
    ...notDumped.map(
      ({ database, table, extension }) =>
        `the rows of ${table} in database ${database} of ${whereIs(target)} are in no backup: the table belongs to extension ` +
        `${extension}, which does not name it to pg_dump. Save them by hand (psql: \\copy), or, if the extension can do ` +
        `without, take it out of there (psql: ALTER EXTENSION "${extension}" DROP TABLE ${table};)`,
    ),
    ...leftOut.map(({ name, why }) => `database ${name} of ${whereIs(target)} is not backed up: ${why}`),
    ...(pooled
      ? [
          `${whereIs(target)} is a pooler, and the server behind it cannot be reached from here: pg_dump's settings may stay in ` +
            "the pool's sessions (name the server itself in backup.databases)",
        ]
      : []),
  ]);
}

async function orAdmin(client: ClusterClient, answer: AskedServer, kind: ProofKind): Promise<AskedServer> {
  const admin = asAdmin(answer.target);
  const { databases, standby, checks } = answer;
  const lacks =
    databases.some(
      ({ connect, unread = [], largeObjects = [] }) => !connect || unread.length + largeObjects.length > 0,
    ) ||
    (checks.sessions?.left ?? SESSIONS) < SESSIONS ||
    (kind === "database" && !checks.createdb && !standby);
  if (!admin || !lacks) return answer;
  // A password that is not the superuser's any more is no worse than none.
  return askServer(client, admin).catch(() => answer);
}

async function askServer(client: ClusterClient, target: DatabaseTarget): Promise<AskedServer> {
  const session = await DatabaseSession.open(client, target);
  const facts = await session.run(LIST, { step: "the question", signal: AbortSignal.timeout(LIMIT_MS) });
  const told = <K extends keyof Fact>(key: K) => facts.find((fact) => fact[key] !== undefined)?.[key];
  const systemIdentifier = told("systemIdentifier");
  const freeKiB = told("freeKiB");
  const [dataDirectory, mountPoint] = [told("dataDirectory"), told("mountPoint")];
  const inside = (name: string) => facts.filter((fact) => fact.inside === name);
  const own = inside(session.database);
  const sizes = (of: readonly Fact[]) => of.find(({ bytes }) => bytes !== undefined);
  const standby = told("recovery") ?? false;
  const sessions = facts.find(({ sessionsLeft }) => sessionsLeft !== undefined);
  return {
    target,
    database: session.database,
    user: told("user") ?? "",
    standby,
    ...(systemIdentifier === undefined ? {} : { systemIdentifier }),
    databases: facts.flatMap(({ database: name, connect = false, empty = false }) => {
      if (name === undefined) return [];
      const { unreadable = [], hidden = [], largeObjects = [] } = sizes(inside(name)) ?? {};
      return [{ name, connect, empty, unread: [...new Set([...unreadable, ...hidden])], largeObjects }];
    }),
    notDumped: facts.flatMap(({ inside: database = "", notDumped: table, extension = "" }) =>
      table === undefined ? [] : [{ database, table, extension }],
    ),
    pooled: told("pooler") === "",
    leftOut:
      standby || "host" in target.at
        ? []
        : facts.flatMap(({ leftOut: name, why = "" }) => (name === undefined ? [] : [{ name, why }])),
    ...(dataDirectory ? { dataDirectory } : {}),
    ...(mountPoint ? { mountPoint } : {}),
    checks: {
      user: told("user") ?? "",
      serverVersion: told("serverVersion") ?? "",
      clientVersion: told("client") ?? "",
      standby,
      createdb: told("createdb") ?? false,
      readOnly: told("readOnly") ?? false,
      ...(sessions?.sessionsLeft === undefined
        ? {}
        : { sessions: { left: sessions.sessionsLeft, lift: sessions.end ?? "" } }),
      ...(freeKiB === undefined ? {} : { free: freeKiB * 1024 }),
      bytes: sizes(own)?.bytes ?? 0,
      unreadable: sizes(own)?.unreadable ?? [],
      hidden: sizes(own)?.hidden ?? [],
      largeObjects: sizes(own)?.largeObjects ?? [],
      locks: own.flatMap(({ waitsFor, holder = "", end = "", prepared = false }) =>
        waitsFor === null || waitsFor === undefined ? [] : [{ table: waitsFor, holder, end, prepared }],
      ),
    },
  };
}

/**
 * The objects from which operators make databases, in one namespace.
 *
 * @returns also what may not be looked at, in words.
 */
export async function operatorObjects(
  client: ClusterClient,
  namespace: string,
): Promise<{ objects: KubeObject[]; problems: string[] }> {
  const lists = await Promise.all(
    OPERATOR_KINDS.map(async ({ apiVersion, kind }): Promise<{ objects: KubeObject[]; problems: string[] }> => {
      const type = { apiVersion, kind };
      if ((await client.api.resource(apiVersion, kind)) === undefined) return { objects: [], problems: [] };
      try {
        const found = await client.list(type, namespace, kubeObject);
        return { objects: found.map((object) => ({ ...object, ...type })), problems: [] };
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        const what = `whether ${kind} objects (${apiVersion}) in ${namespace} hold databases cannot be told`;
        return { objects: [], problems: [`${what}: ${error.message}`] };
      }
    }),
  );
  return { objects: lists.flatMap(({ objects }) => objects), problems: lists.flatMap(({ problems }) => problems) };
}

/** Some ConfigMaps and Secrets, as far as they exist. @returns also what may not be read, in words. */
export async function readConfig(
  client: ClusterClient,
  ids: readonly ConfigId[],
): Promise<{ objects: KubeObject[]; problems: string[] }> {
  const refused: string[] = [];
  const read = async ({ kind, namespace, name }: ConfigId) => {
    const type = { apiVersion: "v1", kind };
    try {
      const found = await client.api.get(type, namespace, name);
      return found === undefined ? [] : [kubeObject.parse({ ...found, ...type })];
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 403) throw error;
      refused.push(`${kind} ${namespace}/${name}`);
      return [];
    }
  };
  const objects = (await Promise.all(ids.map(read))).flat();
  const text = `programs of the release take variables from ${listed(refused.sort())}, which may not be read: whether they use databases elsewhere cannot be told`;
  return { objects, problems: refused.length > 0 ? [text] : [] };
}
