import { InputError, type InputErrorCode, shapeOf } from "./input-error.js";
import { isPlainObject, isStorableText } from "./json.js";
import { isULID } from "./ulid.js";
import type { VectorClock } from "./vector-clock.js";

const MAX_NAME = 255;
export const MAX_CLOCK_ENTRIES = 256;
const ACTION = /^[A-Za-z][A-Za-z0-9_.:/-]{0,127}$/;
const TIMESTAMP =
  /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?Z$/;

export function checkAction(action: unknown, field: string): asserts action is string {
  if (typeof action === "string" && ACTION.test(action)) return;
  const rule = "must be a letter, then up to 127 letters, digits and _.:/-";
  throw new InputError("INVALID_ACTION", field, `${rule}, got ${shapeOf(action)}`);
}

export function checkULID(value: unknown, code: InputErrorCode, field: string): asserts value is string {
  if (!isULID(value)) {
    throw new InputError(code, field, `must be a ULID (26 characters, upper case), got ${shapeOf(value)}`);
  }
}

export function checkName(value: unknown, code: InputErrorCode, field: string): asserts value is string {
  if (typeof value !== "string" || value.length === 0 || isLongerThan(value, MAX_NAME)) {
    throw new InputError(code, field, `must be text of 1 to ${MAX_NAME} characters, got ${shapeOf(value)}`);
  }
  if (!isStorableText(value)) throw new InputError(code, field, "holds a NUL or a lone surrogate");
}

/** In characters as SQLite counts them: an emoji is one, where JavaScript counts two. */
function isLongerThan(text: string, most: number): boolean {
  return text.length > most && (text.length > 2 * most || Array.from(text).length > most);
}

export function checkTimestamp(value: unknown, field: string): asserts value is string {
  if (typeof value !== "string" || !TIMESTAMP.test(value) || !isRealDate(value.slice(0, 10))) {
    throw new InputError(
      "INVALID_TIMESTAMP",
      field,
      `must be RFC 3339 in UTC, ending in Z, got ${shapeOf(value)}`,
    );
  }
}

function isRealDate(date: string): boolean {
  // JavaScript reads 31 February as 3 March.
  return date.slice(8) <= "28" || new Date(`${date}T00:00:00Z`).toISOString().startsWith(date);
}

/** The app's own text behind a hash. */
const SIGNATURE = "[A-Za-z0-9_-]{1,5000}";
const ONLY_SIGNATURE = new RegExp(`^${SIGNATURE}$`);
const PROOF = new RegExp(`^[0-9a-f]{64}\\.[0-9a-f]{32}(?:\\.${SIGNATURE})?$`);

export function isSignature(value: unknown): value is string {
  return typeof value === "string" && ONLY_SIGNATURE.test(value);
}

export function checkProof(value: unknown, field: string): asserts value is string {
  if (typeof value === "string" && PROOF.test(value)) return;
  const problem = `must be a hash, a salt and maybe a signature, with dots between, got ${shapeOf(value)}`;
  throw new InputError("INVALID_PROOF", field, problem);
}

/** A copy with its keys in order, so that equal clocks have equal text. */
export function checkedClock(value: unknown, cortexId: string, field: string): VectorClock {
  const refuse = (problem: string, at = field): never => {
    throw new InputError("INVALID_VCLOCK", at, problem);
  };
  if (!isPlainObject(value)) return refuse(`must be a plain object, got ${shapeOf(value)}`);
  const keys = Object.keys(value).sort();
  if (keys.length > MAX_CLOCK_ENTRIES)
    return refuse(`has ${keys.length} entries, more than ${MAX_CLOCK_ENTRIES}`);
  const clock: Record<string, number> = {};
  for (const key of keys) {
    const counter = value[key];
    if (!isULID(key)) return refuse(`has a key that is not a ULID, but ${shapeOf(key)}`);
    if (!Number.isSafeInteger(counter) || (counter as number) < 1) {
      return refuse(`must be a whole number from 1 to 2^53 - 1, got ${shapeOf(counter)}`, `${field}.${key}`);
    }
    clock[key] = counter as number;
  }
  if (clock[cortexId] === undefined) return refuse("has no entry for the event's own cortex");
  return clock;
}
