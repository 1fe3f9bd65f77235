import { parseArgs } from "node:util";
import { backupJob, JOB_VARIABLE } from "../job";
import { connect } from "../../../kubernetes/connect";
import { backUp } from "./run";

const USAGE = `usage: backup-cli.ts --context CONTEXT, with the job as JSON in ${JOB_VARIABLE}`;

/**
 * Makes and verifies the backups of a job; prints them as JSON on stdout, and what it does on stderr. The kubeconfig is `$KUBECONFIG`,
 * else `~/.kube/config`. A job without databases does nothing.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { context: { type: "string" } } });
  if (!values.context) throw new Error(USAGE);
  const job = backupJob.parse(JSON.parse(process.env[JOB_VARIABLE] ?? "null"));
  const client = await connect({ context: values.context, timeoutSeconds: 30 });
  const done = await backUp(client, job, (line) => console.error(line));
  process.stdout.write(JSON.stringify(done));
}

// A run that ends without having said that it succeeded has not: node itself would exit with 0.
process.exitCode = 1;
main().then(
  () => (process.exitCode = 0),
  (error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    console.error(`no verified backup, so nothing was upgraded: ${why}`);
    process.exit(1);
  },
);
