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
  "INVALID_PROOF",
  "NO_PROOF",
  "INVALID_SIGNATURE",
  "BATCH_TOO_LARGE",
  "INVALID_JSON",
  "DUPLICATE_KEY",
  "INVALID_NUMBER",
  "NOT_A_DATABASE",
  "NOT_A_TRANSACTION",
  "NO_BATCH",
  "INVALID_TABLE",
  "INVALID_TABLE_NAME",
  "INVALID_ROW",
  "INVALID_WHERE",
  "INVALID_OPTIONS",
  "INVALID_MAX_DATA_BYTES",
  "INVALID_LIMIT",
  "INVALID_CURSOR",
  "INVALID_ORDER",
  "INVALID_SIGNAL",
  "INVALID_INTERVAL",
  "INVALID_DEADLINE",
  "INVALID_TIMEOUT",
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
  "INVALID_NAME",
  "INVALID_RETRIES",
  "INVALID_QUERIES",
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
    if (step.length > MAX_KEY) return `[${JSON.stringify(step.slice(0, MAX_KEY))}…]`;
    return /^[A-Za-z_$][\w$]*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
  });
  return steps.join("");
}

/** What a value is, without what it says: safe in an error message, and whatever the value does when it is read. */
export function shapeOf(value: unknown): string {
  if (typeof value === "string") return `a string of ${value.length} characters`;
  if (typeof value === "number") return Number.isFinite(value) ? "a number" : String(value);
  if (value === null || value === undefined) return String(value);
  if (typeof value !== "object") return `a ${typeof value}`;
  const length = isArray(value) ? lengthOf(value) : undefined;
  return length === undefined ? "an object" : `an array of ${length}`;
}

/** As Array.isArray, which throws on a proxy that was revoked. */
export function isArray(value: unknown): value is readonly unknown[] {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

/** Of an array that may be a proxy, and say anything. */
function lengthOf(list: readonly unknown[]): number | undefined {
  try {
    const { length } = list;
    return Number.isSafeInteger(length) && length >= 0 ? length : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether its fields can be looked through: of bytes, or of the characters of a String, each would be a field, and
 * a gigabyte of them ends the process. Call it in `reading`.
 */
export function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return !ArrayBuffer.isView(value) && !(value instanceof String);
}

/**
 * What `read` answers. What a getter or a proxy of the caller's throws meanwhile is told as a mistake in `field`.
 */
export function reading<T>(field: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw unreadable(field, error);
  }
}

function unreadable(field: string, cause: unknown): InputError {
  return new InputError("UNREADABLE", field, "cannot be read: see the cause", [], { cause });
}

/** The same for what a loop goes over, but not for what its body throws. */
export function* readingEach<T>(field: string, list: Iterable<T>): Generator<T, void, undefined> {
  try {
    yield* list;
  } catch (error) {
    throw unreadable(field, error);
  }
}

/** The longest list that is read. One that is all holes, or a proxy, says any length and takes no memory. */
export const MAX_LIST = 2 ** 18;

/** The entries of a caller's list, each read once, and not by an iterator of the list's own. */
export function entriesOf(list: readonly unknown[], field: string, code: InputErrorCode): unknown[] {
  const length = lengthOf(list);
  if (length === undefined || length > MAX_LIST) {
    throw new InputError(code, field, `must be a list of up to ${MAX_LIST}, got ${shapeOf(list)}`);
  }
  return reading(field, () => Array.from({ length }, (_, i) => list[i]));
}

/** A copy of a function's options, read once. */
export function checkedOptions<T extends object>(options: T | undefined): T {
  if (options === undefined) return {} as T;
  return reading("options", () => {
    if (isRecord(options)) return { ...options };
    throw new InputError("INVALID_OPTIONS", "options", `must be an object, got ${shapeOf(options)}`);
  });
}

export function checkFunction(value: unknown, code: InputErrorCode, field: string): void {
  if (typeof value !== "function") {
    throw new InputError(code, field, `must be a function, got ${shapeOf(value)}`);
  }
}
