import { writeFileSync } from "node:fs";
import { format, stripVTControlCharacters } from "node:util";
import { reporters, Runner, type MochaOptions, type Suite, type Test } from "mocha";
import { running } from "../sandbox/engine/running";
import { RESULT_FILE, sumLine, type FileResult, type JobResult } from "./runner/result";

/** Characters of a command's output that are shown. */
const LAST_OUTPUT = 3000;

/**
 * Mocha's spec output. The very last line sums the run up: `N passed, N failed[, N skipped]`. As a job of the test
 * runner it writes its figures to a file instead, and the runner sums up all jobs.
 */
export class SummaryReporter extends reporters.Spec {
  private readonly files = new Map<string, FileResult>();
  private readonly started = new Map<Suite, number>();

  constructor(runner: Runner, options: MochaOptions) {
    super(runner, options);
    const { EVENT_RUN_END, EVENT_SUITE_BEGIN, EVENT_SUITE_END, EVENT_TEST_FAIL } = Runner.constants;
    runner.on(EVENT_SUITE_BEGIN, (suite: Suite) => this.started.set(suite, Date.now()));
    // Hooks count, so a file takes from the begin to the end of its outermost suites.
    runner.on(EVENT_SUITE_END, (suite: Suite) => {
      if (suite.parent?.root) this.fileOf(suite).ms += Date.now() - (this.started.get(suite) ?? Date.now());
    });
    runner.on(EVENT_TEST_FAIL, (test: Test, error: Error) => {
      this.fileOf(test.parent).failed++;
      // What the test waited for is lost otherwise.
      if (error.message.startsWith("Timeout of")) error.stack = `${error.stack ?? error.message}${whatRuns()}`;
    });
    // The base reporter prints its epilogue on the same event; listeners run in the order they were added.
    runner.once(EVENT_RUN_END, () => this.finish());
  }

  private fileOf(suite: Suite | undefined): FileResult {
    const file = suite?.file ?? "";
    const result = this.files.get(file) ?? { file, ms: 0, failed: 0 };
    this.files.set(file, result);
    return result;
  }

  private finish(): void {
    const { passes, failures, pending } = this.stats;
    const counts = { passed: passes, failed: failures, skipped: pending };
    const target = process.env[RESULT_FILE];
    if (target === undefined) return console.log(sumLine(counts));
    const headlines = this.failures.map((test) => `${test.fullTitle()}: ${firstLine(test.err?.message ?? "")}`);
    const result: JobResult = { ...counts, files: [...this.files.values()], headlines, failures: this.failureText() };
    writeFileSync(target, JSON.stringify(result));
  }

  /** The list of failures with stacks and differences, as mocha prints it. */
  private failureText(): string {
    const lines: string[] = [];
    const print = reporters.Base.consoleLog;
    reporters.Base.consoleLog = (...values: unknown[]) => void lines.push(format(...values));
    try {
      if (this.failures.length > 0) reporters.Base.list(this.failures);
    } finally {
      reporters.Base.consoleLog = print;
    }
    return lines.join("\n");
  }
}

/** The commands that have not ended, with the last of what they printed. */
function whatRuns(): string {
  const texts = [...running].map(({ command, started, output }) => {
    const seconds = Math.round((Date.now() - started) / 1000);
    return `\n\n\`${command}\` has run for ${seconds} s:\n${stripVTControlCharacters(output).slice(-LAST_OUTPUT)}`;
  });
  return texts.join("");
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}

module.exports = SummaryReporter;
