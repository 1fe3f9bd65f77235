import { writeFileSync } from "node:fs";
import { format } from "node:util";
import { reporters, Runner, type MochaOptions, type Suite, type Test } from "mocha";
import { RESULT_FILE, sumLine, type FileResult, type JobResult } from "./runner/result";

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
    runner.on(EVENT_TEST_FAIL, (test: Test) => this.fileOf(test.parent).failed++);
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
    const result: JobResult = { ...counts, files: [...this.files.values()], failures: this.failureText() };
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

module.exports = SummaryReporter;
