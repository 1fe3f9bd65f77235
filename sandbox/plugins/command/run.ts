import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import * as fs from "node:fs";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import { collectArchive, collectAssets } from "./assets";
import type { ProcessInputs } from "./inputs";

/** What a command leaves behind. */
export interface CommandOutputs {
  /** Without the last line break. */
  stdout: string;
  stderr: string;
  assets?: Record<string, unknown>;
  archive?: unknown;
}

export interface RunOptions {
  /** Shows one line of output. */
  log?: (line: string) => void;
  /** Kills the command and all it started. */
  signal: AbortSignal;
  /** The outputs of the command that ran before, for the environment. */
  previous?: Partial<CommandOutputs>;
}

/**
 * Runs a command to its end.
 *
 * @throws Error when it fails, with its exit status, text and output in the words of the official provider.
 */
export async function runCommand(
  command: string,
  inputs: ProcessInputs,
  { log = () => undefined, signal, previous = {} }: RunOptions,
): Promise<CommandOutputs> {
  const directory = inputs.dir ?? process.cwd();
  const [program = "/bin/sh", ...rest] = inputs.interpreter?.length ? inputs.interpreter : ["/bin/sh", "-c"];
  const output = new Output();
  const fail = (cause: string) => new Error(`${cause}: running ${JSON.stringify(command)}:\n${output.all}`);
  if (!fs.existsSync(directory)) throw fail(`chdir ${directory}: no such file or directory`);
  if (signal.aborted) throw fail("context canceled");

  const logging = inputs.logging ?? "stdoutAndStderr";
  const child = spawn(program, [...rest, command], {
    cwd: directory,
    env: environment(inputs, previous),
    // A group of its own: what the command started must die with it.
    detached: true,
  });
  // Called also right before this process is killed, when only what happens at once happens at all.
  const kill = () => killGroup(child.pid);
  signal.addEventListener("abort", kill);
  try {
    const ended = exitOf(child, program);
    output.read(child, logging, log);
    child.stdin.on("error", () => undefined); // it may end without reading its input
    child.stdin.end(inputs.stdin ?? "");
    const cause = await ended;
    if (cause) throw fail(cause);
  } finally {
    signal.removeEventListener("abort", kill);
  }
  return {
    stdout: output.stdout.replace(/\n$/, ""),
    stderr: output.stderr.replace(/\n$/, ""),
    ...(inputs.assetPaths ? { assets: collectAssets(directory, inputs.assetPaths) } : {}),
    ...(inputs.archivePaths ? { archive: collectArchive(directory, inputs.archivePaths) } : {}),
  };
}

function environment(inputs: ProcessInputs, previous: Partial<CommandOutputs>): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, ...inputs.environment };
  if (inputs.addPreviousOutputInEnv ?? true) {
    if (previous.stdout) env["PULUMI_COMMAND_STDOUT"] = previous.stdout;
    if (previous.stderr) env["PULUMI_COMMAND_STDERR"] = previous.stderr;
  }
  return env;
}

/** Resolves when the process and everything that holds its output have ended: why it failed, or undefined. */
function exitOf(child: ChildProcessWithoutNullStreams, program: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    child.once("error", (error: NodeJS.ErrnoException) => {
      const missing = error.code === "ENOENT" && !program.includes("/");
      resolve(missing ? `exec: "${program}": executable file not found in $PATH` : `exec: ${error.message}`);
    });
    child.once("close", (code, killedBy) => {
      if (killedBy) resolve(killedBy === "SIGKILL" ? "signal: killed" : `signal: ${killedBy}`);
      else resolve(code === 0 ? undefined : `exit status ${code}`);
    });
  });
}

function killGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // All of it has ended already.
  }
}

/** Output of a command, each stream alone and both in the order of arrival. */
class Output {
  stdout = "";
  stderr = "";
  all = "";

  read(child: ChildProcessWithoutNullStreams, logging: string, log: (line: string) => void): void {
    for (const name of ["stdout", "stderr"] as const) {
      const stream = child[name].setEncoding("utf8");
      const lines = new PassThrough();
      createInterface({ input: lines }).on("line", (line) => {
        if (logging === name || logging === "stdoutAndStderr") log(line);
      });
      stream.on("data", (text: string) => {
        this[name] += text;
        this.all += text;
        lines.write(text);
      });
      stream.once("end", () => lines.end());
    }
  }
}
