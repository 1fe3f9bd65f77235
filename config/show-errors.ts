import { RunError } from "@pulumi/pulumi";
import { explainRequest } from "../kubernetes/request-error";
import { UserError } from "../shared/user-error";

/**
 * Runs a part of the Pulumi program, and hands what the user can repair to the engine as a RunError, which it shows
 * without a stack trace. The only place of the program where errors are caught for the user; any other error keeps its
 * stack trace.
 *
 * @param inWords what is shown of a message. Default: the message.
 */
export async function showUserErrors<T>(
  action: () => T | Promise<T>,
  inWords: (text: string) => string = (text) => text,
): Promise<T> {
  try {
    return await action();
  } catch (thrown) {
    const error = explainRequest(thrown);
    throw error instanceof UserError ? new RunError(inWords(error.message)) : error;
  }
}
