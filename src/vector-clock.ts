/** How many events of each cortex are known, by cortex id; an absent entry is 0. */
export type VectorClock = Readonly<Record<string, number>>;
