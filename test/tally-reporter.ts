/**
 * Ends a test run with one plain line that scripts can read, from the runner's own results:
 * `N passed, N failed`, with `, N skipped` when there were any.
 */
import { writeSync } from "node:fs";
import type { Reporter, TestModule } from "vitest/node";

export class TallyReporter implements Reporter {
  #line: string | undefined;

  onInit(): void {
    // At exit, so that nothing the runner still has to say comes after it.
    process.once("exit", () => {
      if (this.#line !== undefined) writeSync(1, `${this.#line}\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    let passed = 0;
    let skipped = 0;
    // What fails outside a test (a file that does not load, a hook, a stray error) fails the run.
    let failed = unhandledErrors.length;
    for (const module of modules) {
      failed += module.errors().length;
      for (const suite of module.children.allSuites()) failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") passed += 1;
        else if (state === "skipped") skipped += 1;
        else failed += 1;
      }
    }
    this.#line = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
  }
}
