import { sqlIdentifier } from "./sql-identifier";
import { z } from "zod";

/** Something that belongs to a database and that `pg_restore` into another one leaves out. */
export const databaseProperty = z.strictObject({
  /** `acl`: rights were granted or revoked, so none is as by default; `grant`: one right. */
  kind: z.enum(["setting", "acl", "grant", "comment", "limit", "template"]),
  /** Of a setting; the right of a grant, with `*` when its holder may pass it on; else empty. */
  name: z.string(),
  value: z.string(),
  /** Whose setting or right; empty: everybody's. */
  role: z.string(),
});

export type DatabaseProperty = z.infer<typeof databaseProperty>;

/** PostgreSQL keeps the value of these as a list of identifiers; quoted as a whole it would be one. */
const LISTS = new Set([
  ...["search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries"],
  ...["shared_preload_libraries", "unix_socket_directories"],
]);

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;

/** The statements that give a database these properties; needs standard_conforming_strings. */
export function propertyStatements(database: string, properties: readonly DatabaseProperty[]): string[] {
  const db = sqlIdentifier(database);
  return properties.map(({ kind, name, value, role }) => {
    switch (kind) {
      case "setting": {
        const of = role === "" ? `ALTER DATABASE ${db}` : `ALTER ROLE ${sqlIdentifier(role)} IN DATABASE ${db}`;
        // Settings of an application have a dot in their name.
        const setting = name.split(".").map(sqlIdentifier).join(".");
        return `${of} SET ${setting} TO ${LISTS.has(name.toLowerCase()) && value !== "" ? value : literal(value)};`;
      }
      case "acl":
        return `REVOKE ALL ON DATABASE ${db} FROM PUBLIC;`;
      case "grant": {
        const to = role === "" ? "PUBLIC" : sqlIdentifier(role);
        const option = name.endsWith("*") ? " WITH GRANT OPTION" : "";
        return `GRANT ${name.replace("*", "")} ON DATABASE ${db} TO ${to}${option};`;
      }
      case "comment":
        return `COMMENT ON DATABASE ${db} IS ${literal(value)};`;
      case "limit":
        return `ALTER DATABASE ${db} CONNECTION LIMIT ${Number(value)};`;
      case "template":
        return `ALTER DATABASE ${db} IS_TEMPLATE true;`;
    }
  });
}

/** Roles that the properties name. */
export function rolesOf(properties: readonly DatabaseProperty[]): string[] {
  return [...new Set(properties.map(({ role }) => role))].filter((role) => role !== "").sort();
}

/** The wanted properties that a database does not have. */
export function missingProperties(
  wanted: readonly DatabaseProperty[],
  found: readonly DatabaseProperty[],
): DatabaseProperty[] {
  const key = ({ kind, name, value, role }: DatabaseProperty) => JSON.stringify([kind, name, value, role]);
  const there = new Set(found.map(key));
  return wanted.filter((property) => !there.has(key(property)));
}
