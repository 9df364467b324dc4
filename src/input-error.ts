/** Every `code` of an `InputError`. */
export const inputErrorCodes = [
  "INVALID_EVENT",
  "UNKNOWN_FIELD",
  "UNREADABLE",
  "INVALID_ID",
  "INVALID_ACTION",
  "INVALID_TRACE_ID",
  "INVALID_CORTEX_ID",
  "INVALID_ORIGIN",
  "INVALID_ACTOR",
  "INVALID_TIMESTAMP",
  "INVALID_DATA",
  "DATA_TOO_DEEP",
  "DATA_TOO_LARGE",
  "INVALID_META",
  "META_TOO_DEEP",
  "META_TOO_LARGE",
  "INVALID_IDEMPOTENCY_KEY",
  "INVALID_VCLOCK",
  "NO_CLOCK",
  "BATCH_TOO_LARGE",
  "INVALID_JSON",
  "DUPLICATE_KEY",
  "INVALID_NUMBER",
  "NOT_A_DATABASE",
  "NOT_A_TRANSACTION",
  "INVALID_TABLE",
  "INVALID_TABLE_NAME",
  "INVALID_OPTIONS",
  "INVALID_MAX_DATA_BYTES",
  "INVALID_LIMIT",
  "INVALID_CURSOR",
  "INVALID_ORDER",
  "INVALID_SIGNAL",
  "INVALID_INTERVAL",
  "INVALID_DEADLINE",
  "INVALID_NOW",
  "INVALID_RANDOMNESS",
  "INVALID_DRIFT",
  "INVALID_AS_OF",
  "INVALID_REDUCER",
  "INVALID_EXPECT",
  "INVALID_LIFECYCLE",
  "INVALID_SCHEMA",
  "ASYNC_SCHEMA",
  "INVALID_PEER",
  "INVALID_URL",
  "INVALID_AUTHORIZE",
  "INVALID_FUNCTION",
] as const;

export type InputErrorCode = (typeof inputErrorCodes)[number];

/**
 * The caller passed something the log does not take. Nothing was written.
 * `field` is the argument at fault (`events[2].id` in a batch), `path` the place inside `data` or `meta`.
 * The message names the field, the path and the value's shape, and holds no text of the value.
 */
export class InputError extends TypeError {
  override readonly name = "InputError";

  constructor(
    readonly code: InputErrorCode,
    readonly field: string,
    problem: string,
    readonly path: readonly (string | number)[] = [],
    options?: ErrorOptions,
  ) {
    super(`${field}${textOf(path)} ${problem}.`, options);
  }
}

const MAX_KEY = 64;

/** A path as one writes it in JavaScript: `.items[2]["two words"]`. A long key is cut. */
function textOf(path: readonly (string | number)[]): string {
  const steps = path.map((step) => {
    if (typeof step === "number") return `[${step}]`;
    if (step.length > MAX_KEY) return `[${JSON.stringify(step.slice(0, MAX_KEY).toWellFormed())}…]`;
    return /^[A-Za-z_$][\w$]*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
  });
  return steps.join("");
}

/** What a value is, without what it says: safe in an error message. */
export function shapeOf(value: unknown): string {
  if (typeof value === "string") return `a string of ${value.length} characters`;
  if (typeof value === "number") return Number.isFinite(value) ? "a number" : String(value);
  if (value === null || value === undefined) return String(value);
  if (isArray(value)) return `an array of ${value.length}`;
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** Array.isArray throws for a proxy that was revoked. */
export function isArray(value: unknown): value is any[] {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

/**
 * What `read` answers. What a getter or a proxy of the caller's throws meanwhile is told as a mistake in `field`.
 */
export function reading<T>(field: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError("UNREADABLE", field, "cannot be read: see the cause", [], { cause: error });
  }
}

/** A copy of a function's options, read once. */
export function checkedOptions<T extends object>(options: T | undefined): T {
  if (options === undefined) return {} as T;
  if (typeof options !== "object" || options === null) {
    throw new InputError("INVALID_OPTIONS", "options", `must be an object, got ${shapeOf(options)}`);
  }
  return reading("options", () => ({ ...options }));
}

export function checkFunction(value: unknown, code: InputErrorCode, field: string): void {
  if (typeof value !== "function") {
    throw new InputError(code, field, `must be a function, got ${shapeOf(value)}`);
  }
}
