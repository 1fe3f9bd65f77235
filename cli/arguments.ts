import { Argument, Command as Program, CommanderError, InvalidArgumentError, Option } from "commander";
import { distance } from "fastest-levenshtein";
import { UserError } from "../shared/user-error";
import { type CommandLine, completionScript, type OptionWords, type Shell, SHELLS } from "./completion";
import { type Role, ROLES } from "../upgrade/roles";

/** What the user typed. */
export type Command =
  /** `text`: the help that was asked for. */
  | { name: "help"; text: string }
  | { name: "completion"; text: string }
  | { name: "plan"; target: Target; out?: string }
  | { name: "up"; target: Target; plan?: string; yes: boolean }
  | { name: "history"; target: Target; all: boolean }
  | { name: "rollback"; target: Target; to?: number; acceptDataLoss: boolean; yes: boolean }
  | { name: "restore"; target: Target; database: string; from: string; yes: boolean }
  | { name: "permissions"; target: Target; role: Role };

/** A command that does something, for a stack. */
export type Task = Exclude<Command, { text: string }>;

/** Which stack of which project, and what else the engine is told. */
export interface Target {
  /** Folder of Pulumi.yaml. Default: the current one. */
  cwd: string;
  /** Stack name. Default: the selected one. */
  stack?: string;
  /** Folders of further policy packs to enforce. */
  policyPacks: string[];
  /** Whether the project's own pack is enforced. Default: yes. */
  ownPolicies: boolean;
  /** JSON file with settings for the project's own pack. */
  policyConfig?: string;
  /** The result is printed for programs. */
  json: boolean;
}

const HELP = "see casa-upgrade --help";

/** Options of all commands, before or after the command's name. */
interface CommonOptions {
  cwd: string;
  stack?: string;
  policyPack: string[];
  policies: boolean;
  policyConfig?: string;
  yes: boolean;
  json: boolean;
}

/** Options that one command has; the others say whose they are. */
const OPTIONS = {
  plan: [new Option("--out <dir>", "folder for plan.md, plan.html, plan.json and plan.svg (default: here)")],
  up: [new Option("--plan <file>", "plan.json: only what was reviewed")],
  history: [new Option("--all", "all updates, not only the newest 20").default(false)],
  rollback: [
    new Option("--to <update>", "number of the update (default: the last good one before the latest)").argParser(
      updateNumber,
    ),
    new Option("--accept-data-loss", "go back although data is lost").default(false),
  ],
  restore: [
    new Option("--database <name>", "which database"),
    new Option("--from <file>", "which backup").default("latest"),
  ],
  permissions: [new Option("--role <role>", "review: previews and changes nothing; upgrade: all of it").choices(ROLES)],
  completion: [],
} as const;

const SUMMARIES: Readonly<Record<keyof typeof OPTIONS, string>> = {
  plan: "review the upgrade; writes plan.md, plan.html, plan.json and plan.svg. Exit code 0: nothing to do, 2: there are changes, 1: refused",
  up: "upgrade; with --plan only what was reviewed: refused when cluster, chart or config differ from it",
  history: "updates of this stack: time, result, chart version, who",
  rollback:
    "go back to an earlier update's configuration: previews it, refuses what would lose data, asks, then upgrades to it",
  restore: "put a backup in the place of a database",
  permissions:
    "the Kubernetes account (roles and bindings) that reviewing or upgrading this stack needs, for kubectl apply",
  completion: "what makes bash, zsh or fish complete these commands; casa-upgrade completion --help says how",
};

/** @throws UserError for anything that is not understood; the message ends with what to type. */
export function parseCommand(argv: readonly string[]): Command {
  let found: Command | undefined;
  const program = programFor((command) => (found = command));
  try {
    program.parse([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.helpDisplayed" || error.code === "commander.help") {
      return { name: "help", text: helpOf(program, argv) };
    }
    throw refusal(error, argv);
  }
  return found ?? { name: "help", text: helpOf(program, argv) };
}

function programFor(done: (command: Command) => void): Program {
  const program = new Program("casa-upgrade")
    .description("Review and upgrade a CASA runtime.")
    .exitOverride()
    .configureOutput({ writeOut: () => undefined, writeErr: () => undefined })
    .option("-s, --stack <name>", "stack (default: the selected one)")
    .option("-C, --cwd <dir>", "folder of Pulumi.yaml", ".")
    .option("--policy-config <file>", "settings of this project's policies (docs/policies.md), as JSON")
    .option("--policy-pack <dir>", "a further policy pack to enforce; may be repeated", collect, [])
    .option("--no-policies", "do not enforce this project's policies")
    .option("-y, --yes", "do not ask (up, rollback, restore)", false)
    .option("--json", "the result as JSON on stdout; what people read goes to stderr", false)
    .configureHelp({ showGlobalOptions: true })
    .helpCommand("help [command]", "show this, or the help of a command");
  const add = <Own extends object>(name: Task["name"], make: (own: Own, common: CommonOptions) => Command) => {
    const command = program.command(name).description(SUMMARIES[name]).allowExcessArguments(false);
    for (const option of OPTIONS[name]) command.addOption(option);
    command.action(() => done(make(command.opts<Own>(), program.opts<CommonOptions>())));
  };
  add<{ out?: string }>("plan", ({ out }, common) => ({ name: "plan", target: targetOf(common), out }));
  add<{ plan?: string }>("up", ({ plan }, common) => ({ name: "up", target: targetOf(common), plan, yes: common.yes }));
  add<{ all: boolean }>("history", ({ all }, common) => ({ name: "history", target: targetOf(common), all }));
  add<{ to?: number; acceptDataLoss: boolean }>("rollback", ({ to, acceptDataLoss }, common) => ({
    ...{ name: "rollback", target: targetOf(common), to, acceptDataLoss, yes: common.yes },
  }));
  add<{ database?: string; from: string }>("restore", ({ database, from }, common) => {
    if (database === undefined) throw new UserError("usage", "which database? casa-upgrade restore --database auth");
    return { name: "restore", target: targetOf(common), database, from, yes: common.yes };
  });
  add<{ role?: Role }>("permissions", ({ role }, common) => {
    if (role === undefined) throw new UserError("usage", "which role? casa-upgrade permissions --role review");
    return { name: "permissions", target: targetOf(common), role };
  });
  program
    .command("completion")
    .description(SUMMARIES.completion)
    .addArgument(new Argument("<shell>").choices(SHELLS))
    .allowExcessArguments(false)
    .addHelpText("after", COMPLETION_HELP)
    .action((shell: Shell) => done({ name: "completion", text: completionScript(shell, commandLine(program)) }));
  return program;
}

const COMPLETION_HELP = `
bash:  echo 'eval "$(casa-upgrade completion bash)"' >> ~/.bashrc
zsh:   echo 'source <(casa-upgrade completion zsh)' >> ~/.zshrc   (after compinit)
fish:  casa-upgrade completion fish > ~/.config/fish/completions/casa-upgrade.fish`;

/** Commands and options as they are, so that completion cannot be older than they are. */
function commandLine(program: Program): CommandLine {
  const optionsOf = ({ options }: Program): OptionWords[] =>
    options.map(({ short, long, description, required, argChoices }) => ({
      flags: [short, long].flatMap((flag) => flag ?? []),
      summary: description,
      takesValue: required,
      ...(argChoices === undefined ? {} : { choices: argChoices }),
    }));
  return {
    name: program.name(),
    options: [...optionsOf(program), { flags: ["-h", "--help"], summary: "help", takesValue: false }],
    commands: program.commands.map((command) => {
      const choices = command.registeredArguments[0]?.argChoices;
      return {
        name: command.name(),
        summary: command.description(),
        options: optionsOf(command),
        ...(choices === undefined ? {} : { choices }),
      };
    }),
  };
}

function targetOf({ cwd, stack, policyPack, policies, policyConfig, json }: CommonOptions): Target {
  if (!policies && policyConfig !== undefined) {
    throw new UserError("usage", "--policy-config and --no-policies do not go together");
  }
  return { cwd, stack, policyPacks: policyPack, ownPolicies: policies, policyConfig, json };
}

/** The help of the command that is named, else of all. */
function helpOf(program: Program, argv: readonly string[]): string {
  const named = program.commands.find((command) => argv.includes(command.name()));
  return (named ?? program).helpInformation();
}

/** What is wrong in our words, where the library's do not say what to type. */
function refusal(error: CommanderError, argv: readonly string[]): UserError {
  const [, option] = /unknown option '(--[\w-]+)/.exec(error.message) ?? [];
  if (error.code === "commander.unknownOption" && option !== undefined) {
    const [owner, options] = Object.entries(OPTIONS).find(([, list]) => list.some(({ long }) => long === option)) ?? [];
    const flags = options
      ?.find(({ long }) => long === option)
      ?.flags.replace(/<(\w+)>/, (_, name: string) => name.toUpperCase());
    if (owner !== undefined) {
      return new UserError("usage", `${option} belongs to ${owner}: casa-upgrade ${owner} ${flags}; ${HELP}`);
    }
  }
  if (error.code === "commander.unknownCommand") {
    const [, name = ""] = /'([^']*)'/.exec(error.message) ?? [];
    return new UserError("usage", `there is no command "${name}"; did you mean: casa-upgrade ${nearest(name)}`);
  }
  if (error.code === "commander.excessArguments") {
    const known = Object.keys(OPTIONS);
    const at = argv.findIndex((word) => known.includes(word));
    const more = argv.slice(at + 1).find((word) => !word.startsWith("-")) ?? "";
    return new UserError("usage", `"${more}" is not expected after ${argv[at] ?? ""}; ${HELP}`);
  }
  if (error.code === "commander.invalidArgument") {
    return new UserError("usage", error.message.replace(/^error: .*? is invalid\. /, ""));
  }
  return new UserError("usage", `${error.message.replace(/^error: /, "").split("\n")[0] ?? ""}; ${HELP}`);
}

function updateNumber(text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`--to takes the number of an update, not "${text}": casa-upgrade history shows them`);
}

function collect(one: string, before: readonly string[]): string[] {
  return [...before, one];
}

function nearest(name: string): string {
  return Object.keys(OPTIONS).sort((a, b) => distance(name, a) - distance(name, b))[0] ?? "plan";
}
