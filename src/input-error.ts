export type InputErrorCode =
  | "INVALID_EVENT"
  | "UNKNOWN_FIELD"
  | "INVALID_ID"
  | "INVALID_ACTION"
  | "INVALID_TRACE_ID"
  | "INVALID_CORTEX_ID"
  | "INVALID_ORIGIN"
  | "INVALID_TIMESTAMP"
  | "INVALID_DATA"
  | "DATA_TOO_DEEP"
  | "DATA_TOO_LARGE"
  | "INVALID_VCLOCK"
  | "INVALID_JSON"
  | "INVALID_NUMBER"
  | "INVALID_LIMIT"
  | "INVALID_CURSOR"
  | "INVALID_ORDER"
  | "INVALID_TABLE_NAME"
  | "INVALID_EXPECT"
  | "INVALID_DRIFT"
  | "INVALID_DEADLINE"
  | "INVALID_SIGNAL"
  | "INVALID_OPTIONS"
  | "INVALID_AS_OF"
  | "NO_CLOCK"
  | "INVALID_AUTHORIZE"
  | "INVALID_INTERVAL"
  | "ASYNC_SCHEMA"
  | "INVALID_CLOCK"
  | "INVALID_RANDOMNESS"
  | "NOT_A_TRANSACTION";

/**
 * The caller passed something the log does not take. Thrown synchronously, before any SQL runs.
 * `field` is the argument at fault (`events[2].id` in a batch), `path` the place inside `data`.
 * The message names the field and the value's shape and holds no text of the value.
 */
export class InputError extends TypeError {
  override readonly name = "InputError";

  constructor(
    readonly code: InputErrorCode,
    readonly field: string,
    problem: string,
    readonly path: readonly (string | number)[] = [],
  ) {
    super(`${field} ${problem}.`);
  }
}

/** What a value is, without what it says: safe in an error message. */
export function shapeOf(value: unknown): string {
  if (typeof value === "string") return `a string of ${value.length} characters`;
  if (typeof value === "number") return Number.isFinite(value) ? "a number" : String(value);
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
