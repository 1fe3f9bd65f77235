import { sqlIdentifier } from "./sql-identifier";
import { z } from "zod";

/** Where a backup is tried: on a server that is thrown away afterwards, or in a scratch database of its own server. */
export const proofKind = z.enum(["server", "database"]);
export type ProofKind = z.infer<typeof proofKind>;

/** Config `backup.proof`: `auto` is a throw-away server wherever one can be had. */
export const proofChoice = z.enum(["auto", "server", "database"]);
export type ProofChoice = z.infer<typeof proofChoice>;

/** Schema and version of the extension TimescaleDB. */
export const timescale = z.strictObject({ schema: z.string(), version: z.string() });

/** What another server needs to take a database as this one has it. */
export const serverTraits = z.strictObject({
  encoding: z.string(),
  /** Of CREATE DATABASE: the clauses for locale and its provider. */
  locale: z.string(),
  /** Installed extensions. */
  extensions: z.array(z.string()),
  /** Libraries that the server has loaded; null where the user may not know. */
  preloaded: z.string().nullable(),
  /** TimescaleDB wants to be told of a restore. */
  timescale: timescale.nullable(),
});
export type ServerTraits = z.infer<typeof serverTraits>;

/** Extensions that cannot be created unless the server has loaded a library, and that library. */
const NEED_PRELOAD = new Map(
  ["timescaledb", "pg_cron", "citus", "pgaudit", "pglogical", "pg_tle", "bdr", "pg_net", "supautils"].map((name) => [
    name,
    name,
  ]),
);

/**
 * Libraries that a throw-away server has to load: those of extensions of the database. The server's others (archiving,
 * replication, statistics) have no say in whether a dump can be restored.
 */
export function neededLibraries({ extensions, preloaded }: ServerTraits): string[] {
  const loaded = preloaded?.split(",").map((name) => name.trim().replaceAll('"', ""));
  return loaded === undefined
    ? extensions.flatMap((name) => NEED_PRELOAD.get(name) ?? [])
    : loaded.filter((library) => extensions.includes(library.split("/").at(-1) ?? library));
}

/** Tables that a throw-away server takes in one transaction, which holds locks of them and of their indexes. */
const AT_ONCE = 4000;

/** What a throw-away server is given, as arguments of the script that runs it. */
export function proofArguments(database: string, major: string, traits: ServerTraits, tables: number): string[] {
  const { encoding, locale } = traits;
  // A hypertable may have any number of chunks, which are no tables of the dump's list.
  const once = tables <= AT_ONCE && traits.timescale === null ? "once" : "";
  return [database, major, encoding, locale, neededLibraries(traits).join(","), ...timescaleArguments(traits), once];
}

/** The last arguments of a script that restores. */
export function timescaleArguments({
  timescale: found,
}: {
  timescale?: ServerTraits["timescale"] | undefined;
}): string[] {
  return [found?.schema ?? "", found?.version ?? ""];
}

/**
 * Roles that a throw-away server is given before the dump: policies, user mappings and data of type regrole name them.
 */
export function roleStatements(roles: readonly string[]): string {
  // A line break in a name would be taken for the end of the list's line.
  const names = roles.filter((role) => !/[\r\n]/.test(role));
  return [...names.map((role) => `CREATE ROLE ${sqlIdentifier(role)};`), END_OF_ROLES, ""].join("\n");
}

/** Ends the list of roles on the script's input. */
export const END_OF_ROLES = "-- the dump";

/** How a database's backup is tried, in words. */
export function proofText(kind: ProofKind): string {
  return kind === "server" ? "a throw-away server of the same version" : "a scratch database on the same server";
}
