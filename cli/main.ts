import { explainRequest } from "../kubernetes/request-error";
import { UserError } from "../shared/user-error";
import "../shared/stack-traces";
import { parseCommand, type Task } from "./arguments";

import { historyCommand } from "./history";
import { finish, type Outcome, say, styled, useJson } from "./output";
import { permissionsCommand } from "./permissions";
import { planCommand } from "./plan";
import { rollbackCommand } from "./rollback";
import { restoreCommand } from "./restore";
import { upCommand } from "./up";

async function run(argv: readonly string[]): Promise<Outcome | number> {
  const command = parseCommand(argv);
  if ("text" in command) {
    say(command.text.trimEnd());
    return 0;
  }
  if (command.target.json) useJson();
  return carryOut(command);
}

function carryOut(command: Task): Promise<Outcome> {
  switch (command.name) {
    case "plan":
      return planCommand(command.target, command.out);
    case "up":
      return upCommand(command.target, command.plan, command.yes);
    case "history":
      return historyCommand(command);
    case "rollback":
      return rollbackCommand(command);
    case "restore":
      return restoreCommand(command);
    case "permissions":
      return permissionsCommand(command.target, command.role);
  }
}

async function main(argv: readonly string[]): Promise<number> {
  try {
    const outcome = await run(argv);
    return typeof outcome === "number" ? outcome : finish(outcome);
  } catch (thrown) {
    const error = explainRequest(thrown);
    if (!(error instanceof UserError)) throw error;
    console.error(`${styled("red", "error:", process.stderr)} ${error.message}`);
    // A command line that is not understood may have asked for it all the same.
    if (argv.includes("--json")) useJson();
    const { code, problem, fix } = error;
    return finish({ code: 1, result: { error: { code, problem, ...(fix === undefined ? {} : { fix }) } } });
  }
}

main(process.argv.slice(2)).then(
  (code) => exit(code),
  (error: unknown) => {
    console.error(error);
    exit(1);
  },
);

/** Not before a pipe has taken all: `process.exit` would cut off what is still on its way. */
function exit(code: number): void {
  process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
}
