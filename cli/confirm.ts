import { createInterface } from "node:readline/promises";
import { CliError } from "./engine";

/**
 * Asks on the terminal; only "y" and "yes" count.
 *
 * @param otherwise what to type where nobody can be asked.
 * @throws CliError without a terminal.
 */
export async function confirmed(question: string, otherwise: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new CliError(`nobody can be asked here (no terminal)\n  Fix: ${otherwise}`);
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await terminal.question(`\n${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
