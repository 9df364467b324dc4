// A tail under a clock that only the test moves, and files that go with their test.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TailOptions, tail } from "drizzle-event-log";
import { afterEach, vi } from "vitest";

export const INTERVAL = 5000;

export const cleanUps: (() => void)[] = [];
afterEach(() => {
  vi.useRealTimers();
  for (const cleanUp of cleanUps.splice(0).reverse()) cleanUp();
});

export function newFile(): string {
  const directory = mkdtempSync(join(tmpdir(), "event-log-tail-"));
  cleanUps.push(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "app.db");
}

export const seqs = (page: readonly { seq: number }[]) => page.map(({ seq }) => seq);

export function follow(db: Parameters<typeof tail>[0], options: TailOptions = {}) {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const stop = new AbortController();
  const iterator = tail(db, { interval: INTERVAL, signal: stop.signal, ...options });
  /** The seqs of the next page, once it is there. */
  const next = async () => {
    const step = await iterator.next();
    return step.done ? "done" : seqs(step.value);
  };
  /** What it comes to without the clock moving, or "waiting". */
  const soon = async (pending: Promise<unknown>) => {
    let outcome: unknown = "waiting";
    pending.then(
      (value) => {
        outcome = value;
      },
      () => {},
    );
    // Each round gives the driver a turn.
    for (let round = 0; round < 100 && outcome === "waiting"; round++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    return outcome;
  };
  const pass = (time = INTERVAL) => vi.advanceTimersByTimeAsync(time);
  return { iterator, stop, next, soon, pass };
}
