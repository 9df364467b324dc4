import { deepStrictEqual } from "node:assert/strict";
import { runInNewContext } from "node:vm";
import {
  append,
  appendQuery,
  type FeedOptions,
  feed,
  forTrace,
  getEvent,
  InputError,
  type InputErrorCode,
  latest,
  type NewEvent,
  newULID,
  pages,
  since,
} from "drizzle-event-log";
import { afterAll, expect, test } from "vitest";
import { ALPHA, errorOf, event, type Libsql, openLibsql, thrownBy } from "./fixture.js";

const SECRET = "s3cr3t";
const LONE = `${SECRET}\ud800`;
const LONE_LOW = `\udc00${SECRET}`;
const NUL = `${SECRET}\0${SECRET}`;

interface Rejected {
  title: string;
  run: (tx: Parameters<typeof append>[0], db: Libsql) => unknown;
  code: InputErrorCode;
  field: string;
  path?: (string | number)[];
}

interface Accepted {
  title: string;
  input: NewEvent;
}

type Named = Record<string, unknown>;

const rejected: Rejected[] = [];
const accepted: Accepted[] = [];

/** Events that no log takes: `values` one by one under `field`. */
function refuse(code: InputErrorCode, field: string, values: Named): void {
  for (const [name, value] of Object.entries(values)) {
    const over = { [field]: value };
    rejected.push({ title: `${field}: ${name}`, run: (tx) => append(tx, event(over)), code, field });
  }
}

/** Data that no log takes, and where in it the fault lies. */
function refuseData(
  code: InputErrorCode,
  values: Record<string, [data: unknown, ...path: (string | number)[]]>,
) {
  for (const [name, [data, ...path]] of Object.entries(values)) {
    const run: Rejected["run"] = (tx) => append(tx, event({ data }));
    rejected.push({ title: `data: ${name}`, run, code, field: "data", path });
  }
}

function refuseCall(code: InputErrorCode, field: string, calls: Record<string, Rejected["run"]>): void {
  for (const [name, run] of Object.entries(calls)) rejected.push({ title: name, run, code, field });
}

function accept(field: string, values: Named): void {
  for (const [name, value] of Object.entries(values)) {
    accepted.push({ title: `${field}: ${name}`, input: event({ [field]: value }) });
  }
}

/** JSON text nested `depth` levels deep. */
const nested = (depth: number) => JSON.parse(`${"[".repeat(depth)}${"]".repeat(depth)}`) as unknown;
const nestedObjects = (depth: number) =>
  JSON.parse(`${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`) as unknown;
const times = (n: number, value: unknown) => Array.from({ length: n }, () => value);
const clockOf = (entries: number) =>
  Object.fromEntries([[ALPHA, 1], ...Array.from({ length: entries - 1 }, (_, i) => [newULID(), i + 1])]);
const holed = () => {
  const list = [1, 2, 3];
  delete list[1];
  return list;
};
const MIB = 2 ** 20;

class Money {
  amount = SECRET;
}

class Tagged extends Array {
  toJSON() {
    return SECRET;
  }
}

// Ids ---------------------------------------------------------------------------------------------------------

const notULIDs: Named = {
  "lower case": ALPHA.toLowerCase(),
  "one letter in lower case": ALPHA.replace("V", "v"),
  "an I": ALPHA.replace("V", "I"),
  "an L": ALPHA.replace("V", "L"),
  "an O": ALPHA.replace("V", "O"),
  "a U": ALPHA.replace("V", "U"),
  "past the last time": `8${ALPHA.slice(1)}`,
  "25 characters": ALPHA.slice(1),
  "27 characters": `${ALPHA}0`,
  "a newline at the end": `${ALPHA}\n`,
  "a newline for the last character": `${ALPHA.slice(1)}\n`,
  "a space before": ` ${ALPHA.slice(1)}`,
  "a full-width digit": `０${ALPHA.slice(1)}`,
  "a long s (upper case: S)": `${ALPHA.slice(1)}ſ`,
  "a NUL": `${ALPHA.slice(1)}\0`,
  "a lone surrogate": `${ALPHA.slice(1)}\ud800`,
  "a UUID": "0190163d-8694-739b-aea5-966c26f8ad91",
  text: SECRET,
  empty: "",
  null: null,
  "a number": 42,
  "a bigint": 42n,
  "an array of one": [ALPHA],
  "a boxed string": new String(ALPHA),
};
refuse("INVALID_ID", "id", notULIDs);
refuse("INVALID_CORTEX_ID", "cortexId", { ...notULIDs, undefined: undefined });
accept("id", { "the least": "0".repeat(26), "the greatest of 2026": `01M84${"Z".repeat(21)}` });
accepted.push({
  title: "id: the greatest of all, with a timestamp",
  input: event({ id: `7${"Z".repeat(25)}`, timestamp: "2026-01-01T00:00:00Z" }),
});
refuseCall("INVALID_TIMESTAMP", "timestamp", {
  "no timestamp, and the id is of a year with five digits": (tx) =>
    append(tx, event({ id: `7${"Z".repeat(25)}` })),
});
accept("cortexId", { "all zeros": "0".repeat(26), "all digits": "01234567890123456789012345" });

// Names -------------------------------------------------------------------------------------------------------

const notNames: Named = {
  empty: "",
  "256 characters": SECRET.padEnd(256, "x"),
  "128 emoji, 256 UTF-16 units": "😀".repeat(128),
  "a NUL": NUL,
  "a lone high surrogate": LONE,
  "a lone low surrogate": LONE_LOW,
  "surrogates in the wrong order": `${SECRET}\udc00\ud800`,
  null: null,
  undefined: undefined,
  "a number": 7,
  "an object": { toString: () => SECRET },
  "a boxed string": new String(SECRET),
};
const names: Named = {
  emoji: "👩‍👩‍👧‍👦",
  "combining marks": "e\u0301 \u0041\u030a",
  "right to left": "\u202eשלום مرحبا",
  "255 characters": "x".repeat(255),
  "127 emoji": "😀".repeat(127),
  "one character": "a",
  "only a space": " ",
  "quotes and SQL": `'";--\\ drop table events`,
  "control characters": "\u0001\b\t\n\r\u001f\u007f\u0085",
  "line separators": "\u2028\u2029",
  "a byte order mark": "\ufeffname\ufeff",
  noncharacters: "\ufffe\uffff\u{10ffff}",
  "a replacement character": "\ufffd",
  __proto__: "__proto__",
  "a number in text": "007",
  "a JSON text": '{"a":1}',
};
refuse("INVALID_TRACE_ID", "traceId", notNames);
refuse("INVALID_ORIGIN", "origin", notNames);
accept("traceId", names);
accept("origin", names);

// Actions -----------------------------------------------------------------------------------------------------

refuse("INVALID_ACTION", "action", {
  "upper case": "Create",
  "all upper case": "CREATE",
  "a digit first": "2fa",
  "an underscore first": "_x",
  "a dash": "soft-delete",
  "a space": "soft delete",
  "a dot": "a.b",
  "65 characters": "a".repeat(65),
  empty: "",
  "a newline at the end": "create\n",
  "a letter outside a-z": "créer",
  "a NUL": "create\0",
  "a lone surrogate": "create\ud800",
  null: null,
  undefined: undefined,
  "a number": 1,
  "an array of one": ["create"],
  text: `${SECRET}!`,
});
accept("action", {
  unknown: "merge_into",
  "64 characters": `a${"_".repeat(63)}`,
  "one letter": "x",
  "digits after a letter": "x2",
  constructor: "constructor",
});

// Timestamps --------------------------------------------------------------------------------------------------

refuse("INVALID_TIMESTAMP", "timestamp", {
  "an offset of zero": "2026-01-01T00:00:00+00:00",
  "an offset": "2026-01-01T00:00:00+02:00",
  "a lower-case z": "2026-01-01T00:00:00z",
  "a lower-case t": "2026-01-01t00:00:00Z",
  "no Z": "2026-01-01T00:00:00",
  "a space for T": "2026-01-01 00:00:00Z",
  "a date alone": "2026-01-01",
  "no seconds": "2026-01-01T00:00Z",
  "hour 24": "2026-01-01T24:00:00Z",
  "minute 60": "2026-01-01T00:60:00Z",
  "second 60": "2026-12-31T23:59:60Z",
  "30 February": "2026-02-30T00:00:00Z",
  "29 February of a common year": "2026-02-29T00:00:00Z",
  "29 February 1900": "1900-02-29T00:00:00Z",
  "31 April": "2026-04-31T00:00:00Z",
  "day 0": "2026-01-00T00:00:00Z",
  "month 13": "2026-13-01T00:00:00Z",
  "month 0": "2026-00-01T00:00:00Z",
  "ten digits of a second": "2026-01-01T00:00:00.1234567890Z",
  "a point and no digits": "2026-01-01T00:00:00.Z",
  "a comma": "2026-01-01T00:00:00,5Z",
  "the year 10000": "10000-01-01T00:00:00Z",
  "a signed year": "+002026-01-01T00:00:00Z",
  "two digits of a year": "26-01-01T00:00:00Z",
  "a space at the end": "2026-01-01T00:00:00Z ",
  "a newline at the end": "2026-01-01T00:00:00Z\n",
  "Arabic digits": "٢٠٢٦-01-01T00:00:00Z",
  text: SECRET,
  empty: "",
  "a number": 1767225600000,
  "a Date": new Date(0),
  null: null,
});
accept("timestamp", {
  "no fraction": "2026-01-01T00:00:00Z",
  nanoseconds: "2026-01-01T00:00:00.123456789Z",
  "a fraction with zeros at its end": "2026-01-01T00:00:00.100Z",
  "one digit of a second": "2026-01-01T00:00:00.5Z",
  "29 February of a leap year": "2028-02-29T23:59:59Z",
  "29 February 2000": "2000-02-29T00:00:00Z",
  "the year 0": "0000-01-01T00:00:00Z",
  "the last second": "9999-12-31T23:59:59.999999999Z",
  "before 1970": "1969-07-20T20:17:40Z",
});

// Clocks ------------------------------------------------------------------------------------------------------

refuse("INVALID_VCLOCK", "vclock", {
  empty: {},
  "without its own cortex": { [newULID()]: 1 },
  "a key that is not a ULID": { [ALPHA]: 1, [SECRET]: 1 },
  "a key in lower case": { [ALPHA]: 1, [ALPHA.toLowerCase()]: 2 },
  __proto__: JSON.parse(`{"${ALPHA}":1,"__proto__":1}`),
  "__proto__ with an entry": JSON.parse(`{"__proto__":{"${ALPHA}":1}}`),
  "its own entry inherited": Object.create({ [ALPHA]: 1 }),
  constructor: { [ALPHA]: 1, constructor: 1 },
  toString: { [ALPHA]: 1, toString: 1 },
  "257 entries": clockOf(257),
  "an array": [1],
  "an empty array": [],
  "a Map": new Map([[ALPHA, 1]]),
  "a class instance": Object.assign(new Money(), { [ALPHA]: 1 }),
  "a symbol key": { [ALPHA]: 1, [Symbol("s")]: 1 },
  null: null,
  text: SECRET,
  "a number": 1,
});
for (const [name, counter] of Object.entries<unknown>({
  "0": 0,
  "-1": -1,
  "1.5": 1.5,
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "2^53": 2 ** 53,
  text: SECRET,
  "a number in text": "1",
  "a bigint": 1n,
  null: null,
  undefined: undefined,
  true: true,
  "a boxed number": new Number(1),
})) {
  const other = newULID();
  refuseCall("INVALID_VCLOCK", `vclock.${ALPHA}`, {
    [`own counter: ${name}`]: (tx) => append(tx, event({ vclock: { [ALPHA]: counter } })),
  });
  refuseCall("INVALID_VCLOCK", `vclock.${other}`, {
    [`another's counter: ${name}`]: (tx) => append(tx, event({ vclock: { [ALPHA]: 1, [other]: counter } })),
  });
}
accept("vclock", {
  "256 entries": { ...clockOf(256), [ALPHA]: 101 },
  "a counter of 2^53 - 1": { [ALPHA]: Number.MAX_SAFE_INTEGER },
  "keys out of order": { [newULID()]: 7, [ALPHA]: 102, ["0".repeat(26)]: 1 },
  undefined: undefined,
});

// Data --------------------------------------------------------------------------------------------------------

const circular: unknown[] = [];
circular.push(circular);
let bomb: unknown = SECRET;
for (let i = 0; i < 60; i++) bomb = { a: bomb, b: bomb };
let wide: unknown = SECRET;
for (let i = 0; i < 60; i++) wide = [wide, wide];
const hidden = { a: 1 };
Object.defineProperty(hidden, "toJSON", { value: () => SECRET });

refuseData("INVALID_DATA", {
  NaN: [Number.NaN],
  Infinity: [{ a: Number.POSITIVE_INFINITY }, "a"],
  "-Infinity": [[1, Number.NEGATIVE_INFINITY], 1],
  "-0": [-0],
  "-0 deep inside": [{ a: [{ b: -0 }] }, "a", 0, "b"],
  "a bigint": [[1n], 0],
  "a function": [{ a: () => SECRET }, "a"],
  "a symbol": [{ a: Symbol(SECRET) }, "a"],
  "undefined in an object": [{ a: undefined }, "a"],
  "undefined in an array": [[1, undefined], 1],
  "an array with a hole": [holed()],
  "an array with only holes": [new Array(3)],
  "an array of 2^32 - 1 holes": [new Array(2 ** 32 - 1)],
  "an array with a named key": [Object.assign([1], { name: SECRET })],
  "an array with a hole and a named key": [Object.assign(holed(), { name: SECRET }), 1],
  "an array with a symbol key": [Object.assign([1], { [Symbol("s")]: SECRET })],
  "a subclass of Array with a toJSON": [Tagged.from([1])],
  "a Map": [new Map([[SECRET, 1]])],
  "a Set": [{ a: new Set([SECRET]) }, "a"],
  "a Date": [{ a: new Date(0) }, "a"],
  "a RegExp": [/s3cr3t/],
  "an Error": [new Error(SECRET)],
  "a URL": [new URL(`https://example.com/${SECRET}`)],
  "a class instance": [new Money()],
  "an object that inherits": [Object.create({ a: SECRET })],
  "a typed array": [new Uint8Array([1, 2])],
  "an ArrayBuffer": [new ArrayBuffer(2)],
  "a Buffer": [Buffer.from(SECRET)],
  "a Promise": [Promise.resolve(SECRET)],
  "a WeakMap": [new WeakMap()],
  "a boxed String": [new String(SECRET)],
  "a boxed Number": [{ a: new Number(1) }, "a"],
  "a boxed Boolean": [new Boolean(true)],
  "a Proxy of a Map": [new Proxy(new Map(), {})],
  "a generator": [(function* () {})()],
  "Math, which is made by no class": [Math],
  "a Date of another realm": [runInNewContext("new Date(0)")],
  "a Map of another realm": [runInNewContext("new Map()")],
  "a toJSON": [{ a: 1, toJSON: () => SECRET }],
  "a toJSON that is not enumerable": [hidden],
  "a symbol key": [{ a: 1, [Symbol(SECRET)]: SECRET }],
  "a NUL in a value": [NUL],
  "a NUL deep inside": [{ a: [NUL] }, "a", 0],
  "a lone high surrogate": [[LONE], 0],
  "a lone low surrogate": [{ a: LONE_LOW }, "a"],
  "a NUL in a key": [{ [NUL]: 1 }],
  "a lone surrogate in a key": [[{ [LONE]: 1 }], 0],
});
refuseData("DATA_TOO_DEEP", {
  "65 arrays": [nested(65), ...(times(64, 0) as number[])],
  "65 objects": [nestedObjects(65), ...(times(64, "a") as string[])],
  "5,000 arrays": [nested(5000), ...(times(64, 0) as number[])],
  "itself inside itself": [circular, ...(times(64, 0) as number[])],
});
refuseData("DATA_TOO_LARGE", {
  "1 MiB and a byte": ["x".repeat(MIB - 1)],
  "1 MiB of text, and the quotes": ["x".repeat(MIB)],
  "1 MiB and a byte in UTF-8 of two bytes a character": [`x${"é".repeat(MIB / 2 - 1)}`],
  "1 MiB and a byte in UTF-8 of four bytes a character": [`xxx${"😀".repeat(MIB / 4 - 1)}`],
  "1 MiB and a byte of escapes": ["\n".repeat(MIB / 2 - 1).concat("x")],
  "1 MiB and a byte of keys": [{ ["k".repeat(MIB - 5)]: 1 }],
});
refuseCall("DATA_TOO_LARGE", "data", {
  "data: an object that doubles 60 times": (tx) => append(tx, event({ data: bomb })),
  "data: an array that doubles 60 times": (tx) => append(tx, event({ data: wide })),
  "data: one long text 600 times": (tx) => append(tx, event({ data: times(600, "x".repeat(MIB - 2)) })),
  "data: one long key 600 times": (tx) =>
    append(tx, event({ data: times(600, { ["x".repeat(MIB - 9)]: 1 }) })),
  "data: one byte over maxDataBytes": (tx) => append(tx, event({ data: "12345678" }), { maxDataBytes: 9 }),
  "data: anything over a maxDataBytes of 0": (tx) => append(tx, event({ data: 0 }), { maxDataBytes: 0 }),
  "appendQuery: one byte over maxDataBytes": (_, db) =>
    appendQuery(db, event({ data: "é" }), { maxDataBytes: 3 }),
});

const prototypes = JSON.parse(
  '{"__proto__":{"polluted":true},"constructor":1,"toString":null,"hasOwnProperty":[]}',
);
accept("data", {
  null: null,
  false: false,
  true: true,
  "0": 0,
  "an empty text": "",
  text: "text",
  "an empty object": {},
  "an empty array": [],
  "1e308": 1e308,
  "5e-324": 5e-324,
  "-1e-7": -1e-7,
  "1e21": 1e21,
  MAX_SAFE_INTEGER: Number.MAX_SAFE_INTEGER,
  MIN_SAFE_INTEGER: Number.MIN_SAFE_INTEGER,
  "2^53 + 2": 2 ** 53 + 2,
  MAX_VALUE: Number.MAX_VALUE,
  "0.1 + 0.2": 0.1 + 0.2,
  "a third": [1 / 3],
  "keys that every object inherits": prototypes,
  "__proto__ for a key, deep inside": { a: [JSON.parse('{"__proto__":1}')] },
  "an empty key": { "": { "": [] } },
  "keys that look like paths": { "$.a": 1, "a.b": 2, '"': 3, "[0]": 4, "0": 5 },
  "emoji, combining marks, right to left": ["👩‍👩‍👧‍👦", "e\u0301", "שלום"],
  "control characters": "\u0001\b\f\n\r\t\u001f\u007f\u2028\u2029",
  noncharacters: "\ufeff\ufffe\uffff\u{10ffff}",
  "a text that looks like JSON": '{"a":"\\u0000"}',
  "a text that spells an escape": "\\u0000 \\ud800",
  "a text that looks like a number": "1e999",
  "64 arrays": nested(64),
  "64 objects": nestedObjects(64),
  "one object twice": times(2, { a: [1] }),
  "1 MiB": "x".repeat(MIB - 2),
  "1 MiB in UTF-8 of two bytes a character": "é".repeat(MIB / 2 - 1),
  "1 MiB in UTF-8 of four bytes a character": `xx${"😀".repeat(MIB / 4 - 1)}`,
  "1 MiB of escapes": "\n".repeat(MIB / 2 - 1),
  "100,000 elements": Array.from({ length: 100_000 }, (_, i) => i),
  undefined: undefined,
});

// Whole events ------------------------------------------------------------------------------------------------

for (const [name, input] of Object.entries<unknown>({
  null: null,
  undefined: undefined,
  text: SECRET,
  "a number": 1,
  "a function": () => SECRET,
})) {
  refuseCall("INVALID_EVENT", "event", {
    [`event: ${name}`]: (tx) => append(tx, input as NewEvent),
    [`appendQuery of ${name}`]: (_, db) => appendQuery(db, input as NewEvent),
  });
  refuseCall("INVALID_EVENT", "events[1].event", {
    [`in a batch: ${name}`]: (tx) => append(tx, [event(), input as NewEvent]),
  });
}
refuseCall("INVALID_EVENT", "events[0].event", {
  "in a batch: a batch": (tx) => append(tx, [[event()]] as unknown as NewEvent[]),
});
for (const field of ["payload", "counter", "traceID", "trace_id", "__proto__", "constructor", SECRET]) {
  const input = JSON.parse(JSON.stringify(event()).replace("{", `{${JSON.stringify(field)}:"${SECRET}",`));
  refuseCall("UNKNOWN_FIELD", "event", { [`event: unknown field ${field}`]: (tx) => append(tx, input) });
}
refuseCall("INVALID_ORIGIN", "events[2].origin", {
  "in a batch: the third": (tx) => append(tx, [event(), event(), event({ origin: "" })]),
  "appendQuery: the third": (_, db) => appendQuery(db, [event(), event(), event({ origin: "" })]),
});
refuseCall("INVALID_DATA", "events[1].data", {
  "in a batch: data": (tx) => append(tx, [event(), event({ data: [NUL] })]),
});
accepted.push({ title: "event: without a prototype", input: Object.assign(Object.create(null), event()) });
accepted.push({ title: "event: of another realm", input: runInNewContext(`(${JSON.stringify(event())})`) });

// Reads -------------------------------------------------------------------------------------------------------

const notLimits: Named = {
  "0": 0,
  "-1": -1,
  "1.5": 1.5,
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "2^53": 2 ** 53,
  "a number in text": "10",
  text: SECRET,
  "a bigint": 10n,
  null: null,
  "an array": [1],
};
for (const [name, value] of Object.entries(notLimits)) {
  const limit = value as number;
  refuseCall("INVALID_LIMIT", "limit", {
    [`since, limit: ${name}`]: (_, db) => since(db, "", limit),
    [`feed, limit: ${name}`]: (_, db) => feed(db, { limit }),
    [`forTrace, limit: ${name}`]: (_, db) => forTrace(db, "trace", { limit }),
    [`latest, limit: ${name}`]: (_, db) => latest(db, { limit }),
  });
  if (value === 0 || Array.isArray(value)) continue;
  refuseCall("INVALID_CURSOR", "after", {
    [`feed, after: ${name}`]: (_, db) => feed(db, { after: limit }),
  });
}
refuseCall("INVALID_LIMIT", "limit", {
  "since, no limit": (_, db) => since(db, "", undefined as unknown as number),
});
for (const [name, value] of Object.entries(notULIDs)) {
  const id = value as string;
  refuseCall("INVALID_ID", "id", { [`get: ${name}`]: (_, db) => getEvent(db, id) });
  refuseCall("INVALID_CURSOR", "after", {
    [`forTrace, after: ${name}`]: (_, db) => forTrace(db, "trace", { after: id }),
  });
  refuseCall("INVALID_CURSOR", "before", {
    [`forTrace, before: ${name}`]: (_, db) => forTrace(db, "trace", { before: id }),
  });
  refuseCall("INVALID_CORTEX_ID", "cortexId", {
    [`feed, cortexId: ${name}`]: (_, db) => feed(db, { cortexId: id }),
  });
  if (value === "") continue;
  refuseCall("INVALID_CURSOR", "afterId", { [`since, afterId: ${name}`]: (_, db) => since(db, id, 1) });
}
for (const [name, value] of Object.entries(notNames)) {
  const text = value as string;
  refuseCall("INVALID_ACTION", "actions", {
    [`feed, actions: ${name}`]: (_, db) => feed(db, { actions: ["create", text] } as FeedOptions),
  });
  refuseCall("INVALID_TRACE_ID", "traceId", { [`forTrace: ${name}`]: (_, db) => forTrace(db, text) });
  if (value === undefined) continue;
  refuseCall("INVALID_TRACE_ID", "traceId", {
    [`feed, traceId: ${name}`]: (_, db) => feed(db, { traceId: text }),
  });
}
for (const [name, actions] of Object.entries({
  text: "create",
  null: null,
  "a number": 1,
  "an object": {},
})) {
  refuseCall("INVALID_ACTION", "actions", {
    [`feed, actions not an array: ${name}`]: (_, db) => feed(db, { actions } as unknown as FeedOptions),
  });
}
for (const [name, order] of Object.entries({
  "upper case": "ASC",
  SQL: `id; -- ${SECRET}`,
  null: null,
  "a number": 1,
})) {
  refuseCall("INVALID_ORDER", "order", {
    [`forTrace, order: ${name}`]: (_, db) => forTrace(db, "trace", { order: order as "asc" }),
  });
}
refuseCall("INVALID_CURSOR", "after.seq", {
  "feed, after: an array": (_, db) => feed(db, { after: [1] as never }),
  "feed, after: a cursor without a seq": (_, db) => feed(db, { after: { id: ALPHA } as never }),
  "feed, after: a cursor of seq 0": (_, db) => feed(db, { after: { seq: 0, id: ALPHA } }),
});
refuseCall("INVALID_CURSOR", "after.id", {
  "feed, after: a cursor without an id": (_, db) => feed(db, { after: { seq: 1 } as never }),
  "feed, after: a cursor of no ULID": (_, db) => feed(db, { after: { seq: 1, id: SECRET } }),
});
refuseCall("INVALID_CURSOR", "after", {
  "pages: a bad cursor, at the first step": (_, db) => pages(db, { after: -1 }).next(),
});

// -------------------------------------------------------------------------------------------------------------

const log = await openLibsql();
await log.db.transaction((tx) => append(tx, [event({ id: newULID() }), event({ data: { a: 1 } })]));
const rows = async () => (await log.client.execute("select * from events order by seq")).rows;

afterAll(() => console.log(`${rejected.length + accepted.length} cases`));

const cases = [
  ...rejected.map((it) => [it.title, "is refused", it] as const),
  ...accepted.map((it) => [it.title, "comes back exactly", it] as const),
];

test.each(cases)("%s: %s", async (_title, _outcome, it) => {
  if ("input" in it) return await comesBack(it);
  const before = await rows();
  let error: unknown;
  let ran: unknown;
  await log.db.transaction(async (tx) => {
    log.statements.length = 0;
    // A generator's first step cannot throw before it returns.
    error = it.title.startsWith("pages")
      ? await errorOf(() => it.run(tx, log.db))
      : thrownBy(() => it.run(tx, log.db));
    ran = [...log.statements];
  });
  expect(error).toBeInstanceOf(InputError);
  const { code, field, path, message } = error as InputError;
  expect({ code, field, path }).toEqual({ code: it.code, field: it.field, path: it.path ?? path });
  expect(message + JSON.stringify(error) + String(error)).not.toContain(SECRET);
  expect(ran).toEqual([]);
  // The transaction was committed all the same: swallowing the error leaves nothing behind.
  expect(await rows()).toEqual(before);
});

test("the cases are many, and each is another", () => {
  expect(cases.length).toBeGreaterThanOrEqual(100);
  expect(new Set(cases.map(([title]) => title)).size).toBe(cases.length);
});

test.each([Number.NaN, null, "lots", {}])(
  "a maxDataBytes of %s does not lift the limit",
  async (maxDataBytes) => {
    const options = { maxDataBytes: maxDataBytes as number };
    const run = log.db.transaction((tx) => append(tx, event({ data: "x".repeat(2 * MIB) }), options));
    await expect(run).rejects.toBeInstanceOf(InputError);
  },
);

async function comesBack({ input }: Accepted): Promise<void> {
  const stored = await log.db.transaction((tx) => append(tx, input));
  const read = (await getEvent(log.db, stored.id))!;
  const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
  deepStrictEqual({ ...read }, { seq: read.seq, id: read.id, timestamp: read.timestamp, ...given });
  deepStrictEqual(read, stored);
  expect("polluted" in {}).toBe(false);
}
