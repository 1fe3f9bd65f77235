import { z } from "zod";
import { connect } from "../kubernetes/connect";
import { runHelperProgram } from "../shared/helper-program";
import { explainWorkloads } from "./diagnose";

/** Longest time an explanation may take, in milliseconds: it must not hold up the error it belongs to. */
const LIMIT_MS = 10_000;

/** The workload that is not available; more is told to the command that waited for it, and ignored here. */
const job = z.looseObject({
  kind: z.enum(["Deployment", "StatefulSet", "DaemonSet", "Job"]),
  namespace: z.string().min(1),
  name: z.string().min(1),
});

const started = Date.now();
setTimeout(() => {
  console.error(`the cluster did not say why within ${LIMIT_MS / 1000} s`);
  process.exit(1);
}, LIMIT_MS).unref();

/** Prints to stderr why a workload is not available. It explains a failure, so it always ends as one. */
runHelperProgram("explain-program.ts", {
  job,
  run: async (context, { kind, namespace, name }) => {
    const client = await connect({ context, timeoutSeconds: 5 });
    const limitMs = LIMIT_MS - (Date.now() - started) - 500;
    const text = await explainWorkloads(client, [{ kind, namespace, name }], { limitMs });
    throw new Error(text || `${kind} ${namespace}/${name} is available by now`);
  },
});
