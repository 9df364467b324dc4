import { checkAction, checkedClock, checkName, checkProof, checkTimestamp, checkULID } from "./field.js";
import { InputError, isRecord, reading, shapeOf } from "./input-error.js";
import { encodeJson, isPlainObject, sameJson } from "./json.js";
import { newULID, ulidTime } from "./ulid.js";
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
      /** 1 to 128 characters: a letter, then letters, digits and `_.:/-`. */
      action: K;
      /** The entity that was changed: 1 to 255 characters. */
      traceId: string;
      /** ULID: the stable identity of the node that made the change. */
      cortexId: string;
      /** That node's display name when it wrote: 1 to 255 characters. For people, never for identity. */
      origin: string;
      /** Who made the change, such as a user or a job: 1 to 255 characters. */
      actor?: string;
      /** RFC 3339 in UTC, kept to the letter, with up to nine digits of a second. */
      timestamp: string;
      /** About the change, not of it: request, correlation, causation, reason. At most 16 KiB as JSON. */
      meta?: Meta;
      /** What the node knew when it wrote, its own entry counting this event. At most 256 entries. */
      vclock?: VectorClock;
      /** The same for every retry of one request: 1 to 255 characters, unique per cortex. */
      idempotencyKey?: string;
      /** On an event for a peer: what `accept` verifies it by. Made by the log, and not read for others. */
      proof?: string;
    } & (undefined extends DataOf<A, K> ? { data?: DataOf<A, K> } : { data: DataOf<A, K> })
  : never;

/** A JSON object: see `Event`. */
export type Meta = Readonly<Record<string, unknown>>;

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

type WithoutProof<T> = T extends unknown ? Omit<T, "proof"> : never;

/** An event to append. `id` defaults to `newULID()`, `timestamp` to the time in the id. */
export type NewEvent<A extends Actions = Action> = Optional<WithoutProof<Event<A>>, "id" | "timestamp">;

export interface EventLimits {
  /** The most bytes that `data` may have as JSON in UTF-8, at most 128 MiB. Default 1 MiB. */
  maxDataBytes?: number;
}

/** A valid event with its JSON columns as text. */
export interface EncodedEvent {
  /** Without its proof. */
  event: Event<any>;
  /** That of a peer's event, or the one that this log has made. */
  proof: string | null;
  data: string | null;
  meta: string | null;
  vclock: string | null;
  counter: number | null;
  /** See the column. */
  branched?: boolean;
}

/** Stands for the id that an event is yet to get. */
export const UNMINTED = "0".repeat(26);
const MAX_META_BYTES = 2 ** 14;
const DEFAULT_DATA_BYTES = 2 ** 20;
/** The longest text that a payload, or a batch of events, may come to: escaped it doubles, and 2^29 is too long. */
export const MAX_TEXT = 2 ** 27;
/** Every field of an event but its proof. */
export const EVENT_FIELDS = [
  ...["id", "action", "traceId", "cortexId", "origin", "actor", "timestamp"],
  ...["data", "meta", "vclock", "idempotencyKey"],
] as const;
const FIELDS: ReadonlySet<string> = new Set(["seq", "proof", ...EVENT_FIELDS]);

/** Validates everything, fills in the defaults and encodes; `at` prefixes the field in errors. */
export function encodeEvent(input: unknown, at: string, limits: EventLimits): EncodedEvent {
  return reading(`${at}event`, () => {
    const encoded = encode(input, at, limits);
    if (encoded.proof === null) return encoded;
    throw new InputError(
      "INVALID_PROOF",
      `${at}proof`,
      "is made by the log: take a peer's event by `accept`",
    );
  });
}

function encode(
  input: unknown,
  at: string,
  { maxDataBytes = DEFAULT_DATA_BYTES }: EventLimits,
): EncodedEvent {
  checkObject(input, `${at}event`);
  refuseUnknownFields(input, FIELDS, `${at}event`);
  checkMaxDataBytes(maxDataBytes);
  const {
    id = newULID(),
    action,
    traceId,
    cortexId,
    origin,
    actor,
    data,
    meta,
    vclock,
    idempotencyKey,
    proof,
  } = input;
  checkULID(id, "INVALID_ID", `${at}id`);
  checkAction(action, `${at}action`);
  checkName(traceId, "INVALID_TRACE_ID", `${at}traceId`);
  checkULID(cortexId, "INVALID_CORTEX_ID", `${at}cortexId`);
  checkName(origin, "INVALID_ORIGIN", `${at}origin`);
  if (actor !== undefined) checkName(actor, "INVALID_ACTOR", `${at}actor`);
  if (idempotencyKey !== undefined) {
    checkName(idempotencyKey, "INVALID_IDEMPOTENCY_KEY", `${at}idempotencyKey`);
  }
  const { timestamp = new Date(ulidTime(id)).toISOString() } = input;
  checkTimestamp(timestamp, `${at}timestamp`);
  const clock = vclock === undefined ? undefined : checkedClock(vclock, cortexId, `${at}vclock`);
  if (proof !== undefined) {
    checkProof(proof, `${at}proof`);
    if (!clock) throw new InputError("NO_CLOCK", `${at}vclock`, "is missing beside a proof");
  }
  const json = data === undefined ? undefined : encodeJson(data, `${at}data`, maxDataBytes);
  const about = meta === undefined ? undefined : encodeMeta(meta, `${at}meta`);

  const event = { id, action, traceId, cortexId, origin, timestamp } as Event<any>;
  if (actor !== undefined) event.actor = actor;
  // Not the caller's own objects, which may change before the answer comes.
  if (json) event.data = json.copy;
  if (about) event.meta = about.copy as Meta;
  if (clock) event.vclock = clock;
  if (idempotencyKey !== undefined) event.idempotencyKey = idempotencyKey;
  return {
    event,
    proof: proof ?? null,
    data: json ? json.text : null,
    meta: about ? about.text : null,
    vclock: clock ? JSON.stringify(clock) : null,
    counter: clock ? clock[cortexId]! : null,
  };
}

function encodeMeta(meta: unknown, field: string) {
  const about = encodeJson(meta, field, MAX_META_BYTES, "META");
  if (isPlainObject(about.copy)) return about;
  throw new InputError("INVALID_META", field, `must be a plain object, got ${shapeOf(meta)}`);
}

/** The same for an event that must have its id and timestamp: nothing is filled in. */
export function encodeComplete(input: unknown, at: string, limits: EventLimits): EncodedEvent {
  return reading(`${at}event`, () => {
    checkObject(input, `${at}event`);
    const { id = null, timestamp = null } = input;
    return encode({ ...input, id, timestamp }, at, limits);
  });
}

/** Whether two events with one id are the same event. */
export function sameEvent(a: Event<any>, b: Event<any>): boolean {
  return (
    a === b ||
    (EVENT_FIELDS.every((field) => a[field] === b[field] || PAYLOADS.has(field)) &&
      sameJson(a.data, b.data) &&
      sameJson(a.meta, b.meta) &&
      sameJson(a.vclock, b.vclock))
  );
}

const PAYLOADS: ReadonlySet<string> = new Set(["data", "meta", "vclock"]);

function checkObject(input: unknown, field: string): asserts input is Record<string, unknown> {
  if (!isRecord(input)) {
    throw new InputError("INVALID_EVENT", field, `must be an object, got ${shapeOf(input)}`);
  }
}

export function checkMaxDataBytes(value: unknown): void {
  if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > MAX_TEXT) {
    const problem = `must be a whole number of bytes up to ${MAX_TEXT}, got ${shapeOf(value)}`;
    throw new InputError("INVALID_MAX_DATA_BYTES", "maxDataBytes", problem);
  }
}

export function refuseUnknownFields(input: object, known: ReadonlySet<string>, field: string): void {
  for (const key of Object.keys(input)) {
    if (!known.has(key)) throw new InputError("UNKNOWN_FIELD", field, "is not a known field", [key]);
  }
}
