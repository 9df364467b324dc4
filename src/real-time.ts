// As they are when this is loaded. A test that fakes time after that does not stop the database: who awaits a write cannot
// turn the clock on meanwhile.
const { performance } = globalThis;

export const { setTimeout, clearTimeout } = globalThis;

/** Runs it in the next turn of the event loop. Where there is no setImmediate, it costs a millisecond or more. */
export const setImmediate: (run: () => void) => unknown = globalThis.setImmediate ?? setTimeout;

/** Milliseconds since some moment, which no change of the system's clock touches. */
export const monotonicNow = (): number => performance.now();
