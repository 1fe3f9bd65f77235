import { parseArgs } from "node:util";
import { connect } from "./connect";
import { explainWorkloads } from "./diagnose";

/** Longest time an explanation may take, in milliseconds: it must not hold up the error it belongs to. */
const LIMIT_MS = 10_000;

/**
 * `explain-cli.ts --context CONTEXT KIND NAMESPACE NAME`: prints why a workload is not available to stderr. The kubeconfig is
 * `$KUBECONFIG`, else `~/.kube/config`.
 */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options: { context: { type: "string" } }, allowPositionals: true });
  const [kind = "", namespace = "", name = ""] = positionals;
  const client = await connect({ context: values.context ?? "", timeoutSeconds: 5 });
  const text = await explainWorkloads(client, [{ kind, namespace, name }]);
  console.error(text || `${kind} ${namespace}/${name} is available by now`);
}

setTimeout(() => process.exit(1), LIMIT_MS).unref();
main()
  .catch((error: unknown) => console.error(error instanceof Error ? error.message : error))
  .finally(() => process.exit(1)); // it explains a failure, so it is one
