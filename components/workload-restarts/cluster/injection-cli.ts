import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { z } from "zod";
import { ApiError, UnreachableError } from "../../../kubernetes/api";
import { type ClusterClient, connect } from "../../../kubernetes/connect";
import { explainWorkloads } from "../../../diagnosis/diagnose";
import { findInjectionProblem, type InjectionCheck, type InjectionProblem } from "./injection";

const POLL_MS = 500;
const NAMES = ["context", "mode", "namespace", "sidecar", "webhook", "timeout"] as const;
const USAGE =
  "usage: injection-cli.ts --context CONTEXT --mode istio|cilium --namespace NAMESPACE --sidecar DEPLOYMENT " +
  "--webhook NAME --timeout SECONDS";

const flags = z.object({
  context: z.string().min(1),
  mode: z.enum(["istio", "cilium"]),
  namespace: z.string().min(1),
  sidecar: z.string(),
  webhook: z.string(),
  timeout: z.coerce.number().nonnegative(),
});

/**
 * Waits until restarted pods would get the new configuration; says what is missing and exits 1 when time is up. The kubeconfig
 * is `$KUBECONFIG`, else `~/.kube/config`.
 */
async function main(): Promise<void> {
  const options = Object.fromEntries(NAMES.map((name) => [name, { type: "string" } as const]));
  const given = flags.safeParse(parseArgs({ options }).values);
  if (!given.success) throw new Error(`--${given.error.issues[0]?.path.join(".") ?? ""} is missing or wrong\n${USAGE}`);
  const { context, timeout, sidecar, ...rest } = given.data;
  const client = await connect({ context, timeoutSeconds: 10 });
  const check: InjectionCheck = { ...rest, sidecarDeployment: sidecar };
  const end = Date.now() + timeout * 1000;
  for (;;) {
    const missing = await look(client, check);
    if (missing === undefined) return;
    if (Date.now() >= end) {
      const details = missing.workload ? `\n${await explainWorkloads(client, [missing.workload])}` : "";
      throw new Error(`no workload was restarted: ${missing.problem} (waited ${timeout} s)${details}`);
    }
    await sleep(Math.min(POLL_MS, Math.max(end - Date.now(), 0)));
  }
}

/** An API server that fails for a moment is no reason to give up before the time is. */
async function look(client: ClusterClient, check: InjectionCheck): Promise<InjectionProblem | undefined> {
  try {
    return await findInjectionProblem(client, check);
  } catch (error) {
    const passing = error instanceof UnreachableError || (error instanceof ApiError && error.code >= 500);
    if (!passing) throw error;
    return { problem: `the cluster does not answer: ${error.message}` };
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
