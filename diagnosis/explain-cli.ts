import { parseArgs } from "node:util";
import { connect } from "../kubernetes/connect";
import { explainWorkloads } from "./diagnose";

/** Longest time an explanation may take, in milliseconds: it must not hold up the error it belongs to. */
const LIMIT_MS = 10_000;
const USAGE = "usage: explain-cli.ts --context CONTEXT Deployment|StatefulSet|DaemonSet|Job NAMESPACE NAME";

/** Prints to stderr why a workload is not available. The kubeconfig is `$KUBECONFIG`, else `~/.kube/config`. */
async function main(): Promise<void> {
  const started = Date.now();
  const { values, positionals } = parseArgs({ options: { context: { type: "string" } }, allowPositionals: true });
  const [kind, namespace, name] = positionals;
  if (!values.context || !kind || !namespace || !name || positionals.length > 3) throw new Error(USAGE);
  const client = await connect({ context: values.context, timeoutSeconds: 5 });
  const limitMs = LIMIT_MS - (Date.now() - started) - 500;
  const text = await explainWorkloads(client, [{ kind, namespace, name }], { limitMs });
  console.error(text || `${kind} ${namespace}/${name} is available by now`);
}

setTimeout(() => {
  console.error(`the cluster did not say why within ${LIMIT_MS / 1000} s`);
  process.exit(1);
}, LIMIT_MS).unref();
main()
  .catch((error: unknown) => console.error(error instanceof Error ? error.message : error))
  .finally(() => process.exit(1)); // it explains a failure, so it is one
