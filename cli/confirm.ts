import { UserError } from "../shared/user-error";
import { peopleStream } from "./output";
import { createInterface } from "node:readline/promises";

/**
 * Asks a question that yes or no answers; no answer is no.
 *
 * @param instead what to type where nobody can be asked.
 * @throws UserError without a terminal.
 */
export async function confirmed(question: string, instead: string): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new UserError("no-terminal", "this needs an answer, and there is no terminal to ask on", instead);
  const terminal = createInterface({ input: process.stdin, output: peopleStream() });
  try {
    return /^y(es)?$/i.test((await terminal.question(`\n${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
