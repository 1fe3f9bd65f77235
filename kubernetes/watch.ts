import * as readline from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterClient } from "./connect";

/** So long one watch lasts, in seconds: a connection that is dead without a word is given up soon after. */
const WATCH_SECONDS = 60;
/** Pause before a watch is opened again, in milliseconds; where none is allowed, the time between two looks. */
const WATCH_PAUSE_MS = 500;

/**
 * Hands on the lines of an answer that goes on, of a watch or of a log. It does not keep the process running.
 *
 * @throws ApiError when the server refuses, UnreachableError when it does not answer.
 */
export async function eachLine(
  client: ClusterClient,
  { path, query, signal }: { path: string; query: Record<string, string>; signal: AbortSignal },
  see: (line: string) => void,
): Promise<void> {
  const answer = await client.api.open(path, query, signal);
  answer.socket.unref();
  for await (const line of readline.createInterface({ input: answer, crlfDelay: Infinity })) see(line);
}

/** What is watched. */
export interface Watch {
  readonly path: string;
  readonly query?: Record<string, string>;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Is told when a watch ended, and another one begins. */
  readonly ended?: () => void;
}

/**
 * Follows the objects of one path until the signal ends it. The first events of each watch are what is there already,
 * so nothing between two of them is lost but what came and went.
 *
 * @param see gets each object; what is no JSON is left out.
 */
export async function followObjects(
  client: ClusterClient,
  { path, query = {}, signal, ended }: Watch,
  see: (type: string, object: unknown) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const limited = AbortSignal.any([signal, AbortSignal.timeout((WATCH_SECONDS + 15) * 1000)]);
      const watch = { ...query, watch: "1", timeoutSeconds: `${WATCH_SECONDS}` };
      await eachLine(client, { path, query: watch, signal: limited }, (line) => {
        const event = parsed(line);
        if (event) see(event.type, event.object);
      });
    } catch {
      // It is opened again; who may not watch sees nothing.
    }
    await sleep(WATCH_PAUSE_MS, undefined, { signal, ref: false }).catch(() => undefined);
    ended?.();
  }
}

function parsed(line: string): { type: string; object: unknown } | undefined {
  try {
    return JSON.parse(line) as { type: string; object: unknown };
  } catch {
    return undefined;
  }
}
