import { InputError, type InputErrorCode, shapeOf } from "./input-error.js";

const MAX_DEPTH = 64;
const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
// Longer than the plain digits of any double: nothing but needless zeros, or a number that is none.
const MAX_NUMBER = 400;

type Path = (string | number)[];

/** libsql aborts the process on a lone surrogate and reads text back only up to a NUL. */
export function isStorableText(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/**
 * The JSON text, and a copy, of a value that JSON can hold without loss: null, booleans, finite numbers but -0,
 * storable strings, dense arrays and plain objects of these, at most 64 levels deep and `maxBytes` of UTF-8
 * long. The text is the copy's, so what was checked is what is stored, whatever a getter answers next time.
 */
export function encodeJson(value: unknown, field: string, maxBytes: number): { text: string; copy: unknown } {
  const at: Position = { field, maxBytes, budget: maxBytes, path: [] };
  const copy = copyOf(value, at);
  const text = JSON.stringify(copy);
  if (byteLengthExceeds(text, maxBytes)) tooLarge(at);
  return { text, copy };
}

/** Where in a value its copy has got to. */
interface Position {
  field: string;
  maxBytes: number;
  /** How many bytes are left, at least one for every node that is to come. */
  budget: number;
  path: Path;
}

function copyOf(node: unknown, at: Position): unknown {
  // Every node costs a byte or more: the count also ends objects that reach the same part in 2^64 ways.
  if (--at.budget < 0) tooLarge(at);
  if (node === null || typeof node === "boolean") return node;
  if (typeof node === "string") return checkedText(node, at);
  if (typeof node === "number") {
    if (Number.isFinite(node) && !Object.is(node, -0)) return node;
    return refuse(at, "INVALID_DATA", `holds ${Object.is(node, -0) ? "-0" : node}, which JSON cannot`);
  }
  if (typeof node !== "object") {
    return refuse(at, "INVALID_DATA", `holds ${shapeOf(node)}, which JSON cannot`);
  }
  // Whatever it would be replaced by, and wherever it is inherited from.
  if (typeof (node as { toJSON?: unknown }).toJSON === "function")
    refuse(at, "INVALID_DATA", "holds a toJSON function");
  if (at.path.length >= MAX_DEPTH)
    refuse(at, "DATA_TOO_DEEP", `nests deeper than ${MAX_DEPTH} levels or contains itself`);
  if (Array.isArray(node)) {
    if (Object.keys(node).length !== node.length || !hasOnlyNamedKeys(node))
      refuse(at, "INVALID_DATA", "holds an array with holes or named keys");
    const copied: unknown[] = [];
    for (let i = 0; i < node.length; i++) copied.push(copyEntry(i, node[i], at));
    return copied;
  }
  if (!isPlainObject(node))
    return refuse(at, "INVALID_DATA", "holds an object that is not plain, such as a Date or Map");
  const copied: Record<string, unknown> = {};
  for (const key of Object.keys(node)) setOwn(copied, checkedText(key, at), copyEntry(key, node[key], at));
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
  if (!isStorableText(text)) refuse(at, "INVALID_DATA", "holds text with a NUL or a lone surrogate");
  return text;
}

function tooLarge(at: Position): never {
  return refuse(at, "DATA_TOO_LARGE", `is larger than ${at.maxBytes} bytes as JSON`);
}

function refuse({ field, path }: Position, code: InputErrorCode, problem: string): never {
  throw new InputError(code, field, problem, [...path]);
}

function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  // Assigned, this one key would set the prototype.
  if (key !== "__proto__") object[key] = value;
  else Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

export function parseJson(text: string, field: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InputError("INVALID_JSON", field, "is not JSON");
  }
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

/**
 * Refuses an object's JSON text if JSON.parse would round, overflow or lose the sign of a number in it. The
 * path of keys is kept, so that the number can be found in a large document; its first key is the field.
 */
export function refuseInexactNumbers(text: string): void {
  const path: Path = [];
  let key = "";
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    const top = path.length - 1;
    if (char === "{") path.push("");
    else if (char === "[") path.push(0);
    else if (char === "}" || char === "]") path.pop();
    else if (char === "," && typeof path[top] === "number") path[top]++;
    else if (char === ":") path[top] = JSON.parse(key) as string;
    else if (char === '"') {
      const end = endOfString(text, i);
      key = text.slice(i, end + 1);
      i = end;
    } else if (char === "-" || (char >= "0" && char <= "9")) {
      const [token] = numberAt(text, i);
      if (!isExact(token)) {
        const [field, ...inside] = path;
        throw new InputError(
          "INVALID_NUMBER",
          String(field),
          "holds a number that JavaScript would change",
          inside,
        );
      }
      i += token.length - 1;
    }
  }
}

function endOfString(text: string, start: number): number {
  for (let end = start; ; ) {
    end = text.indexOf('"', end + 1);
    let backslashes = 0;
    while (text[end - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return end;
  }
}

function numberAt(text: string, start: number): RegExpExecArray {
  const number = /[-+.\deE]+/y;
  number.lastIndex = start;
  return number.exec(text)!;
}

function isExact(token: string): boolean {
  return token.length <= MAX_NUMBER && decimal(token) === decimal(String(Number(token)));
}

/** The one spelling of a decimal's value: sign, digits without outer zeros, exponent. */
function decimal(token: string): string | undefined {
  const match = NUMBER.exec(token);
  if (!match) return undefined;
  const [, sign, whole = "", fraction = "", exponent = "0"] = match;
  const digits = (whole + fraction).replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  if (significant === "") return `${sign}0`;
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`;
}
