import { InputError, shapeOf } from "./input-error.js";

const MAX_DEPTH = 64;

/** Which of an event's payloads a value is: the codes of its errors begin or end with it. */
type Payload = "DATA" | "META";

// As whole characters, so that a pair is none.
const LONE_SURROGATE = /[\uD800-\uDFFF]/u;

/** libsql aborts the process on a lone surrogate and reads text back only up to a NUL. */
export function isStorableText(text: string): boolean {
  // An engine such as Hermes may not have it.
  const isWellFormed = text.isWellFormed?.() ?? !LONE_SURROGATE.test(text);
  return isWellFormed && !text.includes("\0");
}

/**
 * The JSON text, and a copy, of a value that JSON can hold without loss: null, booleans, finite numbers but -0,
 * storable strings, dense arrays and plain objects of these, at most 64 levels deep and `maxBytes` of UTF-8
 * long. The text is the copy's, so what was checked is what is stored, whatever a getter answers next time.
 */
export function encodeJson(
  value: unknown,
  field: string,
  maxBytes: number,
  payload: Payload = "DATA",
): { text: string; copy: unknown } {
  const at: Position = { field, payload, maxBytes, budget: maxBytes, path: [] };
  const copy = copyOf(value, at);
  const text = JSON.stringify(copy);
  if (byteLengthExceeds(text, maxBytes)) tooLarge(at);
  return { text, copy };
}

/** Where in a value its copy has got to. */
interface Position {
  field: string;
  payload: Payload;
  maxBytes: number;
  /** How many bytes are left, at least one for every node that is to come. */
  budget: number;
  path: (string | number)[];
}

function copyOf(node: unknown, at: Position): unknown {
  // Every node costs a byte or more: the count also ends objects that reach the same part in 2^64 ways.
  if (--at.budget < 0) tooLarge(at);
  if (node === null || typeof node === "boolean") return node;
  if (typeof node === "string") return checkedText(node, at);
  if (typeof node === "number") {
    if (Number.isFinite(node) && !Object.is(node, -0)) return node;
    return refuse(at, `is ${Object.is(node, -0) ? "-0" : node}, which JSON cannot hold: ${HINTS.number}`);
  }
  if (typeof node !== "object")
    return refuse(at, `is ${shapeOf(node)}, which JSON cannot hold: ${hintFor(node)}`);
  if (at.path.length >= MAX_DEPTH) tooDeep(at);
  if (Array.isArray(node)) return copyOfArray(node, at);
  if (node instanceof Date) return refuse(at, "is a Date, which JSON cannot hold: store its toISOString()");
  // Whatever it would be replaced by, and wherever it is inherited from.
  if (typeof (node as { toJSON?: unknown }).toJSON === "function")
    refuse(at, "has a toJSON function: call it");
  if (!isPlainObject(node))
    return refuse(at, "is an object that is not plain: copy its fields into one that is");
  const copied: Record<string, unknown> = {};
  for (const key of Object.keys(node)) setOwn(copied, checkedText(key, at), copyEntry(key, node[key], at));
  return copied;
}

function copyOfArray(node: unknown[], at: Position): unknown[] {
  const { length } = node;
  // A byte an entry: a length alone can be too much, and an array of holes takes no memory.
  if (length > at.budget) tooLarge(at);
  if (typeof (node as { toJSON?: unknown }).toJSON === "function")
    refuse(at, "has a toJSON function: call it");
  if (Object.keys(node).length !== length || !hasOnlyNamedKeys(node)) {
    refuse(at, "is an array with holes or named keys");
  }
  const copied: unknown[] = [];
  for (let i = 0; i < length; i++) copied.push(copyEntry(i, node[i], at));
  return copied;
}

function copyEntry(key: string | number, entry: unknown, at: Position): unknown {
  at.path.push(key);
  const copied = copyOf(entry, at);
  at.path.pop();
  return copied;
}

function checkedText(text: string, at: Position): string {
  at.budget -= text.length;
  if (at.budget < 0) tooLarge(at);
  if (!isStorableText(text)) refuse(at, "holds text with a NUL or a lone surrogate");
  return text;
}

const HINTS = { undefined: "leave it out", bigint: "store it as text", number: "store null or text" };

function hintFor(node: unknown): string {
  return Object.hasOwn(HINTS, typeof node) ? HINTS[typeof node as keyof typeof HINTS] : "leave it out";
}

function tooDeep({ payload, field, path }: Position): never {
  const problem = `nests deeper than ${MAX_DEPTH} levels or contains itself`;
  throw new InputError(`${payload}_TOO_DEEP`, field, problem, [...path]);
}

function tooLarge({ payload, field, path, maxBytes }: Position): never {
  throw new InputError(`${payload}_TOO_LARGE`, field, `is larger than ${maxBytes} bytes as JSON`, [...path]);
}

function refuse({ payload, field, path }: Position, problem: string): never {
  throw new InputError(`INVALID_${payload}`, field, problem, [...path]);
}

function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  // Assigned, this one key would set the prototype.
  if (key !== "__proto__") object[key] = value;
  else Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

export function parseJson(text: string, field: string): unknown {
  // JSON.parse takes whatever has a text.
  if (typeof text !== "string") {
    throw new InputError("INVALID_JSON", field, `must be JSON as text, got ${shapeOf(text)}`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new InputError("INVALID_JSON", field, "is not JSON");
  }
}

/**
 * The one JSON text of a value of `encodeJson`'s: an object's keys in order, no spaces. A field that is undefined is
 * left out. The JSON Canonicalization Scheme (RFC 8785), which writes numbers and text as JavaScript does.
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === "string") return jsonOfText(value);
  if (typeof value !== "object" || value === null) return String(value);
  let text = "";
  if (Array.isArray(value)) {
    for (const entry of value) text += text === "" ? canonicalJson(entry) : `,${canonicalJson(entry)}`;
    return `[${text}]`;
  }
  for (const key of Object.keys(value).sort()) {
    const field = value[key as never] as unknown;
    if (field !== undefined) text += `${text && ","}${jsonOfText(key)}:${canonicalJson(field)}`;
  }
  return `{${text}}`;
}

// Without quotes, backslashes, control characters and surrogates.
const AS_IT_IS = /^[ !#-[\]-\uD7FF\uE000-\uFFFF]*$/;

/** JSON.stringify for a text; in a third of the time for most, which have nothing to escape. */
export function jsonOfText(text: string): string {
  return AS_IT_IS.test(text) ? `"${text}"` : JSON.stringify(text);
}

/** Whether two JSON values say the same: the order of an object's keys does not matter. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key as never], b[key as never]))
  );
}

// An object of another realm (a vm, a test runner) is plain too: its prototype is the root of that realm.
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return (prototype === null || Object.getPrototypeOf(prototype) === null) && hasOnlyNamedKeys(value);
}

function hasOnlyNamedKeys(value: object): boolean {
  return Object.getOwnPropertySymbols(value).length === 0;
}

function byteLengthExceeds(text: string, max: number): boolean {
  if (text.length > max) return true;
  return text.length * 3 > max && new TextEncoder().encode(text).length > max;
}
