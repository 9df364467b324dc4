import { InputError, isULID, newULID, ulidFactory, ulidTime } from "drizzle-event-log";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ALPHA, inputErrorOf, seeded, thrownBy } from "./fixture.js";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TIME_MAX = 2 ** 48 - 1;
const NEARLY_ONE = 1 - 2 ** -53;

/** The 128 bits of a ULID as a number, by the definition of Crockford's base 32; undefined for other text. */
function decode(text: string): bigint | undefined {
  if (text.length !== 26) return undefined;
  let value = 0n;
  for (const char of text) {
    const digit = ALPHABET.indexOf(char);
    if (digit < 0) return undefined;
    value = value * 32n + BigInt(digit);
  }
  return value < 2n ** 128n ? value : undefined;
}

const timeOf = (id: string) => Number(decode(id)! >> 80n);

/** A source that gives these values in turn, and then the last one for ever. */
function inTurn<T>(...values: T[]): () => T {
  let i = 0;
  return () => values[Math.min(i++, values.length - 1)]!;
}

function expectIncreasing(ids: readonly string[]): void {
  for (const [i, id] of ids.entries()) {
    expect(decode(id), id).toBeDefined();
    if (i === 0) continue;
    const before = ids[i - 1]!;
    expect(id > before, `${before} then ${id}`).toBe(true);
    expect(decode(id)! > decode(before)!).toBe(true);
    expect(Buffer.compare(Buffer.from(id), Buffer.from(before))).toBe(1);
  }
}

describe("a generator", () => {
  const aTime = fc.oneof(
    fc.integer({ min: 0, max: 5 }),
    fc.integer({ min: 1_700_000_000_000, max: 1_700_000_000_003 }),
    fc.integer({ min: 0, max: TIME_MAX - 100 }),
  );
  const someRandomness = fc.oneof(
    fc.integer().map((seed) => seeded(seed)),
    // Random parts that are full or nearly so: every other step carries into the time.
    fc.constantFrom(NEARLY_ONE, 0).map((value) => () => value),
    fc.integer().map((seed) => {
      const next = seeded(seed);
      return () => (next() < 0.95 ? NEARLY_ONE : 1 - 2 / 32);
    }),
  );

  test("gives ever greater ids, whatever its clock does: forward, frozen, back", () => {
    const holds = (times: number[], randomness: () => number) => {
      let now = 0;
      const next = ulidFactory({ now: () => now, randomness });
      const ids = times.map((time) => {
        now = time;
        return next();
      });
      expectIncreasing(ids);
      let latest = 0;
      for (const [i, time] of times.entries()) {
        latest = Math.max(latest, time);
        // Never before its clock, and past the latest time seen only by carries.
        expect(timeOf(ids[i]!)).toBeGreaterThanOrEqual(latest);
        expect(timeOf(ids[i]!)).toBeLessThanOrEqual(latest + i);
      }
    };
    const times = fc.array(aTime, { minLength: 1, maxLength: 40 });
    fc.assert(fc.property(times, someRandomness, holds), { numRuns: 500 });
  });

  test("counts up by one while the clock stands still or steps back", () => {
    const next = ulidFactory({ now: inTurn(1000, 1000, 999, 0, 1000), randomness: seeded(1) });
    const values = Array.from({ length: 8 }, () => decode(next())!);
    expect(values.map((value) => value - values[0]!)).toEqual([0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n]);
  });

  test("takes the time of its clock as soon as that is ahead again", () => {
    const next = ulidFactory({ now: inTurn(1000, 5, 1001), randomness: seeded(1) });
    expect([next(), next(), next()].map(timeOf)).toEqual([1000, 1000, 1001]);
  });

  test("carries a full random part into the time, and goes on", () => {
    const next = ulidFactory({ now: () => 1000, randomness: () => NEARLY_ONE });
    const ids = Array.from({ length: 5 }, next);
    expect(ids.every((id) => id.endsWith("Z".repeat(16)))).toBe(true);
    expect(ids.map(timeOf)).toEqual([1000, 1001, 1002, 1003, 1004]);
    expectIncreasing(ids);
  });

  test("carries within the random part", () => {
    // All Z but for the first: the next id turns every Z to 0.
    const randomness = inTurn(0, ...Array.from({ length: 15 }, () => NEARLY_ONE));
    const next = ulidFactory({ now: () => 0, randomness });
    expect([next(), next()]).toEqual([
      `${"0".repeat(11)}${"Z".repeat(15)}`,
      `${"0".repeat(10)}1${"0".repeat(15)}`,
    ]);
  });

  test("spells 10 characters of time and 16 of randomness, each drawn from all 32", () => {
    const randomness = inTurn(...Array.from({ length: 16 }, (_, i) => (2 * i + 1) / 32));
    const next = ulidFactory({ now: () => 1469922850259, randomness });
    expect(next()).toBe(`${ALPHA.slice(0, 10)}13579BDFHKNQSVXZ`);
  });

  test("is independent of every other generator", () => {
    const far = ulidFactory({ now: () => TIME_MAX });
    const [a, b] = [1, 2].map((seed) => ulidFactory({ now: () => 1000, randomness: seeded(seed) }));
    const farIds = [far(), far()];
    const mixed = Array.from({ length: 10 }, () => [a!(), b!()]);
    expectIncreasing(mixed.map(([id]) => id!));
    expectIncreasing(mixed.map(([, id]) => id!));
    expect(new Set(mixed.flat().map(timeOf))).toEqual(new Set([1000]));
    expect(timeOf(newULID())).toBeLessThan(TIME_MAX);
    expectIncreasing([...farIds, far()]);
  });

  test("gives ids up to the end of time, then refuses and repeats none", () => {
    const atTheEnd = ulidFactory({ now: () => TIME_MAX, randomness: () => NEARLY_ONE });
    expect(atTheEnd()).toBe(`7${"Z".repeat(25)}`);
    for (let i = 0; i < 3; i++)
      expect(inputErrorOf(atTheEnd)).toMatchObject({ code: "INVALID_NOW", field: "now" });
  });

  test("is not pinned by one wild reading past the end of time", () => {
    const next = ulidFactory({ now: inTurn(1000, TIME_MAX + 1, 1001) });
    const first = next();
    expect(inputErrorOf(next).code).toBe("INVALID_NOW");
    const second = next();
    expectIncreasing([first, second]);
    expect(timeOf(second)).toBe(1001);
  });
});

describe("a broken source", () => {
  const badTimes: unknown[] = [
    Number.NaN,
    Infinity,
    -Infinity,
    -1,
    1.5,
    2 ** 48,
    "1000",
    1000n,
    null,
    undefined,
    new Date(1000),
  ];
  test.each(badTimes)("a clock that gives %s is refused, and the generator goes on", (bad) => {
    const next = ulidFactory({
      now: inTurn<unknown>(1000, bad, bad, 1000) as () => number,
      randomness: seeded(1),
    });
    const first = next();
    for (let i = 0; i < 2; i++)
      expect(inputErrorOf(next)).toMatchObject({ code: "INVALID_NOW", field: "now" });
    const second = next();
    expect(decode(second)! - decode(first)!).toBe(1n);
  });

  const badNumbers: unknown[] = [Number.NaN, 1, 1.5, -0.01, -1, Infinity, undefined];
  test.each(badNumbers)("randomness that gives %s is refused, and the generator goes on", (bad) => {
    const good = Array.from({ length: 16 }, () => 0.5);
    const randomness = inTurn<unknown>(...good, ...good.slice(1), bad, 0.5) as () => number;
    const next = ulidFactory({ now: inTurn(1000, 1001, 1000, 1001), randomness });
    const ids = [next()];
    expect(inputErrorOf(next)).toMatchObject({ code: "INVALID_RANDOMNESS", field: "randomness" });
    // The failed id left no trace: the clock's step to 1001 is still to be taken.
    ids.push(next(), next());
    expectIncreasing(ids);
    expect(ids.map(timeOf)).toEqual([1000, 1000, 1001]);
  });

  test("broken from the start is refused from the start", () => {
    const next = ulidFactory({ now: inTurn(Number.NaN, 7) });
    expect(inputErrorOf(next)).toBeInstanceOf(InputError);
    expect(timeOf(next())).toBe(7);
  });

  test("a source that throws is heard, and the generator goes on", () => {
    const failure = new Error("no time");
    let broken = false;
    const now = () => {
      if (broken) throw failure;
      return 1000;
    };
    const next = ulidFactory({ now });
    const first = next();
    broken = true;
    expect(thrownBy(next)).toBe(failure);
    broken = false;
    expectIncreasing([first, next()]);
  });
});

describe("newULID", () => {
  test("gives 100,000 ids that are unique, valid and in order", () => {
    const ids = Array.from({ length: 100_000 }, () => newULID());
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.every(isULID)).toBe(true);
    expect(ids.every((id, i) => i === 0 || id > ids[i - 1]!)).toBe(true);
  });

  test("carries the present time", () => {
    const before = Date.now();
    // A generator of its own: newULID's may be ahead by carries.
    const time = ulidTime(ulidFactory()());
    expect(time).toBeGreaterThanOrEqual(before);
    expect(time).toBeLessThanOrEqual(Date.now());
  });

  test("ids of many generators are unique, and use all 32 characters in every random place", () => {
    const ids = Array.from({ length: 20_000 }, () => ulidFactory({ now: () => 0 })());
    expect(new Set(ids).size).toBe(ids.length);
    for (let place = 10; place < 26; place++) expect(new Set(ids.map((id) => id[place])).size).toBe(32);
  });
});

describe("isULID", () => {
  test("is true of exactly the texts that spell 128 bits", () => {
    const near = fc.string({ unit: fc.constantFrom(...ALPHABET, ..."ILOUilouazſ０\n "), maxLength: 28 });
    const exact = fc
      .tuple(
        fc.constantFrom(..."012345678Z"),
        fc.string({ unit: fc.constantFrom(...ALPHABET), minLength: 25, maxLength: 25 }),
      )
      .map(([first, rest]) => first + rest);
    const spoiled = fc
      .tuple(exact, fc.nat(26), fc.constantFrom(..."ILOUilouazſ０\n 0"), fc.boolean())
      .map(([text, at, char, insert]) => text.slice(0, at) + char + text.slice(insert ? at : at + 1));
    const holds = (text: string) => {
      expect(isULID(text), text).toBe(decode(text) !== undefined);
    };
    fc.assert(fc.property(fc.oneof(near, exact, spoiled, fc.string()), holds), { numRuns: 3000 });
  });

  test.each([null, undefined, 1, 1n, {}, [ALPHA], new String(ALPHA), Symbol("id")])(
    "is false of %s",
    (value) => {
      expect(isULID(value)).toBe(false);
    },
  );

  test("knows the bounds", () => {
    expect(isULID("0".repeat(26))).toBe(true);
    expect(isULID(`7${"Z".repeat(25)}`)).toBe(true);
    expect(isULID(`8${"0".repeat(25)}`)).toBe(false);
  });
});

describe("ulidTime", () => {
  test("gives back the time an id was made at", () => {
    const holds = (time: number) => {
      expect(ulidTime(ulidFactory({ now: () => time })())).toBe(time);
    };
    fc.assert(fc.property(fc.integer({ min: 0, max: TIME_MAX }), holds));
    expect(ulidTime(ALPHA)).toBe(1469922850259);
  });
});
