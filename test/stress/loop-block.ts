import { readFileSync } from "node:fs";

/**
 * Watches this thread's event loop. The function that it answers with ends that, and answers with the longest time
 * that the loop stood still, in milliseconds; without the time in which the machine let others run (on Linux).
 */
export function watchLoop(): () => number {
  let longest = 0;
  let last = performance.now();
  let lastWaited = waitedForProcessor();
  const look = () => {
    const now = performance.now();
    const waited = waitedForProcessor();
    longest = Math.max(longest, now - last - (waited - lastWaited));
    [last, lastWaited] = [now, waited];
  };
  const timer = setInterval(look, 1);
  return () => {
    clearInterval(timer);
    look();
    return longest;
  };
}

/** How long this thread was ready to run and did not, in milliseconds. */
function waitedForProcessor(): number {
  try {
    return Number(readFileSync("/proc/thread-self/schedstat", "utf8").split(" ")[1]) / 1e6;
  } catch {
    return 0;
  }
}
