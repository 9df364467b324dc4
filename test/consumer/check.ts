/** How many promises were kept so far, and how many broken. */
export const counts = { passed: 0, failed: 0 };

/** Whether the promise is kept: the body does not throw. Prints and counts it. */
export function check(promise: string, body: () => unknown): boolean {
  try {
    body();
    counts.passed++;
    console.log(`ok – ${promise}`);
    return true;
  } catch (error) {
    counts.failed++;
    console.log(`not ok – ${promise}\n${error instanceof Error ? error.message : error}`);
    return false;
  }
}

/** Prints the counts. The process exits with 1 if a promise was broken. */
export function summarize(): void {
  const { passed, failed } = counts;
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}
