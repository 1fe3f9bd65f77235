import { UserError } from "../shared/user-error";
import type { Stack } from "@pulumi/pulumi/automation";
import { z } from "zod";
import { readRelease, type Revision } from "../helm/release";
import { parseHistory, type Update } from "../history/updates";

import { answered } from "./engine";
import type { ConnectedStack } from "./stack-config";

/** Entries that the CLI is asked for at once; it decrypts each, and its answer must fit into memory. */
const PAGE = 200;

/**
 * All updates of a stack, newest first, whatever its backend.
 *
 * @param showSecrets secrets in them are decrypted, which takes the stack's key; they are never to be printed.
 */
export async function readHistory(stack: Stack, showSecrets: boolean): Promise<Update[]> {
  const { name } = await stack.workspace.projectSettings();
  const all: unknown[] = [];
  for (let page = 1; ; page++) {
    const entries: unknown[] = (await answered(stack.history(PAGE, page, showSecrets))).map(withTexts);
    all.push(...entries);
    if (entries.length < PAGE) break;
  }
  try {
    return parseHistory(all, name);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const issue = error.issues[0];
    throw new UserError(
      "history",
      `the stack's history is not as expected: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`,
      "use the pulumi version that package.json names",
    );
  }
}

/** The library makes dates of the times. */
function withTexts(entry: object): unknown {
  return JSON.parse(JSON.stringify(entry));
}

/** The release's revisions as helm has them; none when it is not installed. */
export async function readRevisions({ config, client }: ConnectedStack): Promise<Revision[]> {
  const found = await readRelease(client, config.namespace, config.release);
  return found?.revisions ?? [];
}
