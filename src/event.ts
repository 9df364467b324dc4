import { InputError, type InputErrorCode, shapeOf } from "./input-error.js";
import {
  encodeJson,
  isPlainObject,
  isStorableText,
  parseJson,
  refuseInexactNumbers,
  sameJson,
} from "./json.js";
import { isULID, newULID, ulidTime } from "./ulid.js";
import type { VectorClock } from "./vector-clock.js";

/** What can happen to a trace. An app may use others: see `createEventsTable`. */
export type Action = "create" | "update" | "archive" | "unarchive" | "trash" | "recover" | "purge";

/** The actions of a log: a union of names, or an interface that maps each name to the type of its `data`. */
export type Actions = string | object;

export type ActionOf<A extends Actions> = A extends string ? A : keyof A & string;

export type DataOf<A extends Actions, K extends string> = A extends string
  ? unknown
  : K extends keyof A
    ? A[K]
    : never;

type Fields<A extends Actions, K extends string> = K extends string
  ? {
      /** ULID, unique in the log. */
      id: string;
      action: K;
      /** The entity that was changed: 1 to 255 characters. */
      traceId: string;
      /** ULID: the stable identity of the node that made the change. */
      cortexId: string;
      /** That node's display name when it wrote: 1 to 255 characters. For people, never for identity. */
      origin: string;
      /** RFC 3339 in UTC, kept to the letter, with up to nine digits of a second. */
      timestamp: string;
      /** What the node knew when it wrote, its own entry counting this event. At most 256 entries. */
      vclock?: VectorClock;
    } & (undefined extends DataOf<A, K> ? { data?: DataOf<A, K> } : { data: DataOf<A, K> })
  : never;

/**
 * An immutable record of one mutation. The types of `action` and `data` are the app's promise to itself: an
 * event from elsewhere may carry a well-formed action that this app does not know, so keep a `default` branch.
 */
export type Event<A extends Actions = Action> = Fields<A, ActionOf<A>>;

/** An event as it lies in the log. `seq` is its place in the order of arrival, local to one database. */
export type StoredEvent<A extends Actions = Action> = Event<A> & { seq: number };

type Optional<T, K extends PropertyKey> = T extends unknown
  ? Omit<T, K> & Partial<Pick<T, K & keyof T>>
  : never;

/** An event to append. `id` defaults to `newULID()`, `timestamp` to the time in the id. */
export type NewEvent<A extends Actions = Action> = Optional<Event<A>, "id" | "timestamp">;

export interface EventLimits {
  /** The most bytes that `data` may have as JSON in UTF-8. Default 1 MiB. */
  maxDataBytes?: number;
}

/** A valid event with its JSON columns as text. */
export interface EncodedEvent {
  event: Event<any>;
  data: string | null;
  vclock: string | null;
  counter: number | null;
  /** See the column. */
  branched?: boolean;
}

const MAX_NAME = 255;
export const MAX_CLOCK_ENTRIES = 256;
const ACTION = /^[a-z][a-z0-9_]{0,63}$/;
const TIMESTAMP =
  /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?Z$/;
const FIELDS = new Set([
  "seq",
  "id",
  "action",
  "traceId",
  "cortexId",
  "origin",
  "timestamp",
  "data",
  "vclock",
]);
const JSON_FIELDS = new Set([
  "id",
  "action",
  "trace_id",
  "cortex_id",
  "origin",
  "timestamp",
  "data",
  "vclock",
]);

/** Validates everything, fills in the defaults and encodes; `at` prefixes the field in errors. */
export function encodeEvent(
  input: unknown,
  at: string,
  { maxDataBytes = 2 ** 20 }: EventLimits,
): EncodedEvent {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    throw new InputError("INVALID_EVENT", `${at}event`, `must be an object, got ${shapeOf(input)}`);
  }
  refuseUnknownFields(input, FIELDS, `${at}event`);
  if (!Number.isSafeInteger(maxDataBytes) || maxDataBytes < 0) {
    throw new InputError(
      "INVALID_LIMIT",
      "maxDataBytes",
      `must be whole bytes, got ${shapeOf(maxDataBytes)}`,
    );
  }
  const {
    id = newULID(),
    action,
    traceId,
    cortexId,
    origin,
    data,
    vclock,
  } = input as Record<string, unknown>;
  checkULID(id, "INVALID_ID", `${at}id`);
  if (typeof action !== "string" || !ACTION.test(action)) {
    const problem = `must be 1 to 64 characters of a-z, 0-9 and _, starting with a letter, got ${shapeOf(action)}`;
    throw new InputError("INVALID_ACTION", `${at}action`, problem);
  }
  checkName(traceId, "INVALID_TRACE_ID", `${at}traceId`);
  checkULID(cortexId, "INVALID_CORTEX_ID", `${at}cortexId`);
  checkName(origin, "INVALID_ORIGIN", `${at}origin`);
  const { timestamp = new Date(ulidTime(id)).toISOString() } = input as { timestamp?: unknown };
  checkTimestamp(timestamp, `${at}timestamp`);
  const clock = vclock === undefined ? undefined : checkedClock(vclock, cortexId, `${at}vclock`);
  const json = data === undefined ? null : encodeJson(data, `${at}data`, maxDataBytes);

  const event = { id, action, traceId, cortexId, origin, timestamp } as Event<any>;
  // Not the caller's own object, which may change before the answer comes.
  if (json) event.data = json.copy;
  if (clock) event.vclock = clock;
  return {
    event,
    data: json ? json.text : null,
    vclock: clock ? JSON.stringify(clock) : null,
    counter: clock ? clock[cortexId]! : null,
  };
}

/** The same for an event that must have its id and timestamp: nothing is filled in. */
export function encodeComplete(input: unknown, at: string, limits: EventLimits): EncodedEvent {
  if (typeof input !== "object" || input === null || Array.isArray(input))
    return encodeEvent(input, at, limits);
  const { id = null, timestamp = null } = input as { id?: unknown; timestamp?: unknown };
  return encodeEvent({ ...input, id, timestamp }, at, limits);
}

/** Whether two events with one id are the same event. */
export function sameEvent(a: Event<any>, b: Event<any>): boolean {
  if (a === b) return true;
  return (
    a.id === b.id &&
    a.action === b.action &&
    a.traceId === b.traceId &&
    a.cortexId === b.cortexId &&
    a.origin === b.origin &&
    a.timestamp === b.timestamp &&
    sameJson(a.data, b.data) &&
    sameJson(a.vclock, b.vclock)
  );
}

/**
 * Reads the seed's JSON form: `id`, `action`, `trace_id`, `cortex_id`, `origin`, `timestamp`, and `data` and
 * `vclock` where present. `data: null` is present, and stays apart from an absent one. Nothing is lost: a
 * field that is not part of the form, or a number that JavaScript would round, is refused.
 *
 * @throws InputError as `append` does, and `INVALID_JSON`, `UNKNOWN_FIELD`, `INVALID_NUMBER`; `field` is the
 * name in `Event`.
 */
export function parseEvent<A extends Actions = Action>(json: string, limits: EventLimits = {}): Event<A> {
  const raw = parseJson(json, "event");
  if (!isPlainObject(raw)) {
    throw new InputError("INVALID_EVENT", "event", `must be a JSON object, got ${shapeOf(raw)}`);
  }
  refuseUnknownFields(raw, JSON_FIELDS, "event");
  refuseInexactNumbers(json);
  const { id, action, trace_id: traceId, cortex_id: cortexId, origin, timestamp, data, vclock } = raw;
  const parsed = { id, action, traceId, cortexId, origin, timestamp, data, vclock };
  return encodeComplete(parsed, "", limits).event as unknown as Event<A>;
}

/** Writes the seed's JSON form; `seq` is local and left out. Throws `InputError` as `append` does. */
export function formatEvent<A extends Actions>(
  event: Event<A> | StoredEvent<A>,
  limits: EventLimits = {},
): string {
  const { id, action, traceId, cortexId, origin, timestamp, data, vclock } = encodeComplete(
    event,
    "",
    limits,
  ).event;
  return JSON.stringify({
    id,
    action,
    trace_id: traceId,
    cortex_id: cortexId,
    origin,
    timestamp,
    data,
    vclock,
  });
}

export function checkULID(value: unknown, code: InputErrorCode, field: string): asserts value is string {
  if (!isULID(value)) {
    throw new InputError(code, field, `must be a ULID (26 characters, upper case), got ${shapeOf(value)}`);
  }
}

export function checkName(value: unknown, code: InputErrorCode, field: string): asserts value is string {
  if (typeof value !== "string" || value.length === 0 || value.length > MAX_NAME) {
    throw new InputError(code, field, `must be text of 1 to ${MAX_NAME} characters, got ${shapeOf(value)}`);
  }
  if (!isStorableText(value)) throw new InputError(code, field, "holds a NUL or a lone surrogate");
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

export function refuseUnknownFields(input: object, known: ReadonlySet<string>, field: string): void {
  for (const key of Object.keys(input)) {
    if (!known.has(key)) throw new InputError("UNKNOWN_FIELD", field, "has a field that no event has");
  }
}
