import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

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

/**
 * The same of a loop that does nothing but wait for the disk, as a commit does, every few milliseconds; and how
 * long the disk takes in the middle.
 */
export function watchDisk(directory: string): () => { longest: number; middle: number } {
  const file = join(directory, "probe");
  const descriptor = openSync(file, "w");
  const times: number[] = [];
  const probe = () => {
    const start = performance.now();
    writeSync(descriptor, Buffer.alloc(4096));
    fdatasyncSync(descriptor);
    times.push(performance.now() - start);
  };
  const stop = watchLoop();
  const timer = setInterval(probe, 5);
  return () => {
    clearInterval(timer);
    const longest = stop();
    probe();
    closeSync(descriptor);
    rmSync(file);
    return { longest, middle: times.sort((a, b) => a - b)[times.length >> 1]! };
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
