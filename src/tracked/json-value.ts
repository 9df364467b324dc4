import { is, SQL, sql } from "drizzle-orm";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import { InputError } from "../input-error.js";
import { sameJson } from "../json.js";

/** What a value of a row is in JSON: a Date its ISO text, a bigint its digits, bytes base64. */
export type JsonOf<V> = V extends Date | bigint | Uint8Array | ArrayBuffer ? string : V;

/** A value by what it is. Rows hold no -0, for SQLite stores none; what JSON has no number for is text. */
export function jsonOf(value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (typeof value === "number") return Number.isFinite(value) ? value + 0 : String(value);
  if (typeof value === "bigint") return String(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  return isBytes(value) ? base64Of(value) : value;
}

/** A value of a column, so that `valueFromJson` can bring it back. @throws InputError `INVALID_ROW`. */
export function columnJson(column: SQLiteColumn, value: unknown, field: string): unknown {
  const json = tellable(column, value);
  if (json !== undefined) return json;
  const problem = isNoDate(value)
    ? "is no date: SQLite's CURRENT_TIMESTAMP is text, where a timestamp in an integer column is unixepoch()"
    : "has a column type that writes SQL, which no event can hold";
  throw new InputError("INVALID_ROW", field, problem);
}

/** Undefined if no event can hold it. */
function tellable(column: SQLiteColumn, value: unknown): unknown {
  if (value === undefined || value === null) return null;
  const kind = kindOf(column);
  if (kind === "json") return asStored(value);
  if (kind === "custom") return driverJson(column, value);
  return isNoDate(value) ? undefined : jsonOf(value);
}

function isNoDate(value: unknown): boolean {
  return value instanceof Date && Number.isNaN(value.getTime());
}

/** Whether two values of a column are the same: what they are, not which object. */
export function sameValue(column: SQLiteColumn, a: unknown, b: unknown): boolean {
  // A type that encrypts gives the driver another value each time, and bytes may be many.
  if (Object.is(a, b)) return true;
  if (isBytes(a) && isBytes(b) && kindOf(column) !== "custom") return sameBytes(a, b);
  return sameJson(comparable(column, a), comparable(column, b));
}

function comparable(column: SQLiteColumn, value: unknown): unknown {
  const json = tellable(column, value);
  return json === undefined ? [asStored(value)] : json;
}

/**
 * A value of the log as the column's own again, also where the column was a plain number once, or a boolean.
 *
 * @throws InputError `INVALID_DATA`: the column is of another type since, or held what is none of its own.
 */
export function valueFromJson(column: SQLiteColumn, json: unknown, field: string): unknown {
  if (json === null) return null;
  const kind = kindOf(column);
  if (kind === "json") return json;
  if (kind === "custom") return column.mapFromDriverValue(driverValue(json) as never);
  const value = typeof json === "string" ? valueOfText(kind, json) : valueOfNumber(column, kind, json);
  if (value !== undefined && !isNoDate(value)) return value;
  const problem = "of the event is of another type than the column has: give a value in `values`";
  throw new InputError("INVALID_DATA", "data", problem, [field]);
}

function valueOfText(kind: string | undefined, text: string): unknown {
  if (kind === "date") return ISO.test(text) ? new Date(text) : undefined;
  if (kind === "bigint") return /^-?\d+$/.test(text) ? BigInt(text) : undefined;
  if (kind === "buffer") return BASE64.test(text) ? bytesOf(text) : undefined;
  if (kind === "number") return numberOf(text);
  return kind === "boolean" ? undefined : text;
}

function valueOfNumber(column: SQLiteColumn, kind: string | undefined, json: unknown): unknown {
  if (kind === "boolean" && typeof json === "boolean") return json;
  if (typeof json !== "number" && typeof json !== "boolean") return undefined;
  const number = Number(json);
  if (kind === "number") return number;
  if (kind === "date" || kind === "boolean") return column.mapFromDriverValue(number as never);
  return kind === undefined ? String(number) : undefined;
}

// As toISOString writes it. To "5", JavaScript would find a month.
const ISO = /^([+-]\d\d)?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** The two majors of Drizzle say it in other words: `date` and `object date`. Undefined for text. */
function kindOf({ dataType }: SQLiteColumn): string | undefined {
  return /custom|json|date|bigint|buffer|boolean|number/.exec(dataType)?.[0];
}

/** As the database has it after JSON.stringify. */
function asStored(value: unknown): unknown {
  const text = JSON.stringify(value);
  return text === undefined ? null : JSON.parse(text);
}

/** A class of the app's may be anything; what its column gives the driver is one of SQLite's five types. */
function driverJson(column: SQLiteColumn, value: unknown): unknown {
  const given = column.mapToDriverValue(value);
  if (is(given, SQL)) return undefined;
  if (typeof given === "bigint") return { bigint: String(given) };
  return isBytes(given) ? { base64: base64Of(given) } : jsonOf(given);
}

function driverValue(json: unknown): unknown {
  const { bigint, base64 } = Object(json) as { bigint?: unknown; base64?: unknown };
  if (typeof bigint === "string") return BigInt(bigint);
  return typeof base64 === "string" ? bytesOf(base64) : json;
}

function numberOf(text: string): unknown {
  // Not every driver takes it as a parameter.
  if (/^-?Infinity$/.test(text)) return sql.raw(text.replace("Infinity", "9e999"));
  return /^-?\d+$/.test(text) ? BigInt(text) : undefined;
}

// A function takes only so many arguments.
const PIECE = 2 ** 13;

type Bytes = ArrayBuffer | ArrayBufferView;

export function isBytes(value: unknown): value is Bytes {
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value);
}

function viewOf(value: Bytes): Uint8Array {
  return ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : new Uint8Array(value);
}

export function sameBytes(a: Bytes, b: Bytes): boolean {
  const [one, other] = [viewOf(a), viewOf(b)];
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}

function base64Of(value: Bytes): string {
  const bytes = viewOf(value);
  let text = "";
  for (let i = 0; i < bytes.length; i += PIECE) {
    text += String.fromCharCode(...bytes.subarray(i, i + PIECE));
  }
  return btoa(text);
}

function bytesOf(base64: string): Uint8Array {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  // Node's drivers and Drizzle's columns of bytes know their own kind.
  const { Buffer } = globalThis as { Buffer?: { from(source: ArrayBuffer): Uint8Array } };
  return Buffer ? Buffer.from(bytes.buffer) : bytes;
}
