import { setTimeout as sleep } from "node:timers/promises";
import { InputError, shapeOf } from "../input-error.js";
import { DeadlineError } from "./deadline-error.js";

export interface WriteOptions {
  /** How long to wait for the turn and for other processes, in milliseconds from the call. Default 10,000. */
  deadline?: number;
  /** Stops the waiting; it does not cut a transaction short. */
  signal?: AbortSignal;
}

export const DEADLINE = 10_000;

/** How long a call waits, counted from the call. */
export interface Patience {
  deadline: number;
  /** When the deadline is, by `performance.now`. */
  end: number;
  signal: AbortSignal | undefined;
}

export function patienceOf(deadline: number, signal?: AbortSignal): Patience {
  return { deadline, end: performance.now() + deadline, signal };
}

/** @throws InputError `INVALID_DEADLINE`, `INVALID_SIGNAL`, `INVALID_OPTIONS`. */
export function checkWriteOptions(options: WriteOptions): void {
  if (typeof options !== "object" || options === null) {
    throw new InputError("INVALID_OPTIONS", "options", `must be an object, got ${shapeOf(options)}`);
  }
  const { deadline, signal } = options;
  if (deadline !== undefined) checkDeadline(deadline);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new InputError("INVALID_SIGNAL", "signal", `must be an AbortSignal, got ${shapeOf(signal)}`);
  }
}

export function checkDeadline(deadline: unknown, field = "deadline"): void {
  // A timer takes no more.
  if (!Number.isInteger(deadline) || (deadline as number) < 0 || (deadline as number) > 2 ** 31 - 1) {
    throw new InputError(
      "INVALID_DEADLINE",
      field,
      `must be whole milliseconds up to 2147483647, got ${shapeOf(deadline)}`,
    );
  }
}

/** A pause before asking again for what another process holds, in milliseconds. */
export function pollPause(random = Math.random): number {
  return 1 + 2 * random();
}

/** Makes the attempt, and again until it does not throw what `mayPass`, or the patience is at its end. */
export async function retried<T>(
  attempt: () => T,
  mayPass: (error: unknown) => boolean,
  { deadline, end }: Patience,
): Promise<T> {
  for (;;) {
    try {
      return attempt();
    } catch (error) {
      if (!mayPass(error)) throw error;
      if (performance.now() >= end) throw new DeadlineError(deadline, error);
    }
    await sleep(pollPause());
  }
}
