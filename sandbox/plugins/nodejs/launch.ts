import { createRequire } from "node:module";
import * as path from "node:path";
import type { NodeOptions } from "./options";

/** One node process to start: what the official language host would start for the same request. */
export interface Launch {
  /** Arguments of node. */
  args: string[];
  /** Environment variables to set on top of the inherited (or given) ones. */
  env: Record<string, string>;
}

/** What a program run needs to know; the fields of the engine's RunRequest. */
export interface ProgramRun {
  /** File that runs a program, from {@link locateModule}. */
  runner: string;
  monitorAddress: string;
  engineAddress: string;
  organization: string;
  project: string;
  stack: string;
  /** Folder of the Pulumi.yaml. */
  rootDirectory: string;
  /** Folder of the program: `main` of the Pulumi.yaml, resolved. */
  programDirectory: string;
  /** Module to load, relative to the program folder; "." for the `main` of its package.json. */
  entryPoint: string;
  dryRun: boolean;
  parallel: number;
  args: string[];
  /** Full keys (`project:key`) to values; secrets are in clear here, which is why they travel by environment. */
  config: Record<string, string>;
  configSecretKeys: string[];
}

/** Arguments and environment of the process that runs a program. */
export function launchProgram(run: ProgramRun, options: NodeOptions): Launch {
  const flags: [string, string][] = [
    ["monitor", run.monitorAddress],
    ["engine", run.engineAddress],
    ["organization", run.organization],
    ["project", run.project],
    ["root-directory", run.rootDirectory],
    ["stack", run.stack],
    ["pwd", run.programDirectory],
    ["parallel", String(run.parallel)],
  ];
  return {
    args: [
      ...options.nodeArgs,
      run.runner,
      ...flags.filter(([, value]) => value !== "").flatMap(([name, value]) => [`--${name}`, value]),
      ...(run.dryRun ? ["--dry-run"] : []),
      run.entryPoint,
      ...run.args,
    ],
    env: {
      ...typescriptEnvironment(options),
      PULUMI_CONFIG: JSON.stringify(Object.fromEntries(Object.entries(run.config).map(([k, v]) => [longKey(k), v]))),
      PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(run.configSecretKeys),
    },
  };
}

/** What a plugin run needs to know; the fields of the engine's RunPluginRequest. */
export interface PluginRun {
  runner: string;
  kind: string;
  programDirectory: string;
  args: string[];
}

/** What a policy pack learns about the stack; undefined outside a stack (`pulumi policy publish`). */
export interface StackConfiguration {
  organization: string;
  project: string;
  stack: string;
  dryRun: boolean;
  config: Record<string, string>;
}

/** Policy packs are started through the kind of plugin the engine calls an analyzer. */
export function isPolicyPack(kind: string): boolean {
  return kind === "analyzer";
}

/** Arguments and environment of the process that runs a policy pack, or a provider written in TypeScript. */
export function launchPlugin(run: PluginRun, options: NodeOptions, stack?: StackConfiguration): Launch {
  // The official host passes nodeargs after the module, where node does not see them. Kept: a policy pack that works
  // here must work there.
  const own = isPolicyPack(run.kind) ? [...run.args, run.programDirectory] : [run.programDirectory, ...run.args];
  return {
    args: [run.runner, ...options.nodeArgs, ...own],
    env: { ...typescriptEnvironment(options), ...(stack === undefined ? {} : stackEnvironment(stack)) },
  };
}

function stackEnvironment(stack: StackConfiguration): Record<string, string> {
  const all = {
    PULUMI_NODEJS_ORGANIZATION: stack.organization,
    PULUMI_NODEJS_PROJECT: stack.project,
    PULUMI_NODEJS_STACK: stack.stack,
    PULUMI_NODEJS_DRY_RUN: String(stack.dryRun),
    PULUMI_CONFIG: JSON.stringify(stack.config),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
}

function typescriptEnvironment(options: NodeOptions): Record<string, string> {
  return {
    ...(options.typescript ? { PULUMI_NODEJS_TYPESCRIPT: "true" } : {}),
    ...(options.tsconfig === undefined ? {} : { PULUMI_NODEJS_TSCONFIG_PATH: options.tsconfig }),
  };
}

/** The SDK reads config keys as `project:config:key`, the engine sends `project:key`. */
function longKey(key: string): string {
  const colon = key.indexOf(":");
  return key.startsWith("config:", colon + 1) ? key : `${key.slice(0, colon)}:config:${key.slice(colon + 1)}`;
}

/** Finds a module of the SDK the way the program itself would; throws when the program's packages are not installed. */
export function locateModule(name: string, programDirectory: string): string {
  try {
    return createRequire(path.join(programDirectory, "index.js")).resolve(name);
  } catch {
    throw new Error(`The Pulumi SDK is not installed for ${programDirectory}: run "npm ci" there.`);
  }
}
