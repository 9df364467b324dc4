// What a program may pass by mistake or by malice, from a seeded generator: for fuzz.test.ts.
import { types } from "node:util";

/** Thrown by a getter or a proxy's trap: never to be seen by the caller as it is. */
export class Trap extends Error {}

/** Thrown by a function that was passed as a callback: the caller may see this very error. */
export class CallbackFault extends Error {}

export type Random = () => number;

export const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)]!;

export const SECRET = "s3cr3t";
const ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const HUGE_TEXT = SECRET.repeat(500_000);
const HUGE_BYTES = new Uint8Array(2 ** 30);

const trap = (): never => {
  throw new Trap(`a trap that says ${SECRET}`);
};

const TEXTS = [
  ...["", SECRET, ` ${SECRET} `, `\0${SECRET}`, `\ud800${SECRET}`, `${SECRET}\udfff`, "🦊".repeat(200)],
  ...["__proto__", "constructor", "toString", "length", "then", "none", "asc", "desc", "events", "refuse"],
  ...["create", "update", "a/b.c:d", "é", "x".repeat(256), "🦊".repeat(255), HUGE_TEXT],
  ...[ULID, ULID.toLowerCase(), "8".repeat(26), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "0".repeat(26)],
  ...["2026-01-01T00:00:00Z", "2026-02-31T00:00:00Z", "2026-01-01T00:00:00.123456789Z", "2026-01-01"],
  ...['{"a":1}', '{"a":1,"a":2}', "[1e400]", "{}", "[]", "null", "{", '{"__proto__":1}', "[".repeat(10_000)],
];

/** An error may tell a key, which is no secret. */
const keyOf = (random: Random) => pick(random, TEXTS).slice(0, 64).replaceAll(SECRET, "key");

const NUMBERS = [
  ...[0, -0, 1, -1, 2, 7, 255, 256, 1.5, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 48, 2 ** 53 - 1, 2 ** 53],
  ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.MIN_VALUE, Date.UTC(2026, 0)],
];

const DEEP = deep(70) as object;
const DEEPER = deep(20_000) as object;
const WIDE = wide() as object;

class Instance {
  id = ULID;
  readonly #hidden = SECRET;
  get hidden() {
    return this.#hidden;
  }
}

function deep(levels: number): unknown {
  let value: unknown = SECRET;
  for (let i = 0; i < levels; i++) value = i % 2 ? [value] : { value };
  return value;
}

/** 2^64 ways lead to the one value in it. */
function wide(): unknown {
  let value: unknown = 1;
  for (let i = 0; i < 64; i++) value = [value, value];
  return value;
}

function cyclic(): object {
  const value: Record<string, unknown> = { list: [] };
  value.self = value;
  (value.list as unknown[]).push(value.list, value);
  return value;
}

function array(length: number, entries: object): unknown[] {
  const list: unknown[] = Object.assign([], entries);
  list.length = length;
  return list;
}

function selfCaused(): Error {
  const error = new Error(SECRET);
  error.cause = error;
  return error;
}

function revoked(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

const TRAPS = ["get", "has", "ownKeys", "getPrototypeOf", "getOwnPropertyDescriptor"] as const;

/** A proxy whose traps throw: all of them, or one. */
function throwing(random: Random, target: object): object {
  const calls = { apply: fail, construct: fail };
  const traps = random() < 0.5 ? TRAPS : [pick(random, TRAPS)];
  return new Proxy(target, { ...Object.fromEntries(traps.map((name) => [name, trap])), ...calls });
}

/** A proxy that answers each time it is asked with something else. */
export function lying(random: Random, target: object): object {
  return new Proxy(target, {
    get: (of, key) => (random() < 0.7 ? Reflect.get(of, key) : pick(random, SHALLOW)(random)),
    has: () => random() < 0.5,
    ownKeys: (of) => {
      const added = random() < 0.3 ? [keyOf(random) || "x"] : [];
      return Object.isExtensible(of) ? [...new Set([...Reflect.ownKeys(of), ...added])] : Reflect.ownKeys(of);
    },
    getOwnPropertyDescriptor: (of, key) =>
      Reflect.getOwnPropertyDescriptor(of, key) ?? { value: 1, configurable: true, enumerable: true },
  });
}

/** A getter that throws, or that answers each time with something else. */
function getter(random: Random, field: string, value: unknown): object {
  const changes = random() < 0.6;
  const get = () => (changes ? (random() < 0.6 ? value : pick(random, SHALLOW)(random)) : trap());
  return Object.defineProperty({}, field, { get, enumerable: true, configurable: true });
}

type Kind = (random: Random) => unknown;

const SHALLOW: readonly Kind[] = [
  () => undefined,
  () => null,
  (random) => random() < 0.5,
  (random) => pick(random, NUMBERS),
  (random) => pick(random, TEXTS),
  (random) => pick(random, [0n, 1n, -1n, 2n ** 70n]),
  (random) => pick(random, [Symbol(SECRET), Symbol.iterator, Symbol.for(SECRET)]),
  callback,
];

const SETTLED: readonly ((random: Random) => object)[] = [
  () => ({}),
  () => Object.create(null),
  () => Object.assign(Object.create({ id: ULID, inherited: SECRET }), { own: SECRET }),
  () => new Instance(),
  () => new Date(0),
  () => new Date(Number.NaN),
  () => new Map([[SECRET, SECRET]]),
  () => new Set([SECRET]),
  () => new WeakMap(),
  () => /s3cr3t/g,
  () => new URL("https://example.com/log"),
  () => new Uint8Array([1, 2, 3]),
  () => HUGE_BYTES,
  () => new Float64Array([Number.NaN]),
  () => new ArrayBuffer(8),
  () => Object(SECRET),
  () => Object(HUGE_TEXT),
  () => Object(1n),
  () => Object(Symbol(SECRET)),
  () => selfCaused(),
  () => Promise.resolve(SECRET),
  () => ({ toJSON: () => SECRET }),
  () => ({ [Symbol.toPrimitive]: trap, toString: trap, valueOf: trap }),
  () => ({ [Symbol(SECRET)]: SECRET }),
  () => JSON.parse(`{"__proto__":{"id":"${SECRET}"}}`),
  () => Object.create(AbortSignal.prototype),
  () => AbortSignal.abort(new CallbackFault("aborted")),
  () => cyclic(),
  () => DEEP,
  () => DEEPER,
  () => WIDE,
  () => [],
  () => array(2 ** 32 - 1, {}),
  () => array(2 ** 32 - 1, { 0: {}, 5: SECRET }),
  () => array(3, { 1: 1 }),
  () => array(1, { 0: 1, named: SECRET }),
  () => array(1, { 0: {}, [Symbol.iterator]: tooMany }),
  () => array(1, { 0: {}, [Symbol.iterator]: trap }),
  () => ({ [Symbol.iterator]: trap }),
  () => ({ length: 2 ** 53 - 1 }),
];

const OBJECTS: typeof SETTLED = [
  ...SETTLED,
  // biome-ignore lint/suspicious/noThenProperty: what an await meets must not be trusted either
  (random) => ({ then: random() < 0.5 ? trap : (resolve: (value: unknown) => void) => resolve(SECRET) }),
  (random) => revoked(random() < 0.5 ? {} : []),
  (random) => throwing(random, pick(random, [{}, [], () => {}, { id: ULID, traceId: "t" }])),
  (random) => lying(random, pick(random, [{}, [], { id: ULID, seq: 1 }, [1, 2, 3]])),
  (random) => getter(random, pick(random, ["id", "seq", "action", "limit", "x"]), ULID),
];

/** More events than a call may make of one; not without end, for what folds them has to come to it. */
function* tooMany(): Generator<unknown> {
  for (let i = 0; i < 5_000; i++) yield { action: "create", traceId: "t", cortexId: ULID, origin: "o" };
  trap();
}

function fail(): never {
  throw new CallbackFault("a callback that fails");
}

/** A function that throws, or answers with anything but what makes an await of it throw. */
export function callback(random: Random): (...args: unknown[]) => unknown {
  const answer = pick(random, [...SHALLOW.slice(0, 7), ...SETTLED]);
  return pick(random, [
    fail,
    () => answer(random),
    () => answer(random),
    async () => answer(random),
    async () => {
      throw new CallbackFault("a callback that rejects");
    },
  ]);
}

/** Anything at all. */
export function garbage(random: Random, depth = 2): unknown {
  const roll = random();
  if (roll < 0.35) return pick(random, SHALLOW)(random);
  if (roll < 0.75 || depth === 0) return pick(random, OBJECTS)(random);
  const size = Math.floor(random() * 4);
  const entries = Array.from({ length: size }, () => garbage(random, depth - 1));
  if (roll < 0.88) return entries;
  return Object.fromEntries(entries.map((entry) => [keyOf(random), entry]));
}

export const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;

/**
 * A copy of a valid value with one fault: something in it is replaced, left out, added, or behind a getter or a
 * proxy. Only of data: a database or a table is taken whole or not at all.
 */
export function nearly(random: Random, value: unknown): unknown {
  const inside = Array.isArray(value) || isPlain(value);
  const roll = random();
  if (typeof value === "function" && roll < 0.8) return callback(random);
  if (typeof value === "number" && roll < 0.5) return pick(random, NUMBERS);
  if (typeof value === "string" && roll < 0.5) return pick(random, TEXTS);
  if (!inside || roll < 0.15) return garbage(random);
  if (roll < 0.22) return lying(random, value);
  if (roll < 0.26) return throwing(random, value);
  if (Array.isArray(value)) {
    const i = Math.floor(random() * value.length);
    return value.map((entry, at) => (at === i ? nearly(random, entry) : entry));
  }
  const keys = Object.keys(value);
  if (keys.length === 0 || roll < 0.32) return { ...value, [keyOf(random)]: garbage(random) };
  const key = pick(random, keys);
  if (roll < 0.4) return Object.fromEntries(Object.entries(value).filter(([name]) => name !== key));
  if (roll < 0.5) return Object.defineProperties({ ...value }, descriptors(getter(random, key, value[key])));
  return { ...value, [key]: nearly(random, value[key]) };
}

const descriptors = (object: object) => Object.getOwnPropertyDescriptors(object) as PropertyDescriptorMap;

/** The same without what takes for ever to look through, or to turn into text. */
export function sparing(value: unknown): unknown {
  if (value === HUGE_BYTES || value === WIDE) return {};
  if (types.isProxy(value)) return value;
  if (Array.isArray(value) && value.length < 10 && value !== DEEPER) return value.map(sparing);
  if (isPlain(value) && value !== DEEPER && value !== DEEP && !("self" in value)) {
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, sparing(entry)]));
  }
  return value;
}
