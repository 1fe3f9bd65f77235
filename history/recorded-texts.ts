/**
 * Texts that this program writes and reads back: the description of helm's revisions and the message of the stack's
 * updates. Both are in histories that older versions wrote, so a text that was ever written must stay readable.
 */

/** What the description of one of our revisions says. */
export interface RevisionRecord {
  /** Chart version. */
  readonly version: string;
  /** Hash of what the chart rendered. */
  readonly digest: string;
  /** The revision that somebody made by hand after our last one, when there was one. */
  readonly afterRevision?: number;
}

/** The description of a revision, as `helm history` shows it. */
export function formatDescription({ version, digest, afterRevision }: RevisionRecord): string {
  const after = afterRevision === undefined ? "" : `, after revision ${afterRevision}`;
  return `casa-upgrade ${version} rendered ${digest}${after}`;
}

/** Reads a description; undefined when it is not one of ours. */
export function parseDescription(text: string): RevisionRecord | undefined {
  const [, version, digest, after] = /^casa-upgrade (\S+) rendered (\S+?)(?:, after revision (\d+))?$/.exec(text) ?? [];
  if (version === undefined || digest === undefined) return undefined;
  return { version, digest, ...(after === undefined ? {} : { afterRevision: Number(after) }) };
}

/** What the message of an update says that our own commands made. */
export interface UpdateRecord {
  /** Name of the chart. */
  readonly chart: string;
  /** Version before, where it was another one. */
  readonly before?: string;
  readonly after: string;
  /** Who began it; white space becomes `-`. */
  readonly user: string;
  /** Number of the update whose configuration a rollback goes back to. */
  readonly rollbackTo?: number;
}

/** The message of an update, as the stack's history shows it. */
export function formatMessage({ chart, before, after, user, rollbackTo }: UpdateRecord): string {
  const what = rollbackTo === undefined ? "" : `rollback to update ${rollbackTo}: `;
  const from = before === undefined || before === after ? "" : `${before} -> `;
  return `${what}${chart} ${from}${after}, by ${user.replaceAll(/\s+/g, "-")}`;
}

/** Reads the message of an update; undefined when our commands did not make it. */
export function parseMessage(text: string): UpdateRecord | undefined {
  const pattern = /^(?:rollback to update (\d+): )?(\S+) (?:(\S+) -> )?(\S+), by (\S+)$/;
  const [, rollbackTo, chart, before, after, user] = pattern.exec(text) ?? [];
  if (chart === undefined || after === undefined || user === undefined) return undefined;
  return {
    ...{ chart, after, user },
    ...(before === undefined ? {} : { before }),
    ...(rollbackTo === undefined ? {} : { rollbackTo: Number(rollbackTo) }),
  };
}
