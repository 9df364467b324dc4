import { monotonicNow, setImmediate } from "../real-time.js";

/** The longest that statements may run in one turn of the event loop, in milliseconds. */
const LONG = 10;

let began = 0;
let isRunning = false;

/** Called before a statement runs that does not wait for a turn: its time counts, too. */
export function useTurn(now: number): void {
  if (isRunning) return;
  isRunning = true;
  began = now;
  setImmediate(() => {
    isRunning = false;
  });
}

/**
 * Whether statements have had their share of this turn. One that only awaits statements never leaves it by itself:
 * they settle at once.
 */
export function isTurnOver(): boolean {
  const now = monotonicNow();
  useTurn(now);
  return now - began > LONG;
}
