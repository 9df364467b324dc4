import { deepStrictEqual } from "node:assert/strict";
import { runInNewContext } from "node:vm";
import {
  append,
  appendQuery,
  clock,
  createEventsTable,
  divergences,
  drifted,
  type Event,
  type FeedOptions,
  feed,
  fold,
  formatEvent,
  forTrace,
  getEvent,
  heads,
  InputError,
  type InputErrorCode,
  latest,
  type NewEvent,
  newULID,
  openCortex,
  pages,
  parseEvent,
  since,
  stateAt,
  tail,
  ulidFactory,
  ulidTime,
} from "drizzle-event-log";
import {
  accept as acceptEvents,
  databasePeer,
  httpPeer,
  missing,
  type Peer,
  pull,
  serveLog,
} from "drizzle-event-log/federation";
import { integer, sqliteTable } from "drizzle-orm/sqlite-core";
import { afterAll, expect, test } from "vitest";
import { ALPHA, errorOf, event, type Libsql, openLibsql, pretendToHold, thrownBy } from "./fixture.js";
import { proven } from "./independent-proof.js";

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
  /** Whether the error comes as a rejection: of a generator's first step, or of an async function. */
  later?: boolean;
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

type Faults = Record<string, [data: unknown, ...path: (string | number)[]]>;

/** Data that no log takes, and where in it the fault lies. */
function refuseData(code: InputErrorCode, values: Faults) {
  for (const [name, [data, ...path]] of Object.entries(values)) {
    const run: Rejected["run"] = (tx) => append(tx, event({ data }));
    rejected.push({ title: `data: ${name}`, run, code, field: "data", path });
  }
}

/** The same for `meta`, in an entry of it. */
function refuseMeta(code: InputErrorCode, values: Faults) {
  for (const [name, [entry, ...path]] of Object.entries(values)) {
    const run: Rejected["run"] = (tx) => append(tx, event({ meta: { entry } }));
    rejected.push({
      title: `meta, in an entry: ${name}`,
      run,
      code,
      field: "meta",
      path: ["entry", ...path],
    });
  }
}

function refuseCall(
  code: InputErrorCode,
  field: string,
  calls: Record<string, Rejected["run"]>,
  later = false,
): void {
  for (const [name, run] of Object.entries(calls)) rejected.push({ title: name, run, code, field, later });
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
  "256 emoji": "😀".repeat(256),
  "255 emoji and a letter": `${"😀".repeat(255)}x`,
  "100,000 emoji": "😀".repeat(100_000),
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
  "128 emoji, 256 UTF-16 units": "😀".repeat(128),
  "255 emoji": "😀".repeat(255),
  "254 letters and an emoji": `${"x".repeat(254)}😀`,
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
const { undefined: _, ...notPresentNames } = notNames;
refuse("INVALID_ACTOR", "actor", notPresentNames);
refuse("INVALID_IDEMPOTENCY_KEY", "idempotencyKey", notPresentNames);
accept("actor", { ...names, undefined: undefined });
accept("idempotencyKey", { ...names, undefined: undefined });

// Actions -----------------------------------------------------------------------------------------------------

refuse("INVALID_ACTION", "action", {
  "a digit first": "2fa",
  "an underscore first": "_x",
  "a dash first": "-x",
  "a dot first": ".x",
  "a slash first": "/x",
  "a colon first": ":x",
  "a space": "soft delete",
  "a backslash": "a\\b",
  "a plus": "a+b",
  "129 characters": "a".repeat(129),
  empty: "",
  "a newline at the end": "create\n",
  "a letter outside a-z": "créer",
  "a letter that looks like an a": "аdd",
  "a letter outside A-Z first": "Élan",
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
  "128 characters": `a${"_".repeat(127)}`,
  "upper case": "OrderPlaced",
  "all upper case": "CREATE",
  "a dash": "soft-delete",
  "a dot": "order.placed",
  "a name space and a version": "io.acme/order.placed.v2",
  "a colon": "order:placed",
  "every other character": "Z09_.:/-",
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
  "keys out of order": { [newULID()]: 7, [ALPHA]: 103, ["0".repeat(26)]: 1 },
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

const notJson: Faults = {
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
};
refuseData("INVALID_DATA", notJson);
refuseMeta("INVALID_META", notJson);
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
  "an array of 2^32 - 1 holes": [new Array(2 ** 32 - 1)],
  "an array of 2^32 - 1 holes deep inside": [{ a: [1, new Array(2 ** 32 - 1)] }, "a", 1],
  "an array of 2^20 entries": [new Array(MIB).fill(0)],
});
refuseMeta("META_TOO_DEEP", { "64 arrays": [nested(64), ...(times(63, 0) as number[])] });
refuseMeta("META_TOO_DEEP", { "itself inside itself": [circular, ...(times(63, 0) as number[])] });
const KIB_16 = 2 ** 14;
refuseCall("META_TOO_LARGE", "meta", {
  "meta: 16 KiB and a byte": (tx) => append(tx, event({ meta: { a: "x".repeat(KIB_16 - 7) } })),
  "meta: 16 KiB and a byte in UTF-8": (tx) =>
    append(tx, event({ meta: { a: `x${"é".repeat(KIB_16 / 2 - 4)}` } })),
  "meta: 16 KiB and a byte, whatever data may be": (tx) =>
    append(tx, event({ meta: { a: "x".repeat(KIB_16 - 7) } }), { maxDataBytes: MIB }),
  "meta: a huge array": (tx) => append(tx, event({ meta: { a: new Array(2 ** 32 - 1) } })),
  "meta: an object that doubles 60 times": (tx) => append(tx, event({ meta: { bomb } })),
});
refuse("INVALID_META", "meta", {
  null: null,
  text: SECRET,
  "a number": 1,
  true: true,
  "an array": [],
  "an array of objects": [{}],
  "a Map": new Map([[SECRET, 1]]),
  "a Date": new Date(0),
  "a class instance": new Money(),
  "an object that inherits": Object.create({ a: SECRET }),
  "a toJSON": { toJSON: () => SECRET },
  "a symbol key": { a: 1, [Symbol(SECRET)]: SECRET },
  "a function": () => SECRET,
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

accept("meta", {
  "an empty object": {},
  "16 KiB": { a: "x".repeat(KIB_16 - 8) },
  "16 KiB in UTF-8 of two bytes a character": { a: "é".repeat(KIB_16 / 2 - 4) },
  "any JSON": { request: "r-1", because: [{ id: ALPHA }], null: null, deep: nested(63) },
  "keys that every object inherits": prototypes,
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
for (const field of [
  "payload",
  "counter",
  "traceID",
  "trace_id",
  "idempotency_key",
  "__proto__",
  "constructor",
]) {
  const input = JSON.parse(JSON.stringify(event()).replace("{", `{${JSON.stringify(field)}:"${SECRET}",`));
  const run: Rejected["run"] = (tx) => append(tx, input);
  const title = `event: unknown field ${field}`;
  rejected.push({ title, run, code: "UNKNOWN_FIELD", field: "event", path: [field] });
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
  refuseCall("INVALID_CURSOR", "before", {
    [`latest, before: ${name}`]: (_, db) => latest(db, { before: limit }),
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
  refuseCall("INVALID_ACTOR", "actor", { [`feed, actor: ${name}`]: (_, db) => feed(db, { actor: text }) });
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
  "feed, after: a cursor without a seq": (_, db) => feed(db, { after: { id: ALPHA } as never }),
  "feed, after: a cursor of seq 0": (_, db) => feed(db, { after: { seq: 0, id: ALPHA } }),
});
refuseCall("INVALID_CURSOR", "after.id", {
  "feed, after: an array": (_, db) => feed(db, { after: [1] as never }),
  "feed, after: a cursor without an id": (_, db) => feed(db, { after: { seq: 1 } as never }),
  "feed, after: a cursor of no ULID": (_, db) => feed(db, { after: { seq: 1, id: SECRET } }),
});
refuseCall(
  "INVALID_CURSOR",
  "after",
  {
    "pages: a bad cursor, at the first step": (_, db) => pages(db, { after: -1 }).next(),
    "tail: a bad cursor, at the first step": (_, db) => tail(db, { after: -1 }).next(),
  },
  true,
);

// What every function is given ----------------------------------------------------------------------------------

type Given = { db: any; tx: any; options: any };

const CORTEX = { id: ALPHA, origin: "alpha" };
const SERVED = { cortexId: ALPHA, authorize: () => true };
const complete = proven(
  event({ id: newULID(), timestamp: "2026-01-01T00:00:00Z", vclock: { [ALPHA]: 1 } }) as Event,
  "",
);

/** Every function that is given a database. */
const ofDatabase: Record<string, (given: Given) => unknown> = {
  forTrace: ({ db, options }) => forTrace(db, "trace", options),
  since: ({ db, options }) => since(db, "", 1, options),
  latest: ({ db, options }) => latest(db, options),
  getEvent: ({ db, options }) => getEvent(db, ALPHA, options),
  feed: ({ db, options }) => feed(db, options),
  clock: ({ db, options }) => clock(db, options),
  heads: ({ db, options }) => heads(db, "trace", options),
  divergences: ({ db, options }) => divergences(db, options),
  drifted: ({ db, options }) => drifted(db, options),
  stateAt: ({ db, options }) => stateAt(db, "trace", { seq: 1 }, {}, 0, options),
  appendQuery: ({ db, options }) => appendQuery(db, event(), options),
  missing: ({ db, options }) => missing(db, {}, options),
  databasePeer: ({ db, options }) => databasePeer(db, options),
  serveLog: ({ db, options = {} }) =>
    serveLog(db, typeof options === "object" && options ? { ...SERVED, ...options } : options),
};
/** The same, of those whose errors come later. */
const ofDatabaseLater: typeof ofDatabase = {
  pages: ({ db, options }) => pages(db, options).next(),
  tail: ({ db, options }) => tail(db, options).next(),
  pull: ({ db, options }) =>
    pull(db, { frontier: () => ({}), hashAt: () => null, missing: () => [] }, options),
};
const ofTransaction: typeof ofDatabase = {
  append: ({ tx, options }) => append(tx, event(), options),
  accept: ({ tx, options }) => acceptEvents(tx, [complete], options),
};
const notObjects: Named = { null: null, text: SECRET, "a number": 7, true: true, "a function": () => SECRET };
const notDatabases: Named = {
  ...notObjects,
  undefined: undefined,
  "an empty object": {},
  "a client": { execute: () => {}, batch: () => {} },
  "a database without its methods": { values: 1, run: 2, insert: 3 },
  "a throwing getter": Object.defineProperty({}, "values", {
    get() {
      throw new Error(SECRET);
    },
  }),
};
const app = sqliteTable("app", { id: integer("id").primaryKey() });
const { id: _id, ...withoutId } = createEventsTable("other");
const notTables: Named = {
  ...notObjects,
  "an empty object": {},
  "a table of the app's": app,
  "a copy without a column": withoutId,
  "an array": [],
  "an object of another class": new Map(),
};
const refuseEach = (calls: typeof ofDatabase, later: boolean) => {
  for (const [name, run] of Object.entries(calls)) {
    for (const [kind, options] of Object.entries(notObjects)) {
      const call: Rejected["run"] = (tx, db) => run({ tx, db, options });
      refuseCall("INVALID_OPTIONS", "options", { [`${name}, options: ${kind}`]: call }, later);
    }
    for (const [kind, table] of Object.entries(notTables)) {
      const call: Rejected["run"] = (tx, db) => run({ tx, db, options: { table } });
      refuseCall("INVALID_TABLE", "table", { [`${name}, table: ${kind}`]: call }, later);
    }
  }
};
refuseEach({ ...ofDatabase, ...ofTransaction }, false);
refuseEach(ofDatabaseLater, true);
for (const [kind, db] of Object.entries(notDatabases)) {
  for (const [name, run] of Object.entries({ ...ofDatabase, ...ofDatabaseLater })) {
    const code = kind === "a throwing getter" ? "UNREADABLE" : "NOT_A_DATABASE";
    const call: Rejected["run"] = (tx) => run({ tx, db, options: undefined });
    refuseCall(code, "db", { [`${name}, db: ${kind}`]: call }, name in ofDatabaseLater);
  }
}
for (const [kind, tx] of Object.entries({ ...notObjects, undefined: undefined, "an empty object": {} })) {
  refuseCall("NOT_A_TRANSACTION", "tx", {
    [`append, tx: ${kind}`]: () => append(tx as never, event()),
    [`accept, tx: ${kind}`]: () => acceptEvents(tx as never, []),
    [`a cortex's append, tx: ${kind}`]: () =>
      openCortex(CORTEX).append(tx as never, { action: "create", traceId: "t" }),
  });
}
for (const [kind, options] of Object.entries(notObjects)) {
  const given = options as any;
  refuseCall("INVALID_OPTIONS", "options", {
    [`openCortex: ${kind}`]: () => openCortex(given),
    [`ulidFactory: ${kind}`]: () => ulidFactory(given),
    [`parseEvent, options: ${kind}`]: () => parseEvent("{}", given),
    [`formatEvent, limits: ${kind}`]: () => formatEvent(complete, given),
    [`fold, options: ${kind}`]: () => fold([], {}, 0, given),
    [`httpPeer, options: ${kind}`]: () => httpPeer("https://example.com", given),
  });
  refuseCall("INVALID_REDUCER", "reducer", {
    [`fold, reducer: ${kind}`]: () => fold([], given, 0),
    [`stateAt, reducer: ${kind}`]: (_, db) => stateAt(db, "trace", { seq: 1 }, given, 0),
  });
  refuseCall("INVALID_REDUCER", "upcasters", {
    [`fold, upcasters: ${kind}`]: () => fold([], {}, 0, { upcasters: given }),
    [`stateAt, upcasters: ${kind}`]: (_, db) => stateAt(db, "trace", { seq: 1 }, {}, 0, { upcasters: given }),
    [`forTrace, upcasters: ${kind}`]: (_, db) => forTrace(db, "trace", { upcasters: given }),
    [`feed, upcasters: ${kind}`]: (_, db) => feed(db, { upcasters: given }),
    [`latest, upcasters: ${kind}`]: (_, db) => latest(db, { upcasters: given }),
    [`getEvent, upcasters: ${kind}`]: (_, db) => getEvent(db, ALPHA, { upcasters: given }),
  });
  refuseCall("INVALID_SCHEMA", "schemas", {
    [`openCortex, schemas: ${kind}`]: () => openCortex({ ...CORTEX, schemas: given }),
  });
  refuseCall("INVALID_AS_OF", "asOf", {
    [`stateAt, asOf: ${kind}`]: (_, db) => stateAt(db, "trace", given, {}, 0),
  });
  refuseCall("INVALID_PEER", "peer", { [`pull, peer: ${kind}`]: (_, db) => pull(db, given) }, true);
  refuseCall("INVALID_VCLOCK", "theirClock", {
    [`missing, their clock: ${kind}`]: (_, db) => missing(db, given),
  });
}
refuseCall("INVALID_OPTIONS", "options", {
  "openCortex: no options": () => openCortex(undefined as never),
  "serveLog: no options": (_, db) => serveLog(db, undefined as never),
});
refuseCall(
  "INVALID_PEER",
  "peer",
  {
    "pull, peer: without missing": (_, db) => pull(db, { clock: () => ({}) } as unknown as Peer),
    "pull, peer: of no functions": (_, db) => pull(db, { clock: {}, missing: [] } as unknown as Peer),
    "pull, no peer": (_, db) => pull(db, undefined as never),
  },
  true,
);
refuseCall("INVALID_VCLOCK", "theirClock", {
  "missing, their clock: an array": (_, db) => missing(db, [] as never),
  "missing, their clock: a Map": (_, db) => missing(db, new Map() as never),
});
refuseCall("INVALID_VCLOCK", "theirClock's key", {
  "missing, their clock: a key that is no ULID": (_, db) => missing(db, { [SECRET]: 1 }),
});
refuseCall("INVALID_VCLOCK", `theirClock.${ALPHA}`, {
  "missing, their clock: a counter below 0": (_, db) => missing(db, { [ALPHA]: -1 }),
  "missing, their clock: a counter in text": (_, db) => missing(db, { [ALPHA]: SECRET as never }),
});

const notFunctions: Named = { null: null, text: SECRET, "a number": 7, "an object": {}, true: true };
for (const [kind, value] of Object.entries(notFunctions)) {
  const given = value as any;
  refuseCall("INVALID_NOW", "now", {
    [`ulidFactory, now: ${kind}`]: () => ulidFactory({ now: given }),
    [`openCortex, now: ${kind}`]: () => openCortex({ ...CORTEX, now: given }),
    [`drifted, now: ${kind}`]: (_, db) => drifted(db, { now: given }),
    [`accept, now: ${kind}`]: (tx) => acceptEvents(tx, [complete], { now: given }),
  });
  refuseCall("INVALID_RANDOMNESS", "randomness", {
    [`ulidFactory, randomness: ${kind}`]: () => ulidFactory({ randomness: given }),
    [`openCortex, randomness: ${kind}`]: () => openCortex({ ...CORTEX, randomness: given }),
  });
  refuseCall("INVALID_AUTHORIZE", "authorize", {
    [`serveLog, authorize: ${kind}`]: (_, db) => serveLog(db, { ...SERVED, authorize: given }),
  });
  refuseCall("INVALID_FUNCTION", "fetch", {
    [`httpPeer, fetch: ${kind}`]: () => httpPeer("https://example.com", { fetch: given }),
  });
  for (const name of ["onProgress", "transaction"]) {
    const call: Rejected["run"] = (_, db) => pull(db, databasePeer(db), { [name]: given });
    refuseCall("INVALID_FUNCTION", name, { [`pull, ${name}: ${kind}`]: call }, true);
  }
  if (value === null) continue;
  refuseCall("INVALID_REDUCER", "reducer.create", {
    [`fold, a reducer's entry: ${kind}`]: () => fold([], { create: given }, 0),
    [`stateAt, a reducer's entry: ${kind}`]: (_, db) => stateAt(db, "t", { seq: 1 }, { create: given }, 0),
  });
  refuseCall("INVALID_REDUCER", "upcasters.create", {
    [`fold, an upcaster: ${kind}`]: () => fold([], {}, 0, { upcasters: { create: given } }),
  });
}
for (const [kind, value] of Object.entries<unknown>({ ...notFunctions, "a function": () => SECRET })) {
  const given = value as any;
  refuseCall("INVALID_SCHEMA", "schemas.create", {
    [`openCortex, a schema: ${kind}`]: () => openCortex({ ...CORTEX, schemas: { create: given } }),
  });
  if (value === true) continue;
  refuseCall("INVALID_LIFECYCLE", "lifecycle", {
    [`openCortex, lifecycle: ${kind}`]: () => openCortex({ ...CORTEX, lifecycle: given }),
  });
}
for (const [kind, value] of Object.entries<unknown>({
  ...{ "-1": -1, "1.5": 1.5, NaN: Number.NaN, Infinity: Number.POSITIVE_INFINITY },
  ...{ null: null, text: SECRET, "2^27 + 1": 2 ** 27 + 1, "an object": {}, "a bigint": 1n },
})) {
  const maxDataBytes = value as number;
  refuseCall("INVALID_MAX_DATA_BYTES", "maxDataBytes", {
    [`append, maxDataBytes: ${kind}`]: (tx) => append(tx, event(), { maxDataBytes }),
    [`append of a batch, maxDataBytes: ${kind}`]: (tx) => append(tx, [event()], { maxDataBytes }),
    [`appendQuery, maxDataBytes: ${kind}`]: (_, db) => appendQuery(db, event(), { maxDataBytes }),
    [`accept, maxDataBytes: ${kind}`]: (tx) => acceptEvents(tx, [complete], { maxDataBytes }),
    [`openCortex, maxDataBytes: ${kind}`]: () => openCortex({ ...CORTEX, maxDataBytes }),
    [`formatEvent, maxDataBytes: ${kind}`]: () => formatEvent(complete, { maxDataBytes }),
    [`parseEvent, maxDataBytes: ${kind}`]: () => parseEvent(formatEvent(complete), { maxDataBytes }),
  });
}
for (const [kind, value] of Object.entries<unknown>({
  ...{ "2^31": 2 ** 31, "-1": -1, "1.5": 1.5, NaN: Number.NaN, Infinity: Number.POSITIVE_INFINITY },
  ...{ null: null, text: SECRET, "a bigint": 1n },
})) {
  const interval = value as number;
  const call: Rejected["run"] = (_, db) => tail(db, { interval }).next();
  refuseCall("INVALID_INTERVAL", "interval", { [`tail, interval: ${kind}`]: call }, true);
}
for (const [kind, value] of Object.entries<unknown>({
  ...notObjects,
  "an object": {},
  "of events": new EventTarget(),
})) {
  const signal = value as AbortSignal;
  const calls: Record<string, Rejected["run"]> = {
    [`tail, signal: ${kind}`]: (_, db) => tail(db, { signal }).next(),
    [`pull, signal: ${kind}`]: (_, db) => pull(db, databasePeer(db), { signal }),
  };
  refuseCall("INVALID_SIGNAL", "signal", calls, true);
}
for (const [kind, value] of Object.entries<unknown>({
  ...{ null: null, undefined: undefined, "a number": 7, "an object": { href: "https://example.com" } },
})) {
  refuseCall("INVALID_URL", "url", { [`httpPeer, url: ${kind}`]: () => httpPeer(value as string) });
}
for (const [kind, value] of Object.entries(notULIDs)) {
  const id = value as string;
  refuseCall("INVALID_CORTEX_ID", "id", { [`openCortex, id: ${kind}`]: () => openCortex({ ...CORTEX, id }) });
  refuseCall("INVALID_CORTEX_ID", "cortexId", {
    [`serveLog, cortexId: ${kind}`]: (_, db) => serveLog(db, { ...SERVED, cortexId: id }),
    [`httpPeer, cortexId: ${kind}`]: () => httpPeer("https://example.com", { cortexId: id }),
  });
  refuseCall("INVALID_ID", "id", { [`ulidTime: ${kind}`]: () => ulidTime(id) });
}
for (const [kind, value] of Object.entries(notNames)) {
  const call = () => openCortex({ ...CORTEX, origin: value as string });
  refuseCall("INVALID_ORIGIN", "origin", { [`openCortex, origin: ${kind}`]: call });
}
for (const [kind, value] of Object.entries<unknown>({
  null: null,
  text: SECRET,
  "a number": 7,
  "an object": {},
})) {
  const given = value as any;
  refuseCall("INVALID_EVENT", "events", { [`fold, events: ${kind}`]: () => fold(given, {}, 0) });
  refuseCall("INVALID_EVENT", "page", { [`accept, page: ${kind}`]: (tx) => acceptEvents(tx, given) });
  if (typeof value === "object" && value) continue;
  refuseCall("INVALID_EVENT", "event", {
    [`formatEvent of ${kind}`]: () => formatEvent(given),
    [`fold over ${kind}`]: () => fold([given], {}, 0),
  });
}
for (const [kind, value] of Object.entries<unknown>({
  null: null,
  undefined: undefined,
  "an object": {},
  text: SECRET,
})) {
  refuseCall("INVALID_JSON", "event", { [`parseEvent of ${kind}`]: () => parseEvent(value as string) });
}
const revoked = Proxy.revocable({}, {});
revoked.revoke();
for (const [kind, value] of Object.entries({
  "a revoked proxy": revoked.proxy,
  "a throwing getter": thrower("action"),
})) {
  refuseCall("UNREADABLE", "event", { [`append of ${kind}`]: (tx) => append(tx, value as NewEvent) });
}
refuseCall("UNREADABLE", "schemas", {
  "openCortex, schemas: a throwing getter": () =>
    openCortex({ ...CORTEX, schemas: thrower("create") as never }),
});
refuseCall("UNREADABLE", "events", {
  "fold, events: a revoked proxy": () => fold(revoked.proxy as never, {}, 0),
});
refuseCall("INVALID_EVENT", "page", {
  "accept, page: a revoked proxy": (tx) => acceptEvents(tx, revoked.proxy as never),
});
refuseCall("INVALID_TRACE_ID", "traceId", {
  "forTrace: a revoked proxy": (_, db) => forTrace(db, revoked.proxy as never),
});
refuseCall("UNREADABLE", "event", {
  "a cortex's append of a revoked proxy": (tx) => openCortex(CORTEX).append(tx, revoked.proxy as never),
});
refuseCall("UNREADABLE", "options", {
  "feed, options: a throwing getter": (_, db) => feed(db, thrower("limit") as FeedOptions),
});

function thrower(key: string): object {
  return Object.defineProperty({}, key, {
    enumerable: true,
    get() {
      throw new Error(SECRET);
    },
  });
}

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
    error = it.later ? await errorOf(() => it.run(tx, log.db)) : thrownBy(() => it.run(tx, log.db));
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

const messages: [input: Partial<Event> | Named, message: string][] = [
  [
    { data: { items: [1, 2, { "two words": new Date(0) }] } },
    'data.items[2]["two words"] is a Date, which JSON cannot hold: store its toISOString().',
  ],
  [{ data: { at: undefined } }, "data.at is undefined, which JSON cannot hold: leave it out."],
  [{ data: [1n] }, "data[0] is a bigint, which JSON cannot hold: store it as text."],
  [{ data: { $a_1: Number.NaN } }, "data.$a_1 is NaN, which JSON cannot hold: store null or text."],
  [{ data: [-0] }, "data[0] is -0, which JSON cannot hold: store null or text."],
  [{ data: { "": [() => SECRET] } }, 'data[""][0] is a function, which JSON cannot hold: leave it out.'],
  [
    { data: { "1a": new Map() } },
    'data["1a"] is an object that is not plain: copy its fields into one that is.',
  ],
  [{ data: { a: { toJSON: () => 1 } } }, "data.a has a toJSON function: call it."],
  [{ data: [holed()] }, "data[0] is an array with holes or named keys."],
  [{ data: { a: NUL } }, "data.a holds text with a NUL or a lone surrogate."],
  [{ data: { a: "x".repeat(MIB) } }, `data.a is larger than ${MIB} bytes as JSON.`],
  [{ meta: { at: new Date(0) } }, "meta.at is a Date, which JSON cannot hold: store its toISOString()."],
  [{ meta: [SECRET] }, "meta must be a plain object, got an array of 1."],
  [{ traceID: SECRET }, "event.traceID is not a known field."],
  [{ "trace id": SECRET }, 'event["trace id"] is not a known field.'],
  [{ ["k".repeat(100)]: SECRET }, `event["${"k".repeat(64)}"…] is not a known field.`],
  [
    { action: SECRET.padEnd(200) },
    "action must be a letter, then up to 127 letters, digits and _.:/-, got a string of 200 characters.",
  ],
  [{ actor: 7 }, "actor must be text of 1 to 255 characters, got a number."],
];
test.each(messages)("a message names the place and the way out: %o", (over, message) => {
  const error = thrownBy(() => appendQuery(log.db, event(over))) as InputError;
  expect(error.message).toBe(message);
  const inBatch = thrownBy(() => appendQuery(log.db, [event(), event(over)])) as InputError;
  expect(inBatch.message).toBe(`events[1].${message}`);
});

async function comesBack({ input }: Accepted): Promise<void> {
  if (input.vclock) {
    const { [ALPHA]: counter, ...others } = input.vclock;
    await log.db.transaction(async (tx) => pretendToHold(tx, { ...others, [ALPHA]: counter! - 1 }));
  }
  const stored = await log.db.transaction((tx) => append(tx, input));
  const read = (await getEvent(log.db, stored.id))!;
  const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
  deepStrictEqual({ ...read }, { seq: read.seq, id: read.id, timestamp: read.timestamp, ...given });
  deepStrictEqual(read, stored);
  expect("polluted" in {}).toBe(false);
}
