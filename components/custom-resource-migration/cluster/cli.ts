import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { z } from "zod";
import { type CrMigrationResult, crMigrationJob } from "../job";
import { UnreachableError } from "../../../kubernetes/api";
import { connect } from "../../../kubernetes/connect";
import { migrateCustomResources } from "./run";

const USAGE = "usage: cli.ts --context CONTEXT, with a list of jobs as JSON on stdin";

/**
 * Migrates the objects of CRDs, one CRD after the other; prints what was done as JSON on stdout, and what it does on stderr. The
 * kubeconfig is `$KUBECONFIG`, else `~/.kube/config`. An empty list does nothing.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { context: { type: "string" } } });
  if (!values.context) throw new Error(USAGE);
  const jobs = z.array(crMigrationJob).parse(JSON.parse(await text(process.stdin)));
  const client = await connect({ context: values.context, timeoutSeconds: 30 });
  const done: CrMigrationResult[] = [];
  for (const job of jobs) done.push(await migrateCustomResources(client, job, (line) => console.error(line)));
  process.stdout.write(JSON.stringify(done));
}

// A run that ends without having said that it succeeded has not: node itself would exit with 0.
process.exitCode = 1;
main().then(
  () => (process.exitCode = 0),
  (error: unknown) => {
    const gone = "\n  Fix: when the API server answers again: pulumi up; it goes on where this ended";
    const why =
      (error instanceof Error ? error.message : String(error)) + (error instanceof UnreachableError ? gone : "");
    console.error(`the custom resources are not migrated, so nothing was upgraded: ${why}`);
    process.exit(1);
  },
);
