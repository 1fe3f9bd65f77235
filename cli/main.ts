import { explainRequest } from "../kubernetes/request-error";
import { UserError } from "../shared/user-error";
import "../shared/stack-traces";
import { type Command, parseCommand } from "./arguments";

import { historyCommand } from "./history";
import { permissionsCommand } from "./permissions";
import { planCommand } from "./plan";
import { rollbackCommand } from "./rollback";
import { restoreCommand } from "./restore";
import { upCommand } from "./up";

async function run(command: Command): Promise<number> {
  switch (command.name) {
    case "help":
      console.log(command.text.trimEnd());
      return 0;
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
      return permissionsCommand(command.target, command.role, command.json);
  }
}

async function main(): Promise<number> {
  try {
    return await run(parseCommand(process.argv.slice(2)));
  } catch (thrown) {
    const error = explainRequest(thrown);
    if (!(error instanceof UserError)) throw error;
    console.error(`error: ${error.message}`);
    return 1;
  }
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
