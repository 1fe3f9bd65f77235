import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { readStackState } from "../../shared/stack-state";
import type { GateSettings } from "./settings";

/**
 * How versions before 0.2.0 recorded a passed gate in the stack's state: in the environment of the command. The command
 * has another form now, and would run again in every such stack without a reason.
 */
const earlierRecord = z.looseObject({
  environment: z.looseObject({ MIGRATION_GATE: z.string(), CHART: z.string(), REVISION: z.string() }),
});
export type EarlierRecord = z.infer<typeof earlierRecord>;

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
  return earlierRecord.safeParse(found?.outputs).data;
}

/** Whether that gate was passed for exactly this. */
export function passedEarlier(
  record: EarlierRecord | undefined,
  wanted: { settings?: GateSettings; digest: string; revision?: number },
): boolean {
  if (!record) return false;
  const { MIGRATION_GATE, CHART, REVISION } = record.environment;
  return (
    CHART === wanted.digest &&
    REVISION === `${wanted.revision}` &&
    isDeepStrictEqual(parsed(MIGRATION_GATE), wanted.settings)
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
