import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Job } from "./jobs";
import { parseJobResult, RESULT_FILE, type JobResult } from "./result";

/** No file takes a third of this; what runs longer hangs. */
const LIMIT_MS = 20 * 60_000;

/** So long a process may go on once its tests are done, in milliseconds: something that a test started keeps it. */
const AFTER_MS = 60_000;

/** What became of one job. */
export interface JobOutcome {
  job: Job;
  seconds: number;
  result: JobResult;
  /** Everything that it printed. */
  output: string;
}

const running = new Set<ChildProcess>();

/** Ends the jobs that still run, for when the runner itself is interrupted. */
export function endRunningJobs(): void {
  for (const child of running) child.kill("SIGTERM");
}

/** Runs one mocha process to its end. Never throws: what goes wrong is a failure of the job. */
export async function runJob(checkout: string, job: Job, scratch: string, id: number): Promise<JobOutcome> {
  const started = Date.now();
  const resultFile = join(scratch, `${id}.json`);
  const mocha = join(checkout, "node_modules/mocha/bin/mocha.js");
  const child = spawn(process.execPath, [mocha, "--forbid-only", ...job.files], {
    cwd: checkout,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, [RESULT_FILE]: resultFile },
  });
  running.add(child);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  let doneAt: number | undefined;
  const looking = setInterval(() => {
    if (existsSync(resultFile)) doneAt ??= Date.now();
    if (doneAt !== undefined && Date.now() - doneAt > AFTER_MS) child.kill("SIGKILL");
  }, 5_000);
  const end = await new Promise<string>((resolve) => {
    child.on("error", (error) => resolve(error.message));
    // Not "close": a helper process that a test left behind may hold the pipes open.
    child.on("exit", (code, signal) =>
      setImmediate(() => resolve(code === null ? `signal ${signal}` : `exit code ${code}`)),
    );
  });
  clearTimeout(timer);
  clearInterval(looking);
  running.delete(child);
  return { job, seconds: (Date.now() - started) / 1000, output, result: judge(job, end, readResult(resultFile)) };
}

function readResult(file: string): JobResult | undefined {
  return existsSync(file) ? parseJobResult(readFileSync(file, "utf8")) : undefined;
}

/**
 * What a job counts as. One that crashed, wrote no figures or ran no test is a failure, whatever else it says: tests
 * that do not run must not look like tests that pass.
 */
export function judge(job: Job, end: string, result: JobResult | undefined): JobResult {
  const failed = (problem: string): JobResult => {
    const base = result ?? { passed: 0, failed: 0, skipped: 0, files: [], headlines: [], failures: "" };
    const files = base.files.length > 0 ? base.files : job.files.map((file) => ({ file, ms: 0, failed: 1 }));
    const headline = `${job.title}: ${problem}`;
    const headlines = [...base.headlines, headline];
    return { ...base, files, failed: base.failed + 1, headlines, failures: `${base.failures}\n\n  ${headline}\n` };
  };
  if (!result) return failed(`mocha ended with ${end} before its tests were done`);
  if (result.passed + result.failed + result.skipped === 0) return failed("no test ran");
  // Mocha's exit code is the number of failures, at most 255.
  if (end !== `exit code ${Math.min(result.failed, 255)}`) return failed(`mocha ended with ${end}`);
  return result;
}
