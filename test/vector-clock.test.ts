import { readFileSync } from "node:fs";
import { type Causality, compare, increment, merge, type VectorClock } from "drizzle-event-log";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

// Few names and low counters, so that random clocks are often equal or in order; most are on Object.prototype.
const NAMES = ["A", "B", "1", "__proto__", "constructor", "toString", "hasOwnProperty"];

const name = fc.constantFrom(...NAMES);
const clock: fc.Arbitrary<VectorClock> = fc
  .tuple(fc.array(fc.tuple(name, fc.nat(3)), { maxLength: 4 }), fc.boolean())
  .map(([entries, bare]) => {
    const own = Object.fromEntries(entries);
    return Object.freeze(bare ? Object.setPrototypeOf(own, null) : own);
  });
/** Three clocks of which each often covers the one before. */
const three = fc.tuple(clock, clock, clock, fc.boolean(), fc.boolean()).map(([a, b, c, second, third]) => {
  const middle = second ? merge(a, b) : b;
  return [a, middle, third ? merge(middle, c) : c] as const;
});

/** What `compare` must say, from the definition: every name looked up, what is not its own is 0. */
function defined(a: VectorClock, b: VectorClock): Causality {
  const at = (from: VectorClock, key: string) =>
    (Object.getOwnPropertyDescriptor(from, key)?.value as number | undefined) ?? 0;
  const less = NAMES.some((key) => at(a, key) < at(b, key));
  const more = NAMES.some((key) => at(a, key) > at(b, key));
  if (less) return more ? "concurrent" : "before";
  return more ? "after" : "equal";
}

const covers = (a: VectorClock, b: VectorClock) => ["equal", "after"].includes(compare(a, b));
const holds = (law: fc.IPropertyWithHooks<any>) => fc.assert(law, { numRuns: 2000 });

describe("compare", () => {
  test("it says what the definition says, for every pair", () => {
    holds(
      fc.property(clock, clock, (a, b) => {
        expect(compare(a, b)).toBe(defined(a, b));
      }),
    );
  });

  test("the random clocks come to each of the four answers often", () => {
    const seen = fc.sample(three, { numRuns: 2000, seed: 1 }).map(([a, b]) => compare(a, b));
    for (const answer of ["before", "equal", "concurrent"]) {
      expect(seen.filter((one) => one === answer).length).toBeGreaterThan(100);
    }
    expect(seen).toContain("after");
  });

  test("before and after mirror each other; equal and concurrent are symmetric", () => {
    const mirror = { before: "after", after: "before", equal: "equal", concurrent: "concurrent" };
    holds(
      fc.property(clock, clock, (a, b) => {
        expect(compare(b, a)).toBe(mirror[compare(a, b)]);
      }),
    );
  });

  test("before is transitive", () => {
    holds(
      fc.property(three, ([a, b, c]) => {
        fc.pre(compare(a, b) === "before" && compare(b, c) === "before");
        expect(compare(a, c)).toBe("before");
      }),
    );
  });

  test("equal is an equivalence, and equal clocks compare alike with every other", () => {
    holds(
      fc.property(clock, clock, fc.array(name), (a, other, zeros) => {
        const same = { ...Object.fromEntries(zeros.map((key) => [key, 0])), ...a };
        expect(compare(a, a)).toBe("equal");
        expect(compare(a, same)).toBe("equal");
        expect(compare(same, other)).toBe(compare(a, other));
      }),
    );
  });

  test("an absent entry is 0", () => {
    for (const key of NAMES) {
      const zero = Object.fromEntries([[key, 0]]);
      const one = Object.fromEntries([[key, 1]]);
      expect(compare({}, zero)).toBe("equal");
      expect(compare(zero, {})).toBe("equal");
      expect(compare({}, one)).toBe("before");
      expect(compare(one, {})).toBe("after");
      expect(compare(one, { Z: 1 })).toBe("concurrent");
    }
  });
});

describe("merge", () => {
  test("it is commutative, associative and idempotent, to the letter", () => {
    holds(
      fc.property(clock, clock, clock, (a, b, c) => {
        expect(text(merge(a, b))).toBe(text(merge(b, a)));
        expect(text(merge(merge(a, b), c))).toBe(text(merge(a, merge(b, c))));
        expect(text(merge(merge(a, b), b))).toBe(text(merge(a, b)));
        expect(compare(merge(a, a), a)).toBe("equal");
      }),
    );
  });

  test("it is the least clock that covers both", () => {
    holds(
      fc.property(clock, clock, clock, (a, b, c) => {
        const both = merge(a, b);
        expect(covers(both, a) && covers(both, b)).toBe(true);
        if (covers(c, a) && covers(c, b)) expect(covers(c, both)).toBe(true);
      }),
    );
  });

  test("its keys come out in order", () => {
    expect(JSON.stringify(merge({ C: 1, A: 2 }, { B: 3, A: 1 }))).toBe('{"A":2,"B":3,"C":1}');
  });
});

describe("increment", () => {
  test("it comes after, by one event of that cortex and of no other", () => {
    holds(
      fc.property(clock, name, (a, key) => {
        const next = increment(a, key);
        expect(compare(next, a)).toBe("after");
        const expected = new Map<string, number>(Object.entries(a));
        expected.set(key, (expected.get(key) ?? 0) + 1);
        expect(new Map(Object.entries(next))).toEqual(expected);
      }),
    );
  });

  test("two cortexes that go on from one clock are concurrent", () => {
    holds(
      fc.property(clock, name, name, (a, one, other) => {
        fc.pre(one !== other);
        expect(compare(increment(a, one), increment(a, other))).toBe("concurrent");
      }),
    );
  });
});

describe("keys that every object inherits", () => {
  test.each(["__proto__", "constructor", "toString", "hasOwnProperty"])("%s counts as any other", (key) => {
    const one = increment({}, key);
    expect(Object.entries(one)).toEqual([[key, 1]]);
    expect(Object.getPrototypeOf(one)).toBe(Object.prototype);
    expect(Object.entries(increment(one, key))).toEqual([[key, 2]]);
    expect(Object.entries(merge(one, { A: 1 })).sort()).toEqual(
      [
        ["A", 1],
        [key, 1],
      ].sort(),
    );
    expect(compare(JSON.parse(`{"${key}":2}`), one)).toBe("after");
    expect(compare({}, one)).toBe("before");
  });

  test("nothing is taken from a prototype", () => {
    const inherited: VectorClock = Object.create({ A: 5 });
    expect(compare(inherited, {})).toBe("equal");
    expect(increment(inherited, "A")).toEqual({ A: 1 });
    expect(merge(inherited, {})).toEqual({});
  });

  test("no clock changes Object.prototype", () => {
    merge(JSON.parse('{"__proto__":7}'), { A: 1 });
    increment({}, "__proto__");
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });
});

test("no function changes the clocks it is given", () => {
  const a = Object.freeze({ A: 1 });
  const b = Object.freeze({ A: 2, B: 1 });
  increment(a, "A");
  merge(a, b);
  compare(a, b);
  expect([a, b]).toEqual([{ A: 1 }, { A: 2, B: 1 }]);
});

test("the module imports nothing", () => {
  const source = readFileSync(new URL("../src/vector-clock.ts", import.meta.url), "utf8");
  expect(source).not.toMatch(/\b(import|require)\b|\bfrom\s*["']/);
});

function text(a: VectorClock): string {
  return JSON.stringify(Object.entries(a));
}
