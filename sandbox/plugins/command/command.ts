import { randomBytes } from "node:crypto";
import { detailedDiff, toDiffResult } from "../shared/diff";
import { type OperationContext, type Properties, type ResourceHandler, UNKNOWN } from "../shared/handler";
import { checkInputs, commandSchema, processSchema, withoutNulls } from "./inputs";
import { type CommandOutputs, runCommand } from "./run";

/** The resource `command:local:Command`, as the official provider has it. */
export const commandHandler: ResourceHandler = {
  check: (_ctx, _olds, news) => {
    const inputs = withoutNulls(news);
    return Promise.resolve({ inputs, failures: checkInputs(inputs) });
  },

  diff: (_ctx, _id, oldInputs, oldState, news, ignoreChanges) => {
    const ignored = Object.fromEntries(ignoreChanges.flatMap((key) => (key in oldState ? [[key, oldState[key]]] : [])));
    const detailed = detailedDiff(withoutNulls(oldInputs), { ...news, ...ignored });
    // The official provider tells a replacement only when the list comes or goes as a whole. That a changed trigger
    // replaces the resource is the SDK's doing: it sends `replaceOnChanges` to the engine (docs/provider-facts.md).
    return Promise.resolve(toDiffResult(detailed, (path) => path === "triggers"));
  },

  create: async (ctx, inputs) => {
    const id = (ctx.urn.split("::").at(-1) ?? "") + randomBytes(4).toString("hex");
    if (ctx.preview) return { id, state: { ...inputs, ...unknownOutputs(inputs) } };
    const { create } = commandSchema.parse(inputs);
    const outputs = create === undefined ? { stdout: "", stderr: "" } : await execute(ctx, create, inputs);
    return { id, state: { ...inputs, ...outputs } };
  },

  update: async (ctx, _id, _oldInputs, oldState, inputs) => {
    if (ctx.preview) return { state: { ...inputs, ...unknownOutputs(inputs) } };
    const { create, update } = commandSchema.parse(inputs);
    const command = update ?? create;
    const previous = outputsOf(oldState);
    const outputs = command === undefined ? previous : await execute(ctx, command, inputs, previous);
    return { state: { ...inputs, ...previous, ...outputs } };
  },

  read: (_ctx, id, inputs, state) => {
    // What a command did cannot be looked up; a refresh believes the state.
    if (Object.keys(state).length === 0) throw new Error("a command cannot be imported");
    return Promise.resolve({ id, inputs, state });
  },

  delete: async (ctx, _id, _inputs, state) => {
    const { delete: command } = commandSchema.parse(withoutNulls(state));
    if (command !== undefined) await execute(ctx, command, state, outputsOf(state));
  },
};

function execute(
  ctx: OperationContext,
  command: string,
  inputs: Properties,
  previous?: Partial<CommandOutputs>,
): Promise<CommandOutputs> {
  return runCommand(command, processSchema.parse(withoutNulls(inputs)), {
    log: (line) => ctx.status(line),
    signal: ctx.signal,
    previous,
  });
}

function outputsOf(state: Properties): Partial<CommandOutputs> {
  const { stdout, stderr, assets, archive } = state;
  return {
    ...(typeof stdout === "string" ? { stdout } : {}),
    ...(typeof stderr === "string" ? { stderr } : {}),
    ...(assets ? { assets: assets as Record<string, unknown> } : {}),
    ...(archive ? { archive } : {}),
  };
}

function unknownOutputs(inputs: Properties): Properties {
  return {
    stdout: UNKNOWN,
    stderr: UNKNOWN,
    ...(inputs["assetPaths"] ? { assets: UNKNOWN } : {}),
    ...(inputs["archivePaths"] ? { archive: UNKNOWN } : {}),
  };
}
