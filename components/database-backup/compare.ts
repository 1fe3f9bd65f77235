import type { ContentFacts } from "./manifest";

/** What a restored database has otherwise than the one that was dumped, in words; empty when they are equal. */
export function contentDifferences(wanted: ContentFacts, found: ContentFacts): string[] {
  const [before, after] = [rowsByTable(wanted), rowsByTable(found)];
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  const tables = names.flatMap((table) => {
    const [dumped, restored] = [before.get(table), after.get(table)];
    if (dumped === restored) return [];
    if (restored === undefined) return [`table ${table} is missing`];
    if (dumped === undefined) return [`table ${table} was not in the database that was dumped`];
    return [`table ${table} has ${restored} rows instead of ${dumped}`];
  });
  // Earlier versions knew Alembic's table by its name only, so more revisions than they noted are no difference: more
  // rows would be one.
  const revisions = (content: ContentFacts) => content.alembic?.split(",") ?? [];
  const alembic = revisions(wanted).every((revision) => revisions(found).includes(revision))
    ? []
    : [`the Alembic revision is ${found.alembic ?? "absent"} instead of ${wanted.alembic ?? "absent"}`];
  return [...tables, ...alembic];
}

function rowsByTable({ tables }: ContentFacts): Map<string, number> {
  return new Map(tables.map(({ table, rows }) => [table, rows]));
}
