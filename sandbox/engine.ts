import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { stripVTControlCharacters } from "node:util";
import execa from "execa";
import {
  parseEvents,
  parsePreview,
  parseState,
  type EngineEvent,
  type PreviewSummary,
  type StackState,
} from "./engine/output";
import { choosePlugins, installEmbeddedProviders, userPluginDirectory, type PluginChoice } from "./engine/plugins";
import { running } from "./engine/running";
import { defaultProject, leaves, writePlainConfig, writeProject } from "./engine/project";
import { CHECKOUT } from "./paths";
import { ensurePluginsBuilt } from "./plugins/build";
import type { Tools } from "./tools";

export interface EngineOptions {
  tools: Tools;
  /**
   * Scratch folder: PULUMI_HOME, the state, the stack configuration. One engine each; kept between runs by using it
   * again.
   */
  dir: string;
  /** Environment on top of this process's own, e.g. KUBECONFIG. */
  env?: NodeJS.ProcessEnv;
  /** Folder of another Pulumi.yaml to run. Default: the sandbox's, which runs the program of this repository. */
  projectDir?: string;
}

export interface RunOptions {
  /** Text for stdin; the way secrets go in. */
  input?: string;
  /** Whether a failing command is thrown. Default true, except for preview, up, destroy and refresh. */
  reject?: boolean;
  /** Environment for this command only. */
  env?: NodeJS.ProcessEnv;
  /** Folder it runs in. Default: the project's. */
  cwd?: string;
}

export interface CommandResult {
  stdout: string;
  stderr: string;
  /** Both, in the order written. */
  all: string;
  exitCode: number;
}

/** A configuration value that must be stored encrypted; see {@link secret}. */
class SecretValue {
  constructor(readonly value: unknown) {}
}

/** Marks a value for {@link Engine.setConfig} to be stored encrypted; of an object, each of its values. */
export function secret(value: unknown): SecretValue {
  return new SecretValue(value);
}

/** A command of the pulumi CLI that failed; the message ends with all it printed. */
export class PulumiError extends Error {
  constructor(
    command: string,
    readonly result: CommandResult,
  ) {
    super(`${command} failed with exit code ${result.exitCode}:\n${result.all}`);
  }
}

/**
 * The pulumi CLI with a home, a state and a configuration of its own: nothing of the user's is read or written, and any
 * number of engines may run at once.
 */
export class Engine {
  readonly plugins: PluginChoice;
  /** Folder of the Pulumi.yaml in use; stack configuration files appear here. */
  readonly projectDirectory: string;
  readonly projectName: string;
  readonly #options: EngineOptions;
  #built: Promise<unknown> | undefined;
  #eventLogs = 0;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.plugins = choosePlugins(process.env, options.tools.path("pulumi"));
    this.projectDirectory = path.join(options.dir, "project");
    const source = options.projectDir ?? defaultProject(this.plugins.mode);
    this.projectName = writeProject(source, this.projectDirectory, this.plugins.mode);
    fs.mkdirSync(this.#home, { recursive: true });
    fs.mkdirSync(this.#stateDirectory, { recursive: true });
    writePassphrase(this.#passphraseFile);
    if (this.plugins.mode === "official") linkOnce(userPluginDirectory(process.env), path.join(this.#home, "plugins"));
  }

  /** One line for the start of a run. */
  describePlugins(): string {
    return `Pulumi plugins (kubernetes, command, nodejs): ${this.plugins.mode} (${this.plugins.reason})`;
  }

  /** Runs the CLI in the project. Throws {@link PulumiError} when it fails, unless `reject` is false. */
  async pulumi(args: string[], options: RunOptions = {}): Promise<CommandResult> {
    if (this.plugins.mode === "embedded") await (this.#built ??= ensurePluginsBuilt());
    const result = commandResult(await this.#start(args, options));
    if (result.exitCode !== 0 && options.reject !== false) {
      throw new PulumiError(`pulumi ${args.slice(0, 2).join(" ")}`, result);
    }
    return result;
  }

  /** Adds a Pulumi package to the project of a folder, as `pulumi package add` does there. */
  async packageAdd(source: string, folder: string): Promise<void> {
    if (this.plugins.mode === "embedded") installEmbeddedProviders(this.#home);
    const bin = path.join(CHECKOUT, "sandbox/plugins/bin");
    const env = this.plugins.mode === "embedded" ? { PATH: [bin, this.environment.PATH].join(path.delimiter) } : {};
    await this.pulumi(["package", "add", source], { cwd: folder, env });
  }

  async stackInit(stack: string): Promise<void> {
    await this.pulumi(["stack", "init", stack]);
  }

  /**
   * Sets configuration values of the project: objects as they are, `undefined` removes one, {@link secret} values
   * encrypted. Keys carry no project name.
   */
  async setConfig(stack: string, values: Record<string, unknown>): Promise<void> {
    const plain: Record<string, unknown> = {};
    const encrypted: [path: string, text: string][] = [];
    for (const [key, value] of Object.entries(values)) {
      plain[key] = value instanceof SecretValue ? undefined : value;
      if (value instanceof SecretValue) encrypted.push(...leaves(key, value.value));
    }
    writePlainConfig(this.configFile(stack), this.projectName, plain);
    for (const [path, input] of encrypted) {
      await this.pulumi(["config", "set", "--secret", "--path", path, "--stack", stack], { input });
    }
  }

  /** The file that holds a stack's configuration. */
  configFile(stack: string): string {
    return path.join(this.projectDirectory, `Pulumi.${stack}.yaml`);
  }

  // A preview, update, destroy or refresh that fails is an answer, not an accident: these four return it unless told to
  // reject.

  preview(stack: string, args: string[] = [], options?: RunOptions): Promise<CommandResult> {
    return this.pulumi(["preview", "--stack", stack, ...args], { reject: false, ...options });
  }

  /** What an update would do, resource by resource. Throws when the preview fails. */
  async previewSummary(stack: string, args: string[] = []): Promise<PreviewSummary> {
    const { stdout } = await this.preview(stack, ["--json", ...args], { reject: true });
    return parsePreview(stdout);
  }

  up(stack: string, args: string[] = [], options?: RunOptions): Promise<CommandResult> {
    return this.pulumi(upArguments(stack, args), { reject: false, ...options });
  }

  /** Updates, and returns what the engine logged on the way, in its order. */
  async upWithEvents(stack: string, args: string[] = []): Promise<{ result: CommandResult; events: EngineEvent[] }> {
    const log = path.join(this.#options.dir, `events-${++this.#eventLogs}.jsonl`);
    const result = await this.up(stack, ["--event-log", log, ...args]);
    return { result, events: fs.existsSync(log) ? parseEvents(fs.readFileSync(log, "utf8")) : [] };
  }

  /** Starts an update and returns its process, for tests that interrupt or kill it; awaiting it never throws. */
  spawnUp(stack: string, args: string[] = [], options: RunOptions = {}): execa.ExecaChildProcess {
    return this.#start(upArguments(stack, args), options);
  }

  destroy(stack: string, args: string[] = [], options?: RunOptions): Promise<CommandResult> {
    return this.pulumi(["destroy", "--yes", "--skip-preview", "--stack", stack, ...args], {
      reject: false,
      ...options,
    });
  }

  refresh(stack: string, args: string[] = [], options?: RunOptions): Promise<CommandResult> {
    return this.pulumi(["refresh", "--yes", "--skip-preview", "--stack", stack, ...args], {
      reject: false,
      ...options,
    });
  }

  /** Releases the lock an engine that was killed has left. */
  async cancel(stack: string): Promise<void> {
    await this.pulumi(["cancel", "--yes", "--stack", stack]);
  }

  async state(stack: string): Promise<StackState> {
    return parseState((await this.pulumi(["stack", "export", "--stack", stack])).stdout);
  }

  /** The stack's outputs; secrets only when asked for, else `[secret]`. */
  async outputs(stack: string, showSecrets = false): Promise<Record<string, unknown>> {
    const show = showSecrets ? ["--show-secrets"] : [];
    const { stdout } = await this.pulumi(["stack", "output", "--json", "--stack", stack, ...show]);
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  /** The environment the CLI runs in, for commands that should see the same. */
  get environment(): NodeJS.ProcessEnv {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("PULUMI_"));
    const { tools, env } = this.#options;
    return {
      ...Object.fromEntries(inherited),
      PATH: [tools.binDir, process.env.PATH].join(path.delimiter),
      PULUMI_HOME: this.#home,
      PULUMI_BACKEND_URL: `file://${this.#stateDirectory}`,
      PULUMI_CONFIG_PASSPHRASE_FILE: this.#passphraseFile,
      PULUMI_SKIP_UPDATE_CHECK: "true",
      // Offers `--event-log`.
      PULUMI_DEBUG_COMMANDS: "true",
      // The embedded plugins are given by path; nothing may be fetched.
      ...(this.plugins.mode === "embedded" ? { PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true" } : {}),
      CASA_UPGRADE_EMBEDDED_HELM: tools.path("helm"),
      ...env,
    };
  }

  #start(args: string[], options: RunOptions): execa.ExecaChildProcess {
    const child = execa(this.#options.tools.path("pulumi"), [...args, "--non-interactive", "--color", "never"], {
      cwd: options.cwd ?? this.projectDirectory,
      env: { ...this.environment, ...options.env },
      extendEnv: false,
      input: options.input ?? "",
      all: true,
      reject: false,
    });
    const run = { command: `pulumi ${args.join(" ")}`, started: Date.now(), output: "" };
    child.all?.on("data", (part: Buffer) => (run.output += part.toString()));
    running.add(run);
    void child.once("exit", () => running.delete(run));
    return child;
  }

  get #home(): string {
    return path.join(this.#options.dir, "home");
  }

  get #stateDirectory(): string {
    return path.join(this.#options.dir, "state");
  }

  get #passphraseFile(): string {
    return path.join(this.#options.dir, "passphrase");
  }
}

function commandResult({ stdout, stderr, all, exitCode }: execa.ExecaReturnValue): CommandResult {
  // There is no exit code when a signal ended it, whatever execa's types say.
  const code = (exitCode as number | undefined) ?? -1;
  // The CLI is told to use no colours, but the SDK puts some into stack traces by itself.
  const [out, err, both] = [stdout, stderr, all ?? ""].map(stripVTControlCharacters) as [string, string, string];
  return { stdout: out, stderr: err, all: both, exitCode: code };
}

function upArguments(stack: string, args: string[]): string[] {
  return ["up", "--yes", "--skip-preview", "--stack", stack, ...args];
}

/**
 * A file instead of a variable, so that a later run with the same folder can read the state, and no process list shows
 * it.
 */
function writePassphrase(file: string): void {
  if (!fs.existsSync(file)) fs.writeFileSync(file, randomBytes(24).toString("hex"), { mode: 0o600 });
}

function linkOnce(target: string, link: string): void {
  fs.mkdirSync(target, { recursive: true });
  if (!fs.existsSync(link)) fs.symlinkSync(target, link);
}
