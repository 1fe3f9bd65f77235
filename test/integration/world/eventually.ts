import { setTimeout as sleep } from "node:timers/promises";

/** Repeats a check until it passes; throws what it throws in the end. */
export async function eventually(check: () => unknown, limitMs = 20_000): Promise<void> {
  for (const end = Date.now() + limitMs; ; await sleep(200)) {
    try {
      await check();
      return;
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}
