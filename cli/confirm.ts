import { createInterface } from "node:readline/promises";
import { CliError } from "./engine";

/**
 * Asks a question that yes or no answers; no answer is no.
 *
 * @param instead what to type where nobody can be asked.
 * @throws CliError without a terminal.
 */
export async function confirmed(question: string, instead: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new CliError(`nobody can be asked here (no terminal)\n  Fix: ${instead}`);
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await terminal.question(`\n${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
