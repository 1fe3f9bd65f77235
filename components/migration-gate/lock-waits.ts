/** A session of the database that waits for a lock. */
export interface LockWait {
  readonly table: string;
  /** Who waits, in words. */
  readonly who: string;
  /** Who has it locked, in words. */
  readonly holder: string;
  /** SQL that ends that. */
  readonly end: string;
}

const WAITING = `'waits', coalesce(w.relation::regclass::text, w.locktype),
  format('pid %s (user %s, since %s)', a.pid, a.usename, date_trunc('second', a.query_start))`;
const FROM_WAITING = "FROM pg_stat_activity a JOIN pg_locks w ON w.pid = a.pid AND NOT w.granted";

/** Asks which sessions of the database wait for a lock and who has it, processes and prepared transactions. */
export const WAITS_SQL = `
SELECT ${WAITING}, format('pid %s (user %s, %s, since %s)', h.pid, h.usename, coalesce(h.state, 'state not told'),
  date_trunc('second', h.xact_start)), format('SELECT pg_terminate_backend(%s);', h.pid)
${FROM_WAITING}, unnest(pg_blocking_pids(a.pid)) b JOIN pg_stat_activity h ON h.pid = b
WHERE a.datname = current_database();
SELECT ${WAITING}, format('the prepared transaction %L (user %s, since %s)', p.gid, p.owner, date_trunc('second', p.prepared)),
  format('ROLLBACK PREPARED %L;', p.gid)
${FROM_WAITING}
JOIN pg_locks l ON l.granted AND l.pid IS NULL AND l.relation = w.relation AND l.database = w.database
JOIN pg_locks x ON x.locktype = 'transactionid' AND x.pid IS NULL AND x.virtualtransaction = l.virtualtransaction
JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
WHERE a.datname = current_database();
`;

/** Reads what {@link WAITS_SQL} printed. */
export function parseWaits(output: string): LockWait[] {
  return output.split("\n").flatMap((line) => {
    const [what, table = "", who = "", holder = "", end = ""] = line.trim().split("|");
    return what === "waits" ? [{ table, who, holder, end }] : [];
  });
}

/** What waits in words, each once. */
export function waitLines(waits: readonly LockWait[]): string[] {
  const lines = waits.map(
    ({ table, who, holder, end }) =>
      `in the database ${who} waits for ${table}, which ${holder} has locked; to end that: psql -c "${end}"`,
  );
  return [...new Set(lines)].slice(0, 5);
}
