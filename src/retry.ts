import { hasMovedOn } from "./atomic-batch.js";
import { DeadlineError } from "./deadline-error.js";
import { checkedOptions } from "./input-error.js";
import { checkedTime, type ULIDSource } from "./ulid.js";
import { checkMilliseconds, checkSignal, pause } from "./wait.js";

export interface BatchOptions {
  /** How long to try again while others move the log on, in milliseconds from the call. Default 10,000. */
  deadline?: number;
  /** Stops the trying; a batch that is on its way is not called back. */
  signal?: AbortSignal;
}

/** How long a call goes on trying. */
export interface Patience extends BatchOptions, ULIDSource {}

const DEADLINE = 10_000;
// A pause is so many times as long as the attempt took: what is long on loopback is nothing across the world.
const MOST_TRIPS = 4;

/** The options, read once. @throws InputError `INVALID_DEADLINE`, `INVALID_SIGNAL`, `INVALID_OPTIONS`. */
export function checkedBatchOptions(options: BatchOptions | undefined): BatchOptions {
  const { deadline = DEADLINE, signal } = checkedOptions(options);
  checkMilliseconds(deadline, "INVALID_DEADLINE", "deadline");
  checkSignal(signal);
  return signal ? { deadline, signal } : { deadline };
}

/**
 * Makes the attempt, and again as long as the log moves on meanwhile: each time another writer came through. A pause
 * of random length comes between, so that not all ask at once.
 *
 * @throws DeadlineError, the signal's reason, and what else an attempt throws.
 */
export async function untilUnmoved<T>(
  db: object,
  attempt: () => Promise<T>,
  { deadline = DEADLINE, signal, now = Date.now, randomness = Math.random }: Patience,
): Promise<T> {
  const start = checkedTime(now());
  const end = await turnOn(db, deadline, signal);
  try {
    let waited = 0;
    for (let round = 1; ; round++) {
      signal?.throwIfAborted();
      const begin = checkedTime(now());
      try {
        return await attempt();
      } catch (error) {
        if (!hasMovedOn(error)) throw error;
        const time = checkedTime(now());
        // A clock that was injected may stand still.
        const left = deadline - Math.max(time - start, waited);
        if (left <= 0) throw new DeadlineError(deadline, error);
        const milliseconds = 1 + randomness() * Math.max(1, time - begin) * Math.min(round, MOST_TRIPS);
        waited += milliseconds;
        await pause(Math.min(left, milliseconds), signal);
      }
    }
  } finally {
    end();
  }
}

/** Who is at it on a database, and how many have been. */
interface Turns {
  last: Promise<void>;
  ended: number;
}

const turns = new WeakMap<object, Turns>();
const STALLED = 1000;

/**
 * Waits until the calls before on this `db` have ended: of fifty at once each would come through against
 * forty-nine. It is a courtesy, no lock: after a second in which none ends it is over, for in a Worker a request
 * that was cancelled never ends.
 */
async function turnOn(db: object, deadline: number, signal?: AbortSignal): Promise<() => void> {
  const queue = turns.get(db) ?? { last: Promise.resolve(), ended: 0 };
  turns.set(db, queue);
  const earlier = queue.last;
  let end = () => {};
  queue.last = new Promise((resolve) => {
    end = () => {
      queue.ended++;
      resolve();
    };
  });
  for (let waited = 0; !signal?.aborted && waited < deadline; waited += STALLED) {
    const { ended } = queue;
    const awake = new AbortController();
    const wake = () => awake.abort();
    signal?.addEventListener("abort", wake);
    const isOver = await Promise.race([
      earlier.then(() => true),
      pause(Math.min(STALLED, deadline - waited), awake.signal).then(() => false),
    ]);
    wake();
    signal?.removeEventListener("abort", wake);
    if (isOver || queue.ended === ended) break;
  }
  return end;
}
