import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { jobsFor, shortName, testFiles, type Job } from "./jobs";
import { addCounts, sumLine, type Counts } from "./result";
import { endRunningJobs, runJob, type JobOutcome } from "./run-job";

/**
 * Runs test files in several mocha processes side by side: `main.ts [--jobs N] FOLDER-OR-FILE ...`.
 *
 * What a job prints comes in one piece when it ends; failures are repeated at the end. The last line sums all jobs up.
 */

const CHECKOUT = resolve(__dirname, "../..");
const BASE = join(CHECKOUT, ".sandbox", "tests");
/** What each file took the last time here. */
const SECONDS_FILE = join(BASE, "seconds.json");
/** What each took on a machine with two cores, for a first run: only their order matters. */
const USUAL_SECONDS = join(__dirname, "seconds.json");
/** How long nothing may be printed before a line tells what runs. */
const QUIET_MS = 30_000;
const SLOWEST = 10;
const LONGEST_LINE = 300;

let lastPrint = Date.now();
function print(text: string): void {
  lastPrint = Date.now();
  process.stdout.write(`${text}\n`);
}

function clock(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function readSeconds(file = SECONDS_FILE): Record<string, number> {
  if (!existsSync(file)) return {};
  return z
    .record(z.string(), z.number())
    .catch({})
    .parse(JSON.parse(readFileSync(file, "utf8")));
}

/** Runs the jobs, `width` at a time, in their order. */
async function runAll(jobs: Job[], width: number): Promise<JobOutcome[]> {
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
      print(`\n=== ${next.job.title}\n${outcome.output.trimEnd()}`);
      const place = `[${clock(Date.now() - started)}] ${outcomes.length} of ${jobs.length}`;
      print(
        `--- ${place}: ${shortName(next.job.title)} took ${clock(outcome.seconds * 1000)}, ${tally(outcome.result)}`,
      );
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

/** Not in the form of the closing line, which there is one of. */
function tally({ passed, failed, skipped }: Counts): string {
  return `${passed} of ${passed + failed + skipped} tests passed${failed > 0 ? `, ${failed} FAILED` : ""}`;
}

function report(outcomes: JobOutcome[], ms: number): Counts {
  const failures = outcomes.filter(({ result }) => result.failed > 0);
  if (failures.length > 0) print("\nFailures:");
  for (const { job, result } of failures) print(`\n=== ${job.title}${result.failures}`);
  const seconds = Object.fromEntries(
    outcomes.flatMap(({ result }) =>
      result.files.map(({ file, ms }) => [relative(CHECKOUT, resolve(CHECKOUT, file)), Math.round(ms / 100) / 10]),
    ),
  );
  writeFileSync(SECONDS_FILE, JSON.stringify({ ...readSeconds(), ...seconds }, undefined, 2));
  const slowest = Object.entries(seconds)
    .sort(([, a], [, b]) => b - a)
    .slice(0, SLOWEST);
  print(`\nThe slowest files, in seconds, of ${clock(ms)} in all:`);
  for (const [file, taken] of slowest) print(`${taken.toFixed(1).padStart(7)}  ${shortName(file)}`);
  // Again and last: of a long log often only the end is kept.
  if (failures.length > 0) print("\nFailed:");
  for (const { result } of failures) for (const line of result.headlines) print(`  ${line.slice(0, LONGEST_LINE)}`);
  return addCounts(outcomes.map(({ result }) => result));
}

async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    options: { jobs: { type: "string", default: "2" } },
    allowPositionals: true,
  });
  const width = Number(values.jobs);
  if (!Number.isInteger(width) || width < 1) throw new Error(`--jobs ${values.jobs}: a number of processes is needed`);
  mkdirSync(BASE, { recursive: true });
  const files = [...new Set(positionals.flatMap((name) => testFiles(CHECKOUT, name)))];
  if (files.length === 0) throw new Error(`no tests in: ${positionals.join(", ") || "nothing was named"}`);
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    process.on(signal, () => {
      endRunningJobs();
      process.exit(code);
    });
  }
  const started = Date.now();
  const jobs = jobsFor(files, { ...readSeconds(USUAL_SECONDS), ...readSeconds() });
  print(`${files.length} test files, ${width} at a time`);
  const counts = report(await runAll(jobs, width), Date.now() - started);
  print(`\n${sumLine(counts)}`);
  process.exitCode = counts.failed > 0 ? 1 : 0;
}

main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});
