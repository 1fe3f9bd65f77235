import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { z } from "zod";
import { Redactor, secretTexts } from "../../../kubernetes/redact";
import { failureText, type GateReport, gateSettings, type GateSettings, parseReport, reportLines } from "../settings";
import { kubeObject } from "../../../kubernetes/objects";
import { ApiError, UnreachableError } from "../../../kubernetes/api";
import { type ClusterClient, connect } from "../../../kubernetes/connect";
import type { KubectlAccess } from "../../../kubernetes/kubectl";
import { checkMigration, type GateProblem } from "./check";
import { type Mask, migrationEvidence, rollbackAdvice } from "./evidence";

const POLL_MS = 1000;
/** How long a final problem must last before the gate gives up, in milliseconds: the program may try again at once. */
const SETTLE_MS = 5000;
const USAGE =
  "usage: MIGRATION_GATE=<settings as JSON> migration-gate-cli.ts --context CONTEXT < <secret texts as JSON>";

/**
 * Waits until the migration of the auth service is known to have gone well. Passed: the report as JSON on stdout, in words on
 * stderr. Not passed in time: why on stdout (the engine puts it into the error once, and shows stderr while it runs), exit 1.
 */
async function main(): Promise<number> {
  const { values } = parseArgs({ options: { context: { type: "string" } } });
  const settings = gateSettings.safeParse(JSON.parse(process.env["MIGRATION_GATE"] ?? "null"));
  if (!values.context || !settings.success) throw new Error(USAGE);
  const access = { context: values.context };
  const client = await connect({ ...access, timeoutSeconds: 10 });
  const seen = parseReport(process.env["PULUMI_COMMAND_STDOUT"])?.seen ?? [];
  const started = Date.now();
  const outcome = await wait(client, access, settings.data, seen);
  if (!("problem" in outcome)) {
    console.error(reportLines(outcome).join("\n"));
    console.log(JSON.stringify(outcome));
    return 0;
  }
  const mask = await maskFor(client, settings.data, givenSecrets());
  const seconds = Math.round((Date.now() - started) / 1000);
  const [evidence, rollback] = await Promise.all([
    migrationEvidence(client, settings.data, mask),
    rollbackAdvice(client, settings.data.rollback),
  ]);
  console.log(failureText(settings.data, mask(outcome.problem), seconds, evidence, rollback));
  return 1;
}

async function wait(
  client: ClusterClient,
  access: KubectlAccess,
  settings: GateSettings,
  seen: readonly string[],
): Promise<GateReport | GateProblem> {
  const end = Date.now() + settings.timeoutSeconds * 1000;
  let finalSince: number | undefined;
  for (;;) {
    const outcome = await look(client, access, settings, seen);
    if (!("problem" in outcome)) return outcome;
    finalSince = outcome.final ? (finalSince ?? Date.now()) : undefined;
    const settled = finalSince !== undefined && Date.now() - finalSince >= SETTLE_MS;
    if (settled || Date.now() >= end) return outcome;
    await sleep(Math.min(POLL_MS, Math.max(end - Date.now(), 0)));
  }
}

/** An API server that fails for a moment is no reason to give up before the time is. */
async function look(...args: Parameters<typeof checkMigration>): Promise<GateReport | GateProblem> {
  try {
    return await checkMigration(...args);
  } catch (error) {
    const passing = error instanceof UnreachableError || (error instanceof ApiError && error.code >= 500);
    if (!passing) throw error;
    return { problem: `the cluster does not answer: ${error.message}` };
  }
}

/** The configured secrets, over stdin: arguments and the environment can be read by others. */
function givenSecrets(): string[] {
  const text = process.stdin.isTTY ? "" : readFileSync(0, "utf8");
  const parsed = z.array(z.string()).safeParse(text ? JSON.parse(text) : []);
  return parsed.success ? parsed.data : [];
}

/** Hides what was given and what the Secrets of the namespace hold, except what everybody can read in the chart. */
async function maskFor(client: ClusterClient, { deployment, known }: GateSettings, given: string[]): Promise<Mask> {
  const select = { fieldSelector: "type!=helm.sh/release.v1" };
  const secrets = await client
    .list({ apiVersion: "v1", kind: "Secret" }, deployment.namespace, kubeObject, select)
    .catch(() => []);
  const redactor = new Redactor([...given, ...secretTexts(secrets)], new Set(known));
  return (text) => redactor.text(text);
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.log(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
