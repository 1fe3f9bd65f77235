import type { Properties } from "../shared/handler";
import { serveProvider } from "../shared/provider";
import { commandHandler } from "./command";
import { processSchema, withoutNulls } from "./inputs";
import { runCommand } from "./run";
import { z } from "zod";

const runSchema = processSchema.extend({ command: z.string() });

/** The function `command:local:run`: runs on every preview and update. */
async function run(args: Properties, signal: AbortSignal): Promise<Properties> {
  const { command, ...inputs } = runSchema.parse(withoutNulls(args));
  return { ...args, ...(await runCommand(command, inputs, { signal })) };
}

serveProvider({
  name: "command",
  version: "1.2.1",
  handlerFor: (type) => {
    if (type === "command:local:Command") return commandHandler;
    throw new Error(`the embedded command plugin has no ${type}; use the official one`);
  },
  invoke: (token, args, signal) => {
    if (token === "command:local:run") return run(args, signal);
    throw new Error(`the embedded command plugin has no function ${token}; use the official one`);
  },
}).catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
