// In place of src/real-time.ts, for tests that turn the clock by themselves: the timers that there are when one is set.
export const setTimeout = (...args: Parameters<typeof globalThis.setTimeout>) =>
  globalThis.setTimeout(...args);
export const clearTimeout = (timer: NodeJS.Timeout) => globalThis.clearTimeout(timer);
export const setImmediate = (run: () => void) => globalThis.setImmediate(run);
export const monotonicNow = () => performance.now();
