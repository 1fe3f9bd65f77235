import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { z } from "zod";
import { connect } from "./connect";
import { type InjectionCheck, injectionProblem } from "./injection";

const POLL_MS = 500;

const flags = z.object({
  context: z.string(),
  mode: z.enum(["istio", "cilium"]),
  namespace: z.string(),
  sidecar: z.string(),
  webhook: z.string(),
  timeout: z.coerce.number(),
});

/** Waits until restarted pods would get the new configuration; says what is missing and exits 1 when time is up. */
async function main(): Promise<void> {
  const text = { type: "string" } as const;
  const names = ["context", "mode", "namespace", "sidecar", "webhook", "timeout"];
  const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, text])) });
  const given = flags.parse(values);
  const check: InjectionCheck = { ...given, sidecarDeployment: given.sidecar };
  const client = await connect({ context: given.context, timeoutSeconds: 10 });
  const end = Date.now() + given.timeout * 1000;
  for (;;) {
    const problem = await injectionProblem(client, check);
    if (problem === undefined) return;
    if (Date.now() > end) throw new Error(`no workload was restarted: ${problem} (waited ${given.timeout} s)`);
    await sleep(POLL_MS);
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
