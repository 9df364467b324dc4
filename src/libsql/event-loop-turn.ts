/** The longest that statements may run in one turn of the event loop, in milliseconds. */
const LONG = 10;

let began = 0;
let isRunning = false;

/**
 * Whether statements have had their share of this turn. One that only awaits statements never leaves it by itself:
 * they settle at once.
 */
export function isTurnOver(now = performance.now()): boolean {
  if (!isRunning) {
    isRunning = true;
    began = now;
    setImmediate(() => {
      isRunning = false;
    });
  }
  return now - began > LONG;
}
