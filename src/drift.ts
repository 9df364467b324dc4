import { TIME_MAX } from "ulid";
import type { Database, Result } from "./database.js";
import type { Action, Actions, StoredEvent } from "./event.js";
import { checkedOptions, checkFunction, InputError, shapeOf } from "./input-error.js";
import { type ReadOptions, since } from "./read.js";
import { tableOf } from "./table.js";
import { checkedTime, LAST_RANDOM, timePart } from "./ulid.js";

export interface DriftOptions {
  /** Milliseconds since 1970, a whole number. Default `Date.now`. */
  now?: () => number;
  /** How far ahead of `now` an id may be and still be followed, in milliseconds. Default 5 minutes. */
  maxDrift?: number;
}

/**
 * The events whose ids are more than `maxDrift` milliseconds ahead of `now`, by id: a cortex does not follow
 * them, and they stand at the end of every order by id until their time comes. A page: see `since`.
 *
 * @throws InputError `INVALID_LIMIT`, `INVALID_DRIFT`, `INVALID_NOW`.
 */
export function drifted<D extends Database, A extends Actions = Action>(
  db: D,
  options?: DriftOptions & ReadOptions<A> & { limit?: number },
): Result<D, StoredEvent<A>[]> {
  const { limit = 100, table, ...drift } = checkedOptions(options);
  return since(db, driftBound(drift), limit, { table: tableOf({ table }) });
}

/** The greatest id that is at most `maxDrift` milliseconds ahead of `now`. */
export function driftBound({ now = Date.now, maxDrift }: DriftOptions): string {
  checkFunction(now, "INVALID_NOW", "now");
  return boundAt(now(), maxDrift);
}

/** The same for a time that has been asked for already. */
export function boundAt(time: number, maxDrift = 5 * 60_000): string {
  checkDrift(maxDrift);
  return timePart(Math.min(checkedTime(time) + maxDrift, TIME_MAX)) + LAST_RANDOM;
}

export function checkDrift(maxDrift: unknown): void {
  if (maxDrift !== undefined && !(Number.isSafeInteger(maxDrift) && (maxDrift as number) >= 0)) {
    const problem = `must be whole milliseconds from 0, got ${shapeOf(maxDrift)}`;
    throw new InputError("INVALID_DRIFT", "maxDrift", problem);
  }
}
