import { monotonicFactory, ulid } from "ulid";
import { makerOfULIDs, newULID } from "./stacks/package.js";
import { median } from "./statistics.js";

export interface UlidRate {
  name: string;
  /** Ids per second: the median of the rounds. */
  rate: number;
  target?: number;
}

const START = Date.UTC(2026, 0, 1);
const ROUNDS = 7;

/** How many ids a second, `calls` at a time. */
export function ulidRates(calls: number): UlidRate[] {
  let time = START;
  const within = makerOfULIDs(() => START);
  const each = makerOfULIDs(() => ++time);
  const monotonic = monotonicFactory();
  const makers = [
    { name: "ulidFactory, within one ms", make: within, target: 2e6 },
    { name: "ulidFactory, each in a new ms", make: each, target: 1e6 },
    { name: "newULID, by the wall clock", make: newULID },
    { name: "ulid: monotonicFactory, within one ms", make: () => monotonic(START) },
    { name: "ulid: ulid(), each in a new ms", make: () => ulid(++time) },
  ];
  const rates = makers.map((): number[] => []);
  // Round 0 warms up.
  for (let round = 0; round <= ROUNDS; round++) {
    makers.forEach(({ make }, i) => {
      globalThis.gc?.();
      // The last one is a thousand times slower than the others.
      const n = i === makers.length - 1 ? calls / 100 : calls;
      const start = performance.now();
      for (let k = 0; k < n; k++) make();
      if (round > 0) rates[i]!.push((n / (performance.now() - start)) * 1000);
    });
  }
  return makers.map(({ name, target }, i) => ({
    name,
    rate: median(rates[i]!),
    ...(target && { target }),
  }));
}
