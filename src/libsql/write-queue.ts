import { DeadlineError } from "../deadline-error.js";
import { clearTimeout, monotonicNow, setImmediate, setTimeout } from "../real-time.js";
import { isTurnOver } from "./event-loop-turn.js";
import { isBusy } from "./native.js";
import { type Patience, pollPause } from "./patience.js";

// After so long a use of the lock without a pause, in milliseconds, it is left to others for a moment.
const USE = 25;
const USE_ALONE = 500;
const GAP = 4;
/** For so long after another process was met, others are thought to be there. */
const MEMORY = 10_000;

interface Place {
  attempt: () => unknown;
  resolve: (value: any) => void;
  reject: (error: unknown) => void;
  owner: object;
  deadline: number;
  since: number;
  refusal: unknown;
  leave: () => void;
}

/**
 * All that writes to one file, in the order of the calls. Each is attempted when its turn has come, and again as
 * long as it throws SQLITE_BUSY; those behind it wait.
 */
export class WriteQueue {
  #places = new Set<Place>();
  /** When the one began that holds the queue beyond its attempt. */
  #heldSince: number | undefined;
  /** Somebody will call `#next`. */
  #isDue = false;
  /** When the use began that has had no pause yet. */
  #usedSince = Number.POSITIVE_INFINITY;
  /** When the lock was last had. */
  #usedUntil = Number.NEGATIVE_INFINITY;
  #metOthers = Number.NEGATIVE_INFINITY;
  #random: () => number;

  constructor(random = Math.random) {
    this.#random = random;
  }

  /**
   * What the attempt answers: at once if nobody is before it. It may have to wait, for its turn or for another
   * process; `owner` is who can withdraw it until then.
   *
   * @throws DeadlineError, the signal's reason; what the attempt throws, other than SQLITE_BUSY.
   */
  submit<T>(attempt: () => T, patience: Patience, owner: object): T | Promise<T> {
    let refusal: unknown;
    if (this.#isFree()) {
      try {
        return this.#use(attempt);
      } catch (error) {
        if (!isBusy(error)) throw error;
        refusal = error;
      }
    }
    return this.#wait(attempt, patience, owner, refusal);
  }

  /** Called in an attempt: nobody else has a turn until the release. */
  hold(): void {
    this.#heldSince = monotonicNow();
  }

  release(): void {
    this.#heldSince = undefined;
    this.#usedUntil = monotonicNow();
    if (this.#places.size > 0) this.#comeBack();
  }

  /** Rejects all of the owner that wait. */
  withdraw(owner: object, reason: unknown): void {
    for (const place of this.#places) if (place.owner === owner) this.#refuse(place, reason);
  }

  #wait<T>(attempt: () => T, patience: Patience, owner: object, refusal: unknown): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const { deadline, end, signal } = patience;
      if (signal?.aborted) return reject(signal.reason);
      const since = monotonicNow();
      const timer = setTimeout(() => this.#expire(place), Math.max(0, end - since));
      const abort = () => this.#refuse(place, signal?.reason);
      signal?.addEventListener("abort", abort);
      const leave = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        this.#places.delete(place);
      };
      const place: Place = { attempt, resolve, reject, owner, deadline, since, refusal, leave };
      this.#places.add(place);
      this.#comeBack(refusal ? pollPause(this.#random) : 0);
    });
  }

  #expire(place: Place): void {
    const isBehind = this.#heldSince !== undefined && this.#heldSince <= place.since;
    this.#refuse(place, new DeadlineError(place.deadline, place.refusal, isBehind));
  }

  #refuse(place: Place, reason: unknown): void {
    place.leave();
    place.reject(reason);
  }

  #isFree(): boolean {
    const isFree = this.#places.size === 0 && !this.#isDue && this.#heldSince === undefined;
    return isFree && !isTurnOver() && !this.#isOthersTurn();
  }

  /** In a later step: what was answered by now is told first. */
  #comeBack(poll = 0): void {
    if (this.#isDue || this.#heldSince !== undefined) return;
    this.#isDue = true;
    const next = () => {
      this.#isDue = false;
      this.#next();
    };
    if (poll > 0) {
      setTimeout(next, poll);
    } else if (this.#isOthersTurn()) {
      this.#usedSince = Number.POSITIVE_INFINITY;
      setTimeout(next, GAP);
    } else if (isTurnOver()) {
      setImmediate(next);
    } else {
      queueMicrotask(next);
    }
  }

  #next(): void {
    const [place] = this.#places;
    if (place === undefined || this.#heldSince !== undefined) return;
    try {
      const value = this.#use(place.attempt);
      place.leave();
      place.resolve(value);
    } catch (error) {
      if (isBusy(error)) {
        place.refusal = error;
        this.#comeBack(pollPause(this.#random, monotonicNow() - Math.max(place.since, this.#usedUntil)));
        return;
      }
      this.#refuse(place, error);
    }
    if (this.#places.size > 0) this.#comeBack();
  }

  #use<T>(attempt: () => T): T {
    const now = monotonicNow();
    this.#usedSince = now - this.#usedUntil >= GAP ? now : Math.min(this.#usedSince, now);
    let hadLock = true;
    try {
      return attempt();
    } catch (error) {
      if (isBusy(error)) {
        hadLock = false;
        this.#metOthers = now;
      }
      throw error;
    } finally {
      if (hadLock) this.#usedUntil = monotonicNow();
    }
  }

  #isOthersTurn(): boolean {
    const now = monotonicNow();
    const use = now - this.#metOthers < MEMORY ? USE : USE_ALONE;
    return now - this.#usedUntil < GAP && now - this.#usedSince >= use;
  }
}
