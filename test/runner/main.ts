import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { type Job, jobsFor, shortName, testFiles } from "./jobs";
import { addCounts, sumLine } from "./result";
import { endRunningJobs, type JobOutcome, runJob } from "./run-job";

/**
 * Runs test files in several mocha processes side by side: `main.ts [--jobs N] FOLDER-OR-FILE ...`.
 *
 * What a job prints comes in one piece when it ends; failures are repeated at the end. The last line sums all jobs up,
 * and the exit code is 1 when anything failed.
 */
const CHECKOUT = resolve(__dirname, "../..");
const BASE = join(CHECKOUT, ".sandbox", "tests");
/**
 * What each file took the last time; without it, figures of a machine with two cores that are kept beside this program.
 */
const SECONDS_FILE = join(BASE, "seconds.json");
const KNOWN_SECONDS = join(__dirname, "seconds.json");
/** How long nothing may be printed before a line tells what runs. */
const QUIET_MS = 30_000;
const SLOWEST = 10;

let lastPrint = Date.now();
function print(text: string): void {
  lastPrint = Date.now();
  process.stdout.write(`${text}\n`);
}

function clock(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function readSeconds(file: string): Record<string, number> {
  if (!existsSync(file)) return {};
  return z
    .record(z.string(), z.number())
    .catch({})
    .parse(JSON.parse(readFileSync(file, "utf8")));
}

/** Runs the jobs, `width` at a time, in their order. */
async function runAll(jobs: readonly Job[], width: number): Promise<JobOutcome[]> {
  const scratch = mkdtempSync(join(BASE, "run-"));
  const started = Date.now();
  const outcomes: JobOutcome[] = [];
  const current = new Map<Job, number>();
  const heartbeat = setInterval(() => {
    if (Date.now() - lastPrint < QUIET_MS) return;
    const names = [...current].map(([job, since]) => `${shortName(job.title)} (${clock(Date.now() - since)})`);
    print(`[${clock(Date.now() - started)}] ${outcomes.length} of ${jobs.length} done; running: ${names.join(", ")}`);
  }, 1000);
  const queue = jobs.map((job, id) => ({ job, id }));
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      current.set(next.job, Date.now());
      const outcome = await runJob(CHECKOUT, next.job, scratch, next.id);
      current.delete(next.job);
      outcomes.push(outcome);
      const { seconds, result, output } = outcome;
      const at = `[${clock(Date.now() - started)}] ${outcomes.length} of ${jobs.length}`;
      print(`\n=== ${at}: ${next.job.title}, ${Math.round(seconds)} s, ${sumLine(result)}\n${output.trim()}`);
    }
  };
  try {
    await Promise.all(Array.from({ length: width }, worker));
  } finally {
    clearInterval(heartbeat);
    rmSync(scratch, { recursive: true, force: true });
  }
  return outcomes;
}

/** The slowest files, and the failures of all jobs in full. */
function report(outcomes: readonly JobOutcome[]): void {
  const files = outcomes.flatMap(({ result }) => result.files);
  const slowest = [...files].sort((a, b) => b.ms - a.ms).slice(0, SLOWEST);
  print("\nThe slowest test files:");
  for (const { file, ms } of slowest) {
    print(`  ${(ms / 1000).toFixed(1).padStart(6)} s  ${shortName(relative(CHECKOUT, resolve(CHECKOUT, file)))}`);
  }
  const failures = outcomes.map(({ result }) => result.failures.trimEnd()).filter((text) => text !== "");
  if (failures.length > 0) print(`\nFailures:\n${failures.join("\n")}`);
}

/** Remembers what each file took, for the order of the next run. */
function remember(outcomes: readonly JobOutcome[]): void {
  const seconds = readSeconds(SECONDS_FILE);
  for (const { job, seconds: took } of outcomes) {
    const [file, ...more] = job.files;
    if (file !== undefined && more.length === 0) seconds[file] = Math.round(took);
  }
  writeFileSync(SECONDS_FILE, `${JSON.stringify(seconds, undefined, 2)}\n`);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options: { jobs: { type: "string" } }, allowPositionals: true });
  const width = Number(values.jobs ?? Math.max(1, Math.min(2, availableParallelism())));
  if (!Number.isInteger(width) || width < 1 || positionals.length === 0) {
    throw new Error("usage: main.ts [--jobs N] FOLDER-OR-FILE ...");
  }
  mkdirSync(BASE, { recursive: true });
  const files = [...new Set(positionals.flatMap((one) => testFiles(CHECKOUT, one)))];
  if (files.length === 0) throw new Error(`no test file below ${positionals.join(", ")}`);
  const jobs = jobsFor(files, { ...readSeconds(KNOWN_SECONDS), ...readSeconds(SECONDS_FILE) });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      endRunningJobs();
      process.exit(1);
    });
  }
  const outcomes = await runAll(jobs, width);
  report(outcomes);
  remember(outcomes);
  const total = addCounts(outcomes.map(({ result }) => result));
  print(`\n${sumLine(total)}`);
  process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
