// What a process holds on to.
import { readdirSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;

/** Until what is not reachable is gone, and with it what it held in the binding. */
export async function collected(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    gc();
    await sleep(5);
  }
}

/** In bytes: on the heap and outside, and of the whole process. */
export function held() {
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, rss };
}

/** Those of the file and of those beside it; on Linux. */
export function descriptorsOf(file: string): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith(file) ? [target] : [];
    } catch {
      return []; // the directory's own
    }
  });
}
