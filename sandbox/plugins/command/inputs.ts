import { z } from "zod";
import type { CheckFailure, Properties } from "../shared/handler";
import { hasUnknowns } from "../shared/values";

const text = z.string().optional();

/** What a command resource and the function `run` have in common. */
export const processSchema = z.looseObject({
  /** The program and first arguments; the command is the last argument. Default `/bin/sh -c`. */
  interpreter: z.array(z.string()).optional(),
  /** Working directory; default the program's. */
  dir: text,
  environment: z.record(z.string(), z.string()).optional(),
  stdin: text,
  /**
   * What is shown while the command runs: `stdout`, `stderr`, `stdoutAndStderr` (default) or `none`. The official
   * provider refuses no other text, and shows nothing for it (docs/provider-facts.md).
   */
  logging: text,
  /** Patterns of files that become the output `assets`. */
  assetPaths: z.array(z.string()).optional(),
  /** Patterns of files that become the output `archive`. */
  archivePaths: z.array(z.string()).optional(),
  /** Hand the last output to the next command in PULUMI_COMMAND_STDOUT and PULUMI_COMMAND_STDERR; default true. */
  addPreviousOutputInEnv: z.boolean().optional(),
});

export type ProcessInputs = z.infer<typeof processSchema>;

export const commandSchema = processSchema.extend({
  create: text,
  update: text,
  delete: text,
  /** A change of these replaces the resource, mostly because the SDK tells the engine so. */
  triggers: z.array(z.unknown()).optional(),
});

/** Says which inputs have the wrong type; unknown ones pass. */
export function checkInputs(inputs: Properties): CheckFailure[] {
  return Object.entries(commandSchema.shape).flatMap(([property, schema]) => {
    const value = inputs[property];
    if (value === null || hasUnknowns(value)) return [];
    const { error } = schema.safeParse(value);
    return error ? [{ property, reason: error.issues.map((issue) => issue.message).join("; ") }] : [];
  });
}

/** Nulls mean the same as absent inputs. */
export function withoutNulls(inputs: Properties): Properties {
  return Object.fromEntries(Object.entries(inputs).filter(([, value]) => value !== null));
}
