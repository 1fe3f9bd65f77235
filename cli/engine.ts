import { UserError } from "../shared/user-error";
import * as fs from "node:fs";
import * as path from "node:path";
import { CommandError, type EngineEvent, LocalWorkspace, type Stack } from "@pulumi/pulumi/automation";
import type { Violation } from "../review/report/markdown-policies";
import { PLAN_VARIABLE, REPORT_VARIABLE } from "../review/handover";
import type { Target } from "./arguments";
import { engineColor, peopleStream } from "./output";

/** What a run of the engine told. */
export interface EngineRun {
  ok: boolean;
  /** Its error messages, those that only say "the run failed" left out. */
  errors: string[];
  /** What policies said, mandatory ones (which are among the errors, too) and advice. */
  violations: Violation[];
}

/** The stack of the target, with the environment of this process. @throws UserError when it cannot be opened. */
export async function openStack(target: Target): Promise<Stack> {
  const workDir = path.resolve(target.cwd);
  try {
    const workspace = await LocalWorkspace.create({ workDir });
    const stackName = target.stack ?? (await workspace.stack())?.name;
    if (stackName === undefined) {
      throw new UserError(
        "stack",
        `no stack is selected in ${workDir}`,
        "pulumi stack select <name>, or --stack <name>",
      );
    }
    return await LocalWorkspace.selectStack({ stackName, workDir });
  } catch (error) {
    if (error instanceof UserError) throw error;
    // The Automation API tells a program that cannot be started by the negative code of the system call.
    if (error instanceof Error && /ENOENT|\bcode: -2\b/.test(error.message)) {
      throw new UserError("tool-missing", "pulumi is not on PATH", "install it: https://www.pulumi.com/docs/install/");
    }
    throw new UserError(
      "stack",
      `the stack cannot be opened: ${firstError(error)}`,
      "run in the project's folder (or -C), log in (pulumi login), and name a stack of pulumi stack ls",
    );
  }
}

/** What the CLI answers about a stack. @throws UserError with what it says where it refuses. */
export async function answered<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const said = firstError(error);
    const passphrase =
      "PULUMI_CONFIG_PASSPHRASE_FILE=<file with the stack's passphrase>, or PULUMI_CONFIG_PASSPHRASE, then repeat";
    const fix = /passphrase/.test(said) ? `export ${passphrase}` : "repair what it names, then repeat";
    throw new UserError("stack", `pulumi cannot read the stack: ${said}`, fix);
  }
}

/**
 * Runs a preview whose program leaves its review in `report`.
 *
 * @param configFile another configuration than the stack's file.
 */
export function preview(stack: Stack, target: Target, report: string, configFile?: string): Promise<EngineRun> {
  stack.workspace.envVars = { ...stack.workspace.envVars, [REPORT_VARIABLE]: report };
  return run((onEvent) => stack.preview({ onEvent, color: "never", configFile, ...policies(target) }));
}

/**
 * Runs an update that is bound to a reviewed plan; the engine's output goes to the terminal, the message to the stack's
 * history.
 *
 * @param configFile another configuration than the stack's file.
 */
export function update(
  stack: Stack,
  target: Target,
  plan: string,
  message: string,
  configFile?: string,
): Promise<EngineRun> {
  stack.workspace.envVars = { ...stack.workspace.envVars, [PLAN_VARIABLE]: path.resolve(plan) };
  const onOutput = (text: string) => void peopleStream().write(text);
  return run((onEvent) =>
    stack.up({ onEvent, onOutput, message, color: engineColor(), configFile, ...policies(target) }),
  );
}

/** This project, seen from its bundle. */
const PROJECT = path.resolve(__dirname, "..");
/** The project's own policy pack. */
const OWN_PACK = path.join(PROJECT, "policies");
/** The engine wants settings for each pack as soon as one has some. */
const NO_SETTINGS = path.join(PROJECT, "cli/no-settings.json");

function policies({ ownPolicies, policyPacks, policyConfig }: Target) {
  const others = policyPacks.map((folder) => path.resolve(folder));
  if (policyConfig === undefined) return { policyPacks: [...(ownPolicies ? [OWN_PACK] : []), ...others] };
  const settings = path.resolve(policyConfig);
  if (!fs.existsSync(settings)) {
    throw new UserError(
      "stack",
      `there is no file ${policyConfig}`,
      `--policy-config <a JSON file>; docs/policies.md lists the settings`,
    );
  }
  return { policyPacks: [OWN_PACK, ...others], policyPackConfigs: [settings, ...others.map(() => NO_SETTINGS)] };
}

async function run(start: (onEvent: (event: EngineEvent) => void) => Promise<unknown>): Promise<EngineRun> {
  const errors: string[] = [];
  const violations = new Map<string, Violation>();
  const onEvent = ({ diagnosticEvent, policyEvent }: EngineEvent) => {
    if (diagnosticEvent?.severity === "error") errors.push(diagnosticEvent.message.trim());
    if (!policyEvent) return;
    const violation = {
      policy: policyEvent.policyName,
      mandatory: policyEvent.enforcementLevel === "mandatory",
      text: ownWords(policyEvent.message),
    };
    violations.set(JSON.stringify(violation), violation);
    if (violation.mandatory) errors.push(`policy ${violation.policy}: ${violation.text}`);
  };
  // Ctrl-C reaches the engine, too, which ends what it is doing and releases the stack; it must not be left alone then.
  const wait = () => console.error("waiting for pulumi to stop (Ctrl-C again makes it stop at once)");
  process.on("SIGINT", wait);
  try {
    await start(onEvent);
    return { ok: true, errors, violations: [...violations.values()] };
  } catch (error) {
    const told = [...new Set(errors)].filter((text) => !/^(update|preview) failed$/.test(text));
    return { ok: false, errors: told.length > 0 ? told : [firstError(error)], violations: [...violations.values()] };
  } finally {
    process.off("SIGINT", wait);
  }
}

/** What the policy says of this case; the engine puts its description in front, in a line of its own. */
function ownWords(message: string): string {
  const [description = "", ...rest] = message.trim().split("\n");
  return rest.length > 0 ? rest.join("\n") : description;
}

/** The CLI's own error line; the library's message holds everything that was printed. */
function firstError(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return /^\s*(?:stderr: )?error: (.+)$/m.exec(text)?.[1]?.trim() ?? text.split("\n")[0] ?? text;
}
