import { UserError } from "../shared/user-error";
import { parseArgs } from "node:util";
import { distance } from "fastest-levenshtein";

/** What the user typed. */
export type Command =
  | { name: "help" }
  | { name: "plan"; target: Target; out?: string }
  | { name: "up"; target: Target; plan?: string; yes: boolean }
  | { name: "history"; target: Target; all: boolean; json: boolean }
  | { name: "rollback"; target: Target; to?: number; acceptDataLoss: boolean; yes: boolean }
  | { name: "restore"; target: Target; database: string; from: string; yes: boolean };

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
}

export const USAGE = `casa-upgrade: review and upgrade a CASA runtime

  npx casa-upgrade plan [--out DIR]       review the upgrade; writes plan.md, plan.json and plan.svg into DIR (default: .)
                                          exit code 0: nothing to do, 2: there are changes, 1: refused
  npx casa-upgrade up [--plan FILE]       upgrade; with FILE (plan.json) only what was reviewed: refused when cluster,
                                          chart or config differ from it
  npx casa-upgrade history [--all] [--json]
                                          updates of this stack: time, result, chart version, who
  npx casa-upgrade rollback [--to UPDATE] [--accept-data-loss]
                                          go back to an earlier update's configuration (default: the last good one before
                                          the latest): previews it, refuses what would lose data, asks, then upgrades to it
  npx casa-upgrade restore --database NAME [--from FILE]
                                          put a backup in the place of a database (default: the latest one)
Options
  -s, --stack NAME      stack (default: the selected one)
  -C, --cwd DIR         folder of Pulumi.yaml (default: here)
      --policy-config FILE
                        settings of this project's policies (docs/policies.md), as JSON
      --policy-pack DIR a further policy pack to enforce; may be repeated
      --no-policies     do not enforce this project's policies
  -y, --yes             do not ask (up, rollback, restore)
  -h, --help            show this
`;

/** Options that one command has. */
const OWN_OPTIONS = {
  database: "restore",
  from: "restore",
  to: "rollback",
  "accept-data-loss": "rollback",
  all: "history",
  json: "history",
} as const;
const COMMANDS = ["plan", "up", "history", "rollback", "restore", "help"];

/** @throws UserError for anything that is not understood. */
export function parseCommand(argv: readonly string[]): Command {
  const { values, positionals } = parse(argv);
  const [name = "help", ...more] = positionals;
  if (values.help || name === "help") return { name: "help" };
  if (more.length > 0)
    throw new UserError("usage", `"${more[0]}" is not expected after ${name}; see casa-upgrade --help`);
  const target = {
    cwd: values.cwd,
    stack: values.stack,
    policyPacks: values["policy-pack"],
    ownPolicies: !values["no-policies"],
    policyConfig: values["policy-config"],
  };
  refuse(
    !target.ownPolicies && target.policyConfig !== undefined,
    "--policy-config and --no-policies do not go together",
  );
  for (const [option, of] of Object.entries(OWN_OPTIONS)) {
    const given = values[option as keyof typeof OWN_OPTIONS];
    const wrong = given !== undefined && given !== false && of !== name && COMMANDS.includes(name);
    refuse(wrong, `--${option} belongs to ${of}; see casa-upgrade --help`);
  }
  switch (name) {
    case "plan":
      refuse(values.plan !== undefined, "--plan belongs to up: casa-upgrade up --plan FILE");
      return { name, target, out: values.out };
    case "up":
      refuse(values.out !== undefined, "--out belongs to plan: casa-upgrade plan --out DIR");
      return { name, target, plan: values.plan, yes: values.yes };
    case "history":
      return { name, target, all: values.all, json: values.json };
    case "rollback":
      return {
        name,
        target,
        to: values.to === undefined ? undefined : updateNumber(values.to),
        acceptDataLoss: values["accept-data-loss"],
        yes: values.yes,
      };
    case "restore":
      if (values.database === undefined)
        throw new UserError("usage", "which database? casa-upgrade restore --database auth");
      return { name, target, database: values.database, from: values.from ?? "latest", yes: values.yes };
    default:
      throw new UserError("usage", `there is no command "${name}"; did you mean: casa-upgrade ${nearest(name)}`);
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        stack: { type: "string", short: "s" },
        cwd: { type: "string", short: "C", default: "." },
        out: { type: "string" },
        plan: { type: "string" },
        database: { type: "string" },
        from: { type: "string" },
        to: { type: "string" },
        all: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        "accept-data-loss": { type: "boolean", default: false },
        "policy-config": { type: "string" },
        "no-policies": { type: "boolean", default: false },
        "policy-pack": { type: "string", multiple: true, default: [] },
        yes: { type: "boolean", short: "y", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    throw new UserError("usage", `${error instanceof Error ? error.message : String(error)}; see casa-upgrade --help`);
  }
}

function updateNumber(text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new UserError("usage", `--to takes the number of an update, not "${text}": casa-upgrade history shows them`);
}

function refuse(wrong: boolean, message: string): void {
  if (wrong) throw new UserError("usage", message);
}

function nearest(name: string): string {
  return [...COMMANDS].sort((a, b) => distance(name, a) - distance(name, b))[0] ?? "plan";
}
