import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { readStackState } from "../../shared/stack-state";
import { gateJob, type GateSettings } from "./settings";

/** A gate that was passed, as the stack's state has it. */
export interface EarlierRecord {
  readonly settings: unknown;
  readonly chart: string;
  readonly revision: number;
  /** Undefined: recorded by a version that told its gate neither. */
  readonly told?: { readonly secrets: readonly string[]; readonly acceptsLoss: boolean };
}

/**
 * How versions before 0.2.0 recorded it: in the environment of the command. The command has another form now, and would
 * run again in every such stack without a reason.
 */
const before02 = z
  .looseObject({ environment: z.looseObject({ MIGRATION_GATE: z.string(), CHART: z.string(), REVISION: z.string() }) })
  .transform(({ environment: { MIGRATION_GATE, CHART, REVISION } }): EarlierRecord => ({
    ...{ settings: parsed(MIGRATION_GATE), chart: CHART, revision: Number(REVISION) },
  }));

/**
 * What the command was told when it last succeeded. Its program may be found in another place since then, as when a
 * stack moves to another program or machine, and that is no reason to look again. The backups in it are those of the
 * run that made the revision.
 */
const told = z
  .looseObject({ stdin: z.string() })
  .transform(({ stdin }) => gateJob.safeParse(parsed(stdin)).data)
  .transform(
    (job): EarlierRecord | undefined =>
      job && {
        ...{ settings: job.settings, chart: job.chart, revision: job.revision },
        told: { secrets: job.secrets, acceptsLoss: job.acceptsLoss ?? false },
      },
  );

const resourceOutputs = z.looseObject({
  outputs: z.record(z.string(), z.looseObject({ outputs: z.looseObject({}).optional() })),
});

/**
 * Asks the engine what the state holds of the gate's command.
 *
 * @param command name of the command resource.
 * @returns undefined when it is not there, is of a newer version, or the engine does not say: the gate then looks once
 * more.
 */
export async function readEarlierRecord(stack: string, command: string): Promise<EarlierRecord | undefined> {
  return findEarlierRecord(await readStackState(stack), command);
}

/** {@link readEarlierRecord} on the engine's answer. */
export function findEarlierRecord(answer: unknown, command: string): EarlierRecord | undefined {
  const { outputs = {} } = resourceOutputs.safeParse(answer).data ?? {};
  const [, found] = Object.entries(outputs).find(([urn]) => urn.endsWith(`::${command}`)) ?? [];
  return z.union([before02, told]).safeParse(found?.outputs).data;
}

/** What a gate would be told now. */
interface Wanted {
  readonly settings?: GateSettings;
  readonly digest: string;
  readonly revision?: number;
  readonly secrets?: readonly string[];
  readonly acceptsLoss?: boolean;
}

/** Whether that gate was passed for exactly this. */
export function passedEarlier(record: EarlierRecord | undefined, wanted: Wanted): boolean {
  if (!record || wanted.settings === undefined) return false;
  const { digest, revision, secrets = [], acceptsLoss = false } = wanted;
  // As JSON, which is what it was recorded in.
  const settings = parsed(JSON.stringify(wanted.settings));
  const isSame = record.chart === digest && record.revision === revision;
  const isToldSame =
    record.told === undefined || isDeepStrictEqual(record.told, { secrets: [...secrets], acceptsLoss });
  return isSame && isToldSame && isDeepStrictEqual(record.settings, settings);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
