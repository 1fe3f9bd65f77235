import { z } from "zod";
import { parseMessage } from "./recorded-texts";

const configValue = z.looseObject({
  value: z.string().optional(),
  objectValue: z.unknown().optional(),
  secret: z.boolean().default(false),
});

/** One entry of `pulumi stack history --json --show-secrets`. */
const entry = z.looseObject({
  kind: z.string(),
  version: z.number().default(0),
  startTime: z.string(),
  endTime: z.string().nullish(),
  message: z.string().default(""),
  environment: z.record(z.string(), z.string()).nullish(),
  config: z.record(z.string(), configValue).nullish(),
  result: z.string(),
});

/** A recorded value of the configuration: plain data, decrypted where it was encrypted. */
export interface RecordedValue {
  readonly value: unknown;
  /** It was encrypted, or parts of it were. */
  readonly secret: boolean;
}

/** An update of the stack, as its history has it. */
export interface Update {
  /** The backend's number; where that has none (file, S3), counted from the oldest, 1. */
  readonly number: number;
  /** `update`, `destroy`, `refresh`, `import`, … */
  readonly kind: string;
  readonly result: string;
  readonly start: Date;
  /** Undefined while it runs, or when it was killed. */
  readonly end: Date | undefined;
  readonly message: string;
  readonly who: string;
  readonly config: ReadonlyMap<string, RecordedValue>;
  /** Commit that the project was at, where it is a git checkout. */
  readonly commit: string | undefined;
}

/**
 * Parses the whole history; newest first, as the CLI gives it.
 *
 * @param project name of the project; the keys of others (providers) keep theirs.
 * @throws z.ZodError when the CLI says something else than expected.
 */
export function parseHistory(json: unknown, project: string): Update[] {
  const all = z.array(entry).parse(json);
  return all.map((one, i) => ({
    number: one.version > 0 ? one.version : all.length - i,
    kind: one.kind,
    result: one.result,
    start: parseTime(one.startTime),
    end: one.endTime ? parseTime(one.endTime) : undefined,
    message: one.message.split("\n")[0] ?? "",
    who: whoOf(one.message, one.environment ?? {}),
    config: new Map(
      Object.entries(one.config ?? {}).map(([key, { value, objectValue, secret }]) => {
        const short = key.startsWith(`${project}:`) ? key.slice(project.length + 1) : key;
        return [short, { value: objectValue ?? value, secret }];
      }),
    ),
    commit: one.environment?.["git.head"],
  }));
}

/** The CLI writes UTC as `2026-11-23T23:53:18.000Z`. */
function parseTime(text: string): Date {
  return new Date(text);
}

/** Who began it: our own commands say so; else the CI system's run, else who made the commit. */
function whoOf(message: string, environment: Record<string, string>): string {
  const named = parseMessage(message.split("\n")[0] ?? "")?.user;
  const { "ci.system": ci, "ci.build.id": build, "git.committer": committer } = environment;
  const run = ci === undefined ? undefined : `${ci}${build === undefined ? "" : ` ${build}`}`;
  return named ?? run ?? (committer === undefined ? "" : `${committer} (commit)`);
}

/** An update whose configuration was carried out. */
export function isGood({ kind, result, config }: Update): boolean {
  return kind === "update" && result === "succeeded" && config.has("chart");
}

/** A revision of the release, as far as a history needs it. */
export interface ReleaseRevision {
  readonly revision: number;
  readonly status: string;
  readonly chartVersion: string;
  readonly description: string;
  /** RFC 3339. */
  readonly deployedAt: string;
}

/** The revisions of helm that an update made: those between its begin and its end. */
export function revisionsOf<T extends ReleaseRevision>({ start, end }: Update, revisions: readonly T[]): T[] {
  // The CLI cuts both times to whole seconds. helm's time is by the same clock, of the machine that upgrades: more
  // leeway would take in the revision of an update that ended right before.
  const [from, to] = [start.getTime(), (end ?? start).getTime() + 1000];
  return revisions.filter(({ deployedAt }) => {
    const at = Date.parse(deployedAt);
    return at >= from && at <= to;
  });
}

/** The chart version of an update: the configured one, else that of the revision it made. */
export function chartVersionOf(update: Update, revisions: readonly ReleaseRevision[]): string | undefined {
  const configured = update.config.get("version")?.value;
  if (typeof configured === "string" && configured !== "") return configured;
  return revisionsOf(update, revisions).at(-1)?.chartVersion;
}
