import { reporters, Runner, type MochaOptions } from "mocha";

/** Mocha's spec output, and as the very last line one that sums the run up: `N passed, N failed[, N skipped]`. */
export class SummaryReporter extends reporters.Spec {
  constructor(runner: Runner, options: MochaOptions) {
    super(runner, options);
    // The base reporter prints its epilogue on the same event; listeners run in the order they were added.
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      console.log(`${passes} passed, ${failures} failed${pending > 0 ? `, ${pending} skipped` : ""}`);
    });
  }
}

module.exports = SummaryReporter;
