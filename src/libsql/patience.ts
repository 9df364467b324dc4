import { DeadlineError } from "../deadline-error.js";
import { checkedOptions } from "../input-error.js";
import { monotonicNow } from "../real-time.js";
import { checkMilliseconds, checkSignal, pause } from "../wait.js";

export interface WriteOptions {
  /**
   * How long to wait for the turn and for other processes, in milliseconds from the call. Default that of `openLibsql`
   * on a file; elsewhere 10,000.
   */
  deadline?: number;
  /** Stops the waiting; it does not cut a transaction short. */
  signal?: AbortSignal;
}

export const DEADLINE = 10_000;

/** How long a call waits, counted from the call. */
export interface Patience {
  deadline: number;
  /** When the deadline is, by `monotonicNow`. */
  end: number;
  signal: AbortSignal | undefined;
}

export function patienceOf(deadline: number, signal?: AbortSignal): Patience {
  return { deadline, end: monotonicNow() + deadline, signal };
}

/** The options, read once. @throws InputError `INVALID_DEADLINE`, `INVALID_SIGNAL`, `INVALID_OPTIONS`. */
export function checkedWriteOptions(options: WriteOptions | undefined): WriteOptions {
  const checked = checkedOptions(options);
  const { deadline, signal } = checked;
  if (deadline !== undefined) checkMilliseconds(deadline, "INVALID_DEADLINE", "deadline");
  checkSignal(signal);
  return checked;
}

/** Who has waited for so many milliseconds asks as often as it can. */
const LONG_WAIT = 200;

/**
 * A pause before asking again for what another process holds, in milliseconds. The longer one has waited, the
 * shorter it is: among those that ask, who came first is then more often first.
 */
export function pollPause(random = Math.random, waited = 0): number {
  return 1 + 2 * random() * Math.max(0, 1 - waited / LONG_WAIT);
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
      if (monotonicNow() >= end) throw new DeadlineError(deadline, error);
    }
    await pause(pollPause());
  }
}
