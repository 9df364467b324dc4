/**
 * How many events of each cortex are known, by cortex id; an absent entry is 0. A version vector in the sense
 * of Parker et al., "Detection of Mutual Inconsistency in Distributed Systems" (1983).
 */
export type VectorClock = Readonly<Record<string, number>>;

export type Causality = "before" | "after" | "equal" | "concurrent";

/** The clock after one more event of this cortex. */
export function increment(clock: VectorClock, cortexId: string): VectorClock {
  return merge(clock, { [cortexId]: counterOf(clock, cortexId) + 1 });
}

/** All that either clock knows: the greater counter of each cortex. Keys come out in order. */
export function merge(a: VectorClock, b: VectorClock): VectorClock {
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
  return Object.fromEntries(keys.map((key) => [key, Math.max(counterOf(a, key), counterOf(b, key))]));
}

/**
 * How `a` lies to `b`: `before` if b knows all that a does and more, `after` the other way round, `concurrent`
 * if each knows something that the other does not.
 */
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

function covers(a: VectorClock, b: VectorClock): boolean {
  return Object.keys(b).every((key) => counterOf(a, key) >= b[key]!);
}
