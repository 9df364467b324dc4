import { InputError, reading, shapeOf } from "./input-error.js";
import { isPlainObject } from "./json.js";

/**
 * How many events of each cortex are known, by cortex id; an absent entry is 0. A version vector in the sense
 * of Parker et al., "Detection of Mutual Inconsistency in Distributed Systems" (1983).
 */
export type VectorClock = Readonly<Record<string, number>>;

export type Causality = "before" | "after" | "equal" | "concurrent";

/**
 * The clock after one more event of this cortex.
 *
 * @throws InputError `INVALID_VCLOCK`, as all three: a clock is a plain object of whole numbers from 0.
 */
export function incrementClock(clock: VectorClock, cortexId: string): VectorClock {
  const counters = countersOf(clock, "clock");
  if (typeof cortexId !== "string") {
    throw new InputError("INVALID_CORTEX_ID", "cortexId", `must be text, got ${shapeOf(cortexId)}`);
  }
  const next = counterOf(counters, cortexId) + 1;
  checkCounter(next, `clock.${cortexId.slice(0, 64)}`);
  return merge(counters, { [cortexId]: next });
}

/** All that either clock knows: the greater counter of each cortex. Keys come out in order. */
export function mergeClocks(a: VectorClock, b: VectorClock): VectorClock {
  return merge(countersOf(a, "a"), countersOf(b, "b"));
}

/**
 * How `a` lies to `b`: `before` if b knows all that a does and more, `after` the other way round, `concurrent`
 * if each knows something that the other does not.
 */
export function compareClocks(a: VectorClock, b: VectorClock): Causality {
  return compare(countersOf(a, "a"), countersOf(b, "b"));
}

/** `compareClocks` for clocks that are known to be valid. */
export function compare(a: VectorClock, b: VectorClock): Causality {
  const aCovers = covers(a, b);
  const bCovers = covers(b, a);
  if (aCovers) return bCovers ? "equal" : "after";
  return bCovers ? "before" : "concurrent";
}

/** The counter of a cortex; never something inherited from a prototype. */
export function counterOf(clock: VectorClock, cortexId: string): number {
  return Object.hasOwn(clock, cortexId) ? clock[cortexId]! : 0;
}

function merge(a: VectorClock, b: VectorClock): VectorClock {
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
  return Object.fromEntries(keys.map((key) => [key, Math.max(counterOf(a, key), counterOf(b, key))]));
}

function covers(a: VectorClock, b: VectorClock): boolean {
  return Object.keys(b).every((key) => counterOf(a, key) >= b[key]!);
}

function countersOf(clock: unknown, field: string): VectorClock {
  return reading(field, () => {
    if (!isPlainObject(clock)) {
      throw new InputError("INVALID_VCLOCK", field, `must be a plain object, got ${shapeOf(clock)}`);
    }
    const entries = Object.entries(clock);
    for (const [key, counter] of entries) checkCounter(counter, `${field}.${key.slice(0, 64)}`);
    return Object.fromEntries(entries) as VectorClock;
  });
}

function checkCounter(counter: unknown, field: string): void {
  if (!Number.isSafeInteger(counter) || (counter as number) < 0) {
    const problem = `must be a whole number from 0, got ${shapeOf(counter)}`;
    throw new InputError("INVALID_VCLOCK", field, problem);
  }
}
