import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import type { z } from "zod";

/** One of the programs that the upgrade's commands run. */
export interface HelperProgram<Job> {
  /** What it is told: JSON on stdin. */
  readonly job: z.ZodType<Job>;
  /**
   * Does it. The kubeconfig is `$KUBECONFIG`, else `~/.kube/config`; what it does goes to stderr.
   *
   * @returns the result, which is printed as JSON to stdout; undefined: nothing is printed.
   */
  readonly run: (context: string, job: Job) => Promise<unknown>;
  /** The text of a failure, made from that of the error. Default: the same. */
  readonly failure?: (error: unknown) => string;
  /**
   * Where a failure is told. Default stderr. The engine shows stderr while the command runs and puts all output into
   * its error, so a long text is told once on stdout, and twice on stderr.
   */
  readonly failureTo?: "stdout" | "stderr";
}

/**
 * Runs a helper program: `--context CONTEXT`, the job as JSON on stdin (secrets, too: arguments and the environment can
 * be read by others), the result as JSON on stdout, messages on stderr. The only place of a helper program where errors
 * are caught.
 *
 * @param name for the usage text.
 */
export function runHelperProgram<Job>(name: string, program: HelperProgram<Job>): void {
  // A run that ends without having said that it succeeded has not: node itself would exit with 0.
  process.exitCode = 1;
  carryOut(name, program).then(
    (result) => finish(process.stdout, result === undefined ? "" : JSON.stringify(result), 0),
    (error: unknown) => {
      const told = program.failure?.(error) ?? messageOf(error);
      finish(program.failureTo === "stdout" ? process.stdout : process.stderr, `${told}\n`, 1);
    },
  );
}

async function carryOut<Job>(name: string, program: HelperProgram<Job>): Promise<unknown> {
  const { values } = parseArgs({ options: { context: { type: "string" } } });
  const usage = `usage: ${name} --context CONTEXT, with its job as JSON on stdin`;
  if (!values.context || process.stdin.isTTY) throw new Error(usage);
  return program.run(values.context, parseJob(program.job, await text(process.stdin), usage));
}

/** @throws Error that names what is wrong with the job, and not what it holds. */
function parseJob<Job>(schema: z.ZodType<Job>, json: string, usage: string): Job {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new Error(`the job on stdin is not JSON\n${usage}`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Error(`the job on stdin is wrong: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}\n${usage}`);
}

/** Connections that are still open must not keep it running, and what was printed must be out before it ends. */
function finish(stream: NodeJS.WriteStream, output: string, code: number): void {
  stream.write(output, () => process.exit(code));
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
