import { readFileSync } from "node:fs";
import {
  type Causality,
  compareClocks,
  incrementClock,
  mergeClocks,
  type VectorClock,
} from "drizzle-event-log";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inputErrorOf } from "./fixture.js";

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
  const middle = second ? mergeClocks(a, b) : b;
  return [a, middle, third ? mergeClocks(middle, c) : c] as const;
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

const covers = (a: VectorClock, b: VectorClock) => ["equal", "after"].includes(compareClocks(a, b));
const holds = (law: fc.IPropertyWithHooks<any>) => fc.assert(law, { numRuns: 2000 });

describe("compare", () => {
  test("it says what the definition says, for every pair", () => {
    holds(
      fc.property(clock, clock, (a, b) => {
        expect(compareClocks(a, b)).toBe(defined(a, b));
      }),
    );
  });

  test("the random clocks come to each of the four answers often", () => {
    const seen = fc.sample(three, { numRuns: 2000, seed: 1 }).map(([a, b]) => compareClocks(a, b));
    for (const answer of ["before", "equal", "concurrent"]) {
      expect(seen.filter((one) => one === answer).length).toBeGreaterThan(100);
    }
    expect(seen).toContain("after");
  });

  test("before and after mirror each other; equal and concurrent are symmetric", () => {
    const mirror = { before: "after", after: "before", equal: "equal", concurrent: "concurrent" };
    holds(
      fc.property(clock, clock, (a, b) => {
        expect(compareClocks(b, a)).toBe(mirror[compareClocks(a, b)]);
      }),
    );
  });

  test("before is transitive", () => {
    holds(
      fc.property(three, ([a, b, c]) => {
        fc.pre(compareClocks(a, b) === "before" && compareClocks(b, c) === "before");
        expect(compareClocks(a, c)).toBe("before");
      }),
    );
  });

  test("equal is an equivalence, and equal clocks compare alike with every other", () => {
    holds(
      fc.property(clock, clock, fc.array(name), (a, other, zeros) => {
        const same = { ...Object.fromEntries(zeros.map((key) => [key, 0])), ...a };
        expect(compareClocks(a, a)).toBe("equal");
        expect(compareClocks(a, same)).toBe("equal");
        expect(compareClocks(same, other)).toBe(compareClocks(a, other));
      }),
    );
  });

  test("an absent entry is 0", () => {
    for (const key of NAMES) {
      const zero = Object.fromEntries([[key, 0]]);
      const one = Object.fromEntries([[key, 1]]);
      expect(compareClocks({}, zero)).toBe("equal");
      expect(compareClocks(zero, {})).toBe("equal");
      expect(compareClocks({}, one)).toBe("before");
      expect(compareClocks(one, {})).toBe("after");
      expect(compareClocks(one, { Z: 1 })).toBe("concurrent");
    }
  });
});

describe("merge", () => {
  test("it is commutative, associative and idempotent, to the letter", () => {
    holds(
      fc.property(clock, clock, clock, (a, b, c) => {
        expect(text(mergeClocks(a, b))).toBe(text(mergeClocks(b, a)));
        expect(text(mergeClocks(mergeClocks(a, b), c))).toBe(text(mergeClocks(a, mergeClocks(b, c))));
        expect(text(mergeClocks(mergeClocks(a, b), b))).toBe(text(mergeClocks(a, b)));
        expect(compareClocks(mergeClocks(a, a), a)).toBe("equal");
      }),
    );
  });

  test("it is the least clock that covers both", () => {
    holds(
      fc.property(clock, clock, clock, (a, b, c) => {
        const both = mergeClocks(a, b);
        expect(covers(both, a) && covers(both, b)).toBe(true);
        if (covers(c, a) && covers(c, b)) expect(covers(c, both)).toBe(true);
      }),
    );
  });

  test("its keys come out in order", () => {
    expect(JSON.stringify(mergeClocks({ C: 1, A: 2 }, { B: 3, A: 1 }))).toBe('{"A":2,"B":3,"C":1}');
  });
});

describe("increment", () => {
  test("it comes after, by one event of that cortex and of no other", () => {
    holds(
      fc.property(clock, name, (a, key) => {
        const next = incrementClock(a, key);
        expect(compareClocks(next, a)).toBe("after");
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
        expect(compareClocks(incrementClock(a, one), incrementClock(a, other))).toBe("concurrent");
      }),
    );
  });
});

describe("keys that every object inherits", () => {
  test.each(["__proto__", "constructor", "toString", "hasOwnProperty"])("%s counts as any other", (key) => {
    const one = incrementClock({}, key);
    expect(Object.entries(one)).toEqual([[key, 1]]);
    expect(Object.getPrototypeOf(one)).toBe(Object.prototype);
    expect(Object.entries(incrementClock(one, key))).toEqual([[key, 2]]);
    expect(Object.entries(mergeClocks(one, { A: 1 })).sort()).toEqual(
      [
        ["A", 1],
        [key, 1],
      ].sort(),
    );
    expect(compareClocks(JSON.parse(`{"${key}":2}`), one)).toBe("after");
    expect(compareClocks({}, one)).toBe("before");
  });

  test("nothing is taken from a prototype: a clock that inherits is none", () => {
    const inherited: VectorClock = Object.create({ A: 5 });
    for (const run of [
      () => compareClocks(inherited, {}),
      () => incrementClock(inherited, "A"),
      () => mergeClocks(inherited, {}),
    ]) {
      expect(inputErrorOf(run)).toMatchObject({ code: "INVALID_VCLOCK" });
    }
  });

  test("no clock changes Object.prototype", () => {
    mergeClocks(JSON.parse('{"__proto__":7}'), { A: 1 });
    incrementClock({}, "__proto__");
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });
});

test("no function changes the clocks it is given", () => {
  const a = Object.freeze({ A: 1 });
  const b = Object.freeze({ A: 2, B: 1 });
  incrementClock(a, "A");
  mergeClocks(a, b);
  compareClocks(a, b);
  expect([a, b]).toEqual([{ A: 1 }, { A: 2, B: 1 }]);
});

describe("what is no clock", () => {
  class Clock {
    A = 1;
  }
  const notClocks: [name: string, clock: unknown][] = [
    ["null", null],
    ["undefined", undefined],
    ["text", "A"],
    ["a number", 1],
    ["an array", [1]],
    ["a Map", new Map([["A", 1]])],
    ["a class instance", new Clock()],
    ["a symbol key", { [Symbol("A")]: 1 }],
    ["a counter below 0", { A: -1 }],
    ["a counter of half", { A: 0.5 }],
    ["a counter that is NaN", { A: Number.NaN }],
    ["a counter above 2^53 - 1", { A: 2 ** 53 }],
    ["a counter in text", { A: "1" }],
    ["a counter that is a bigint", { A: 1n }],
    ["a counter that is undefined", { A: undefined }],
  ];
  test.each(notClocks)("%s is refused by all three, on either side", (_, bad) => {
    const clock = bad as VectorClock;
    const calls: [run: () => unknown, field: string][] = [
      [() => incrementClock(clock, "A"), "clock"],
      [() => mergeClocks(clock, {}), "a"],
      [() => mergeClocks({}, clock), "b"],
      [() => compareClocks(clock, {}), "a"],
      [() => compareClocks({}, clock), "b"],
    ];
    for (const [run, field] of calls) {
      const error = inputErrorOf(run);
      expect(error.code).toBe("INVALID_VCLOCK");
      expect(error.field.split(".")[0]).toBe(field);
    }
  });

  test.each([undefined, null, 7, {}])("a cortex id of %j is refused", (cortexId) => {
    const error = inputErrorOf(() => incrementClock({}, cortexId as string));
    expect(error).toMatchObject({ code: "INVALID_CORTEX_ID", field: "cortexId" });
  });
});

test("the module needs no database: it imports its errors and what a plain object is", () => {
  const source = readFileSync(new URL("../src/vector-clock.ts", import.meta.url), "utf8");
  expect(Array.from(source.matchAll(/\bfrom\s*"([^"]*)"/g), ([, from]) => from)).toEqual([
    "./input-error.js",
    "./json.js",
  ]);
});

function text(a: VectorClock): string {
  return JSON.stringify(Object.entries(a));
}
