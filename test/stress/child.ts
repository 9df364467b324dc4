// What the child processes share: arguments, and lines to and from the parent.
import { writeSync } from "node:fs";

export const argument = <T>(): T => JSON.parse(process.argv[2]!);

/** At once and whole: what was said before a kill -9 has been said. */
export function say(value: unknown): void {
  let rest = Buffer.from(`${JSON.stringify(value)}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      // The pipe is full; the parent is reading.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
}

export function told(): Promise<void> {
  return new Promise((resolve) => {
    process.stdin.once("data", () => {
      // An open input would keep the process from ending.
      process.stdin.destroy();
      resolve();
    });
  });
}

/** Waits for the others. */
export async function ready(): Promise<void> {
  say("ready");
  await told();
}
