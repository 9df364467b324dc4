import { deepStrictEqual } from "node:assert/strict";
import {
  append,
  type Event,
  formatEvent,
  InputError,
  newULID,
  parseEvent,
  ulidFactory,
} from "drizzle-event-log";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ALPHA, BETA, event, inputErrorOf, openSqlite, seeded, thrownBy } from "./fixture.js";

const ID = "01J9Z3NDEKTSV4RRFFQ69G5FAV";

/** As Go's encoding/json writes the seed's Event: with these names, in this order, <, > and & escaped. */
const GO = String.raw`{"id":"${ID}","action":"update","trace_id":"01J9Z3NDEKTSV4RRFFQ69G5FB0","cortex_id":"${ALPHA}",
"origin":"caf\u00e9 \u003cmain\u003e \u0026 co\u2028","timestamp":"2026-04-01T12:00:00.123456789Z","data":{"content":"a \u003c b","n":[1,2.5,-3e-7,null,true]},"vclock":{"${ALPHA}":12,"${BETA}":9007199254740991}}`;

/** An event's JSON text around these raw texts for data and vclock. */
function source({ data, vclock, more = "" }: { data?: string; vclock?: string; more?: string } = {}): string {
  const tail = `${data === undefined ? "" : `,"data":${data}`}${vclock === undefined ? "" : `,"vclock":${vclock}`}`;
  return `{"id":"${ID}","action":"update","trace_id":"t","cortex_id":"${ALPHA}","origin":"alpha","timestamp":"2026-01-01T00:00:00Z"${tail}${more}}`;
}

const parseData = (data: string) => parseEvent(source({ data })).data;

describe("Go's output", () => {
  test("is read into an event", () => {
    expect(parseEvent(GO)).toEqual({
      id: ID,
      action: "update",
      traceId: "01J9Z3NDEKTSV4RRFFQ69G5FB0",
      cortexId: ALPHA,
      origin: "café <main> & co\u2028",
      timestamp: "2026-04-01T12:00:00.123456789Z",
      data: { content: "a < b", n: [1, 2.5, -3e-7, null, true] },
      vclock: { [ALPHA]: 12, [BETA]: Number.MAX_SAFE_INTEGER },
    });
  });

  test("is written back with the same meaning", () => {
    expect(JSON.parse(formatEvent(parseEvent(GO)))).toEqual(JSON.parse(GO));
  });

  test("can be appended, and comes out of the log with the same meaning", () => {
    const { db } = openSqlite();
    // Without its clock: what that counts is in another log.
    const { vclock: _, ...local } = parseEvent(GO);
    const stored = db.transaction((tx) => append(tx, local));
    const { vclock: __, ...expected } = JSON.parse(GO);
    const text = formatEvent(stored);
    // To the letter, but for Go's escapes of <, > and &.
    expect(text).toBe(JSON.stringify(expected));
    expect(JSON.parse(text)).toEqual(expected);
    expect(text).not.toContain("seq");
    expect(db.transaction((tx) => append(tx, parseEvent(text)))).toEqual(stored);
  });

  test("without data and vclock is an event without them", () => {
    const parsed = parseEvent(source());
    expect(Object.keys(parsed).sort()).toEqual([
      "action",
      "cortexId",
      "id",
      "origin",
      "timestamp",
      "traceId",
    ]);
    expect(Object.keys(JSON.parse(formatEvent(parsed)))).toEqual(Object.keys(JSON.parse(source())));
  });

  test("with data null is an event with data null", () => {
    const parsed = parseEvent(source({ data: "null" }));
    expect(parsed).toHaveProperty("data", null);
    expect(formatEvent(parsed)).toContain('"data":null');
  });

  test.each([
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.5Z",
    "2026-01-01T00:00:00.000000001Z",
    "2026-01-01T00:00:00.120000000Z",
  ])("keeps the timestamp %s to the letter", (timestamp) => {
    const parsed = parseEvent(source().replace("2026-01-01T00:00:00Z", timestamp));
    expect(parsed.timestamp).toBe(timestamp);
    expect(JSON.parse(formatEvent(parsed)).timestamp).toBe(timestamp);
  });

  test("may carry an action that this app does not know", () => {
    expect(parseEvent(source().replace('"update"', '"merge_2"')).action).toBe("merge_2");
  });
});

describe("numbers", () => {
  const changed: [token: string, why: string][] = [
    ["12345678901234567890", "too many digits"],
    ["9007199254740993", "2^53 + 1"],
    ["-9007199254740993", "-2^53 - 1"],
    ["0.1234567890123456789", "too many digits after the point"],
    ["1.00000000000000000001", "rounded to 1"],
    ["1e400", "overflows"],
    ["-1e400", "overflows"],
    ["1e-400", "underflows to 0"],
    ["-1e-400", "underflows to -0"],
    ["3e-324", "rounded to the least number"],
    ["-0", "loses its sign"],
    ["-0.0", "loses its sign"],
    ["-0e7", "loses its sign"],
    ["1e99999999999999999999", "overflows by far"],
    ["1e-99999999999999999999", "underflows by far"],
  ];
  test.each(changed)("%s is refused, with its place: %s", (token) => {
    const cases: [data: string, path: (string | number)[]][] = [
      [token, []],
      [`[1,${token}]`, [1]],
      [`{"a":[{},{"b":[[${token}]]}],"c":1}`, ["a", 1, "b", 0, 0]],
      [`{"x":"${token}","${token}":{"\\u0061":${token}}}`, [token, "a"]],
      [`[[1,2],{"a":1,"b":2},"],[{",${token},${token}]`, [3]],
      [` { "a" : [ ] , "b" : { } , "c" : [ 1 , ${token} ] } `, ["c", 1]],
    ];
    for (const [data, path] of cases) {
      const error = inputErrorOf(() => parseData(data));
      expect({ ...error }).toMatchObject({ code: "INVALID_NUMBER", field: "data", path });
      // A key is told, a number is not.
      expect(error.message.replace(JSON.stringify(token), "")).not.toContain(token);
    }
  });

  test.each([
    ["1.0", 1],
    ["1e3", 1000],
    ["100E-2", 1],
    ["0.1", 0.1],
    ["0.10", 0.1],
    ["0e5", 0],
    ["0.000", 0],
    ["-1.50", -1.5],
    ["1E+2", 100],
    ["9007199254740992", 2 ** 53],
    ["1e308", 1e308],
    ["5e-324", 5e-324],
    ["1.7976931348623157e308", Number.MAX_VALUE],
    ["100000000000000000000", 1e20],
    ["1000000000000000000000000", 1e24],
    [`0.${"0".repeat(20)}1`, 1e-21],
  ])("%s is read as %d", (token, number) => {
    expect(parseData(token)).toBe(number);
    expect(parseData(`{"a":[${token}]}`)).toEqual({ a: [number] });
  });

  test("a counter that is no whole number from 1 to 2^53 - 1 is refused under its entry", () => {
    for (const counter of ["9007199254740992", "1e20", "0", "-1", "1.5", '"1"', "null"]) {
      const error = inputErrorOf(() => parseEvent(source({ vclock: `{"${BETA}":1,"${ALPHA}":${counter}}` })));
      expect({ ...error }, counter).toMatchObject({ code: "INVALID_VCLOCK", field: `vclock.${ALPHA}` });
    }
  });

  test.each(["18446744073709551615", "9007199254740993", "1e400", "-0"])(
    "a counter of %s is refused",
    (counter) => {
      const error = inputErrorOf(() => parseEvent(source({ vclock: `{"${BETA}":1,"${ALPHA}":${counter}}` })));
      expect({ ...error }).toMatchObject({ code: "INVALID_NUMBER", field: "vclock", path: [ALPHA] });
    },
  );

  test("a counter that would be rounded to a valid one is refused", () => {
    const error = inputErrorOf(() =>
      parseEvent(source({ vclock: `{"${ALPHA}":1,"${BETA}":1.00000000000000000001}` })),
    );
    expect({ ...error }).toMatchObject({ code: "INVALID_NUMBER", field: "vclock", path: [BETA] });
    expect(parseEvent(source({ vclock: `{"${ALPHA}":1.0,"${BETA}":2e1}` })).vclock).toEqual({
      [ALPHA]: 1,
      [BETA]: 20,
    });
  });

  // The value of a JSON number as an integer times a power of ten, without floating point.
  const exactly = (token: string): [digits: bigint, exponent: number] => {
    const [mantissa = "", exponent = "0"] = token.toLowerCase().split("e");
    const [whole = "", fraction = ""] = mantissa.split(".");
    return [BigInt(whole + fraction), Number(exponent) - fraction.length];
  };
  const keepsItsValue = (token: string): boolean => {
    const number = Number(token);
    if (!Number.isFinite(number)) return false;
    if (number === 0 && token.startsWith("-")) return false;
    const [a, i] = exactly(token);
    const [b, j] = exactly(String(number));
    const least = Math.min(i, j);
    return a * 10n ** BigInt(i - least) === b * 10n ** BigInt(j - least);
  };

  const digits = (maxLength: number) =>
    fc.string({ unit: fc.constantFrom(..."0123456789000999"), minLength: 1, maxLength });
  const aToken = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.maxSafeInteger().map(String),
    fc
      .tuple(
        fc.constantFrom("", "-"),
        digits(22).map((text) => text.replace(/^0+(?=\d)/, "")),
        fc.option(digits(22), { nil: undefined }),
        fc.option(fc.tuple(fc.constantFrom("e", "E", "e+", "e-"), fc.integer({ min: 0, max: 345 })), {
          nil: undefined,
        }),
      )
      .map(([sign, whole, fraction, exponent]) =>
        [sign, whole, fraction === undefined ? "" : `.${fraction}`, exponent?.join("") ?? ""].join(""),
      ),
  );

  test("any number is taken if and only if it keeps its exact value", () => {
    let taken = 0;
    let refused = 0;
    const holds = (token: string) => {
      const error = thrownBy(() => parseData(`[${token}]`));
      if (keepsItsValue(token)) taken += 1;
      else refused += 1;
      expect(error === undefined, token).toBe(keepsItsValue(token));
      if (error) expect(error).toBeInstanceOf(InputError);
    };
    fc.assert(fc.property(aToken, holds), { numRuns: 3000 });
    expect(Math.min(taken, refused)).toBeGreaterThan(100);
  });

  // Any JSON text, as pieces: the numbers in it as they were spelled, its strings and keys full of look-alikes.
  type Leaf = { text: string; bad: (string | number)[] | undefined };
  const lookAlike = fc.oneof(
    fc.constantFrom(
      '"',
      "\\",
      '\\"',
      "1e400",
      "-0",
      '":12345678901234567890,"',
      "[",
      "{",
      "],",
      "\\u0031",
      "é\n",
    ),
    fc.string({ unit: "grapheme" }),
  );
  const aKey = lookAlike.filter((key) => !key.includes("\0"));
  const space = fc.constantFrom("", " ", "\n\t", "\r ");
  const leaf: fc.Arbitrary<Leaf> = fc.oneof(
    fc
      .constantFrom("null", "true", "false", "{}", "[]", "[ ]", "{ }")
      .map((text) => ({ text, bad: undefined })),
    aKey.map((text) => ({ text: JSON.stringify(text), bad: undefined })),
    aToken
      .filter((token) => Number.isFinite(Number(token)) && !Object.is(Number(token), -0))
      .map((text) => ({ text, bad: keepsItsValue(text) ? undefined : [] })),
  );
  const inArray = (items: [Leaf, string][]): Leaf => {
    const at = items.findIndex(([{ bad }]) => bad);
    const text = `[${items.map(([item, gap]) => `${gap}${item.text}${gap}`).join(",")}]`;
    return { text, bad: at < 0 ? undefined : [at, ...items[at]![0].bad!] };
  };
  const inObject = (entries: [string, Leaf, string][]): Leaf => {
    const first = entries.find(([, { bad }]) => bad);
    const pairs = entries.map(([key, item, gap]) => `${gap}${JSON.stringify(key)}${gap}:${gap}${item.text}`);
    return { text: `{${pairs.join(",")}}`, bad: first && [first[0], ...first[1].bad!] };
  };
  const { value: aDocument } = fc.letrec<{ value: Leaf }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      leaf,
      fc.array(fc.tuple(tie("value"), space), { maxLength: 4 }).map(inArray),
      fc
        .uniqueArray(fc.tuple(aKey, tie("value"), space), { maxLength: 4, selector: ([key]) => key })
        .map(inObject),
    ),
  }));

  test("in any document the first that would change is found at its place, and no text is taken for one", () => {
    const holds = ({ text, bad }: Leaf) => {
      if (!bad) deepStrictEqual(parseData(text), JSON.parse(text));
      else {
        const error = inputErrorOf(() => parseData(text));
        expect({ ...error }).toMatchObject({ code: "INVALID_NUMBER", field: "data", path: bad });
      }
    };
    fc.assert(fc.property(aDocument, holds), { numRuns: 1500 });
  });

  test("a number of 200,000 digits is refused at once", () => {
    const start = performance.now();
    const error = inputErrorOf(() => parseData(`0.1${"0".repeat(200_000)}1`));
    expect(error.code).toBe("INVALID_NUMBER");
    // Linear work is a few milliseconds, quadratic work more than ten seconds.
    expect(performance.now() - start).toBeLessThan(3000);
  });

  test("a text of eight million escapes is read", () => {
    const length = 2 ** 23;
    const json = source({ data: `"${"\\u0061".repeat(length)}"` });
    expect(parseEvent(json, { maxDataBytes: 2 * length }).data).toBe("a".repeat(length));
  });
});

describe("any event", () => {
  const aULID = fc
    .tuple(fc.integer({ min: 0, max: 2 ** 40 }), fc.integer())
    .map(([time, seed]) => ulidFactory({ now: () => time, randomness: seeded(seed) })());
  const storable = (json: string) => !/\\u0000|\\ud[89a-f]/i.test(json);
  const aName = fc
    .string({ unit: "grapheme", minLength: 1, maxLength: 60 })
    .filter((text) => storable(JSON.stringify(text)));
  const anEvent: fc.Arbitrary<Event> = fc
    .record(
      {
        id: aULID,
        action: fc.constantFrom("create", "update", "purge", "x_1"),
        traceId: aName,
        cortexId: aULID,
        origin: aName,
        timestamp: fc
          .tuple(
            fc.date({ min: new Date(0), max: new Date("9999-12-31"), noInvalidDate: true }),
            fc.nat(999_999),
          )
          .map(([date, nanos]) => date.toISOString().replace("Z", `${String(nanos).padStart(6, "0")}Z`)),
        data: fc
          .jsonValue()
          .filter((value) => storable(JSON.stringify(value)))
          .map((value) => JSON.parse(JSON.stringify(value)) as unknown),
        vclock: fc.dictionary(aULID, fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
        actor: aName,
        idempotencyKey: aName,
        meta: fc
          .dictionary(fc.string(), fc.jsonValue())
          .filter((value) => storable(JSON.stringify(value)))
          .map((value) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>),
      },
      { requiredKeys: ["id", "action", "traceId", "cortexId", "origin", "timestamp"] },
    )
    .map((e) => (e.vclock ? { ...e, vclock: { ...e.vclock, [e.cortexId]: 1 } } : e) as Event);

  test("written and read is the same event", () => {
    const holds = (given: Event) => deepStrictEqual({ ...parseEvent(formatEvent(given)) }, { ...given });
    fc.assert(fc.property(anEvent, holds), { numRuns: 500 });
  });

  test("read and written means what its source means, however that was spelled", () => {
    const spell = (text: string) =>
      text.replace(/[<>&a-c]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
    const holds = (given: Event, indent: string, backwards: boolean) => {
      const entries = Object.entries(JSON.parse(formatEvent(given)));
      const shuffled = Object.fromEntries(backwards ? entries.reverse() : entries);
      const plain = JSON.stringify(shuffled, null, indent);
      const text = plain.replace(/"(?:[^"\\]|\\.)*"/g, (string) =>
        string.includes("\\") ? string : spell(string),
      );
      deepStrictEqual(JSON.parse(formatEvent(parseEvent(text))), JSON.parse(text));
    };
    fc.assert(fc.property(anEvent, fc.constantFrom("", " ", "\t"), fc.boolean(), holds), { numRuns: 500 });
  });
});

describe("what is not the form", () => {
  test.each([
    "",
    " ",
    "{",
    "{'id':1}",
    "undefined",
    "{} {}",
    '{"id":"s3cr3t",}',
    '{"id":01}',
    "// s3cr3t",
    "\ufeff{}",
  ])("%j is refused as no JSON, without a word of it", (text) => {
    const error = inputErrorOf(() => parseEvent(text));
    expect({ ...error }).toMatchObject({ code: "INVALID_JSON", field: "event" });
    expect(error.message + JSON.stringify(error)).not.toContain("s3cr3t");
    expect(error).not.toHaveProperty("cause");
  });

  test.each(["null", "[]", '"s3cr3t"', "1", "true", `[${source()}]`])("%s is refused as no event", (text) => {
    expect({ ...inputErrorOf(() => parseEvent(text)) }).toMatchObject({
      code: "INVALID_EVENT",
      field: "event",
    });
  });

  test.each(["seq", "payload", "traceId", "cortexId", "ID", "Vclock", "counter", "signature", "__proto__"])(
    "a field that is not part of it is refused: %s",
    (field) => {
      const error = inputErrorOf(() => parseEvent(source({ more: `,"${field}":"s3cr3t"` })));
      expect({ ...error }).toMatchObject({ code: "UNKNOWN_FIELD", field: "event", path: [field] });
      expect(error.message).toContain(field);
      expect(error.message).not.toContain("s3cr3t");
    },
  );

  test.each(["seq", "payload", "traceId", "Vclock", "signature", "__proto__", "constructor"])(
    "a field that is not part of it is left out where that is wanted: %s",
    (field) => {
      const more = `,"${field}":{"polluted":["s3cr3t"]}`;
      const parsed = parseEvent(source({ data: "1", more }), { unknownFields: "ignore" });
      deepStrictEqual(parsed, parseEvent(source({ data: "1" })));
      expect("polluted" in {}).toBe(false);
    },
  );

  test("what is part of it is as strict where unknown fields are left out", () => {
    const parse = (text: string) => parseEvent(text, { unknownFields: "ignore" });
    const cases: [text: string, code: string][] = [
      [source({ more: ',"sig":1,"sig":2' }), "DUPLICATE_KEY"],
      [source({ data: "1e400", more: ',"sig":1' }), "INVALID_NUMBER"],
      [source({ more: ',"sig":1' }).replace('"trace_id":"t"', '"trace_id":""'), "INVALID_TRACE_ID"],
      [source({ more: ',"sig":1' }).replace('"trace_id":"t"', '"traceId":"t"'), "INVALID_TRACE_ID"],
      ["[]", "INVALID_EVENT"],
    ];
    for (const [text, code] of cases) expect(inputErrorOf(() => parse(text)).code).toBe(code);
  });

  test.each(["", "refused", "IGNORE", true, null, 1])("unknownFields of %j is refused", (unknownFields) => {
    const error = inputErrorOf(() => parseEvent(source(), { unknownFields: unknownFields as "ignore" }));
    expect(error).toMatchObject({ code: "INVALID_OPTIONS", field: "unknownFields" });
  });

  const fields: [json: string, field: string, code: string][] = [
    ["id", "id", "INVALID_ID"],
    ["action", "action", "INVALID_ACTION"],
    ["trace_id", "traceId", "INVALID_TRACE_ID"],
    ["cortex_id", "cortexId", "INVALID_CORTEX_ID"],
    ["origin", "origin", "INVALID_ORIGIN"],
    ["timestamp", "timestamp", "INVALID_TIMESTAMP"],
  ];
  const optional: [json: string, field: string, code: string][] = [
    ["actor", "actor", "INVALID_ACTOR"],
    ["meta", "meta", "INVALID_META"],
    ["idempotency_key", "idempotencyKey", "INVALID_IDEMPOTENCY_KEY"],
  ];
  test.each(optional)("with another type for %s is refused under %s", (json, field, code) => {
    for (const value of [null, 12345, "", [], field === "meta" ? "{}" : {}]) {
      const error = inputErrorOf(() => parseEvent(source({ more: `,"${json}":${JSON.stringify(value)}` })));
      expect({ ...error }).toMatchObject({ code, field });
    }
  });

  test.each(fields)("without %s, or with another type for it, is refused under %s", (json, field, code) => {
    const whole = JSON.parse(source()) as Record<string, unknown>;
    for (const value of [undefined, null, 12345, "", [], {}]) {
      const error = inputErrorOf(() => parseEvent(JSON.stringify({ ...whole, [json]: value })));
      expect({ ...error }).toMatchObject({ code, field });
    }
  });

  test.each(["null", "{}", "[]", "1", `{"${BETA}":1}`])("a vclock of %s is refused", (vclock) => {
    expect(inputErrorOf(() => parseEvent(source({ vclock }))).code).toBe("INVALID_VCLOCK");
  });

  test.each([
    ["a field", source({ data: "1", more: ',"data":2' }), "data", []],
    ["a field, the same twice", source({ data: "1", more: ',"data":1' }), "data", []],
    ["a field, spelled in another way", source({ data: "1", more: ',"d\\u0061ta":1' }), "data", []],
    ["a key of data", source({ data: '{"a":1,"b":2,"a":3}' }), "data", ["a"]],
    [
      "a key deep inside",
      source({ data: '[{"a":1},{"a":{"b":[0,{"c":1,"c":1}]}}]' }),
      "data",
      [1, "a", "b", 1, "c"],
    ],
    ["__proto__", source({ data: '{"__proto__":1,"__proto__":2}' }), "data", ["__proto__"]],
    ["an empty key", source({ data: '{"":1,"":2}' }), "data", [""]],
    ["a key of meta", source({ more: ',"meta":{"a":1,"a":2}' }), "meta", ["a"]],
    ["an entry of the clock", source({ vclock: `{"${ALPHA}":1,"${ALPHA}":2}` }), "vclock", [ALPHA]],
  ])("of %s given twice neither counts: it is refused, with its place", (_, text, field, path) => {
    const error = inputErrorOf(() => parseEvent(text));
    expect({ ...error }).toMatchObject({ code: "DUPLICATE_KEY", field, path });
  });

  test("a key may come again in another object, or as a value", () => {
    const data = '{"a":{"a":"a"},"b":[{"a":1},{"a":2}],"c":"a"}';
    expect(parseData(data)).toEqual(JSON.parse(data));
  });

  test("a NUL or a lone surrogate is refused, also when it is escaped", () => {
    for (const bad of ["\\u0000", "\\ud800", "\\udc00\\ud800"]) {
      expect(inputErrorOf(() => parseData(`["${bad}"]`))).toMatchObject({ code: "INVALID_DATA", path: [0] });
      const named = source().replace('"alpha"', `"${bad}"`);
      expect(inputErrorOf(() => parseEvent(named)).code).toBe("INVALID_ORIGIN");
    }
    expect(parseData('"\\ud83d\\ude00"')).toBe("😀");
  });

  test("data past the limits is refused, and maxDataBytes moves them", () => {
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    expect(inputErrorOf(() => parseData(deep)).code).toBe("DATA_TOO_DEEP");
    const long = `"${"x".repeat(2 ** 20)}"`;
    expect(inputErrorOf(() => parseData(long)).code).toBe("DATA_TOO_LARGE");
    expect(parseEvent(source({ data: long }), { maxDataBytes: 2 ** 21 }).data).toHaveLength(2 ** 20);
  });
});

describe("formatEvent", () => {
  const valid = event({ id: newULID(), timestamp: "2026-01-01T00:00:00Z" }) as Event;

  test.each([
    ["id", { id: undefined }],
    ["timestamp", { timestamp: undefined }],
    ["action", { action: "no!" }],
    ["actor", { actor: "" }],
    ["meta", { meta: [] }],
    ["idempotencyKey", { idempotencyKey: null }],
    ["data", { data: [Number.NaN] }],
    ["vclock", { vclock: { [ALPHA]: 2 ** 53 } }],
    ["event", { payload: 1 }],
  ])("refuses an event with a bad %s", (field, over) => {
    const error = thrownBy(() => formatEvent({ ...valid, ...over } as Event));
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).field).toMatch(field);
  });

  test("writes on one line, with the names of the form", () => {
    const text = formatEvent({ ...valid, data: "a\nb", vclock: { [ALPHA]: 1 } });
    expect(text).not.toContain("\n");
    expect(Object.keys(JSON.parse(text))).toEqual([
      ...["id", "action", "trace_id", "cortex_id", "origin", "timestamp", "data", "vclock"],
    ]);
  });

  test("writes who, about what and for which request under names of the form, where they are known", () => {
    const told = { actor: "user-7", meta: { request: "r-1", why: ["x"] }, idempotencyKey: "key 1" };
    const text = formatEvent({ ...valid, ...told });
    expect(JSON.parse(text)).toMatchObject({
      actor: "user-7",
      meta: { request: "r-1", why: ["x"] },
      idempotency_key: "key 1",
    });
    expect(parseEvent(text)).toEqual({ ...valid, ...told });
  });
});
