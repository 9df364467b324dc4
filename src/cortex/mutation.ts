import { checkTotal } from "../append.js";
import {
  type Action,
  type Actions,
  type EncodedEvent,
  type EventLimits,
  encodeEvent,
  type NewEvent,
  refuseUnknownFields,
  UNMINTED,
} from "../event.js";
import { entriesOf, InputError, isArray, isRecord, reading, shapeOf } from "../input-error.js";
import { type StandardSchema, validate } from "./standard-schema.js";

type Stamped = "id" | "cortexId" | "origin" | "timestamp" | "vclock";
type WithoutStamps<E> = E extends unknown ? Omit<E, Stamped> : never;

/** A change to record. The cortex stamps the rest. */
export type Mutation<A extends Actions = Action> = WithoutStamps<NewEvent<A>> & {
  /**
   * The seq of the trace's last event to arrive in this log, or "none" for a new trace: whatever has come since is
   * `STALE_HEAD`. In a batch only for a trace's first mutation.
   */
  expect?: number | "none";
};

/** A valid mutation, as an event that lacks its stamps. */
export interface Prepared {
  encoded: EncodedEvent;
  expect: number | "none" | undefined;
  /** What prefixes its fields in errors. */
  at: string;
}

export type Schemas = { readonly [action: string]: StandardSchema };

/** What a cortex gives every mutation of an append. */
interface Writer {
  cortexId: string;
  origin: string;
  schemas: Schemas | undefined;
  limits: EventLimits;
}

const FIELDS: ReadonlySet<string> = new Set([
  ...["action", "traceId", "actor", "data", "meta", "idempotencyKey", "expect"],
]);

function checkExpect(expect: unknown, field: string): void {
  if (expect === "none" || (Number.isSafeInteger(expect) && (expect as number) >= 1)) return;
  throw new InputError("INVALID_EXPECT", field, `must be a seq or "none", got ${shapeOf(expect)}`);
}

/** Validates the mutations of an append, one or a list. */
export function prepareAll(input: unknown, writer: Writer, time: number): Prepared[] {
  const timestamp = new Date(time).toISOString();
  if (!isArray(input)) return [prepare(input, writer, timestamp, "")];
  const batch = entriesOf(input, "events", "BATCH_TOO_LARGE").map((one, i) =>
    prepare(one, writer, timestamp, `events[${i}].`),
  );
  checkTotal(batch.map(({ encoded }) => encoded));
  return batch;
}

/** Validates a mutation; `at` prefixes its fields in errors. */
function prepare(input: unknown, writer: Writer, timestamp: string, at: string): Prepared {
  return reading(`${at}event`, () => {
    if (!isRecord(input)) {
      throw new InputError("INVALID_EVENT", `${at}event`, `must be an object, got ${shapeOf(input)}`);
    }
    refuseUnknownFields(input, FIELDS, `${at}event`);
    const mutation = input as unknown as Mutation<any> & { data?: unknown };
    const { expect, data: given, action, traceId, actor, meta, idempotencyKey } = mutation;
    if (expect !== undefined) checkExpect(expect, `${at}expect`);
    const { cortexId, origin, schemas, limits } = writer;
    const schema = schemas && Object.hasOwn(schemas, action) ? schemas[action] : undefined;
    const data = schema ? validate(schema, given, `${at}data`) : given;
    const event = {
      id: UNMINTED,
      action,
      traceId,
      cortexId,
      origin,
      timestamp,
      actor,
      data,
      meta,
      idempotencyKey,
    };
    return { encoded: encodeEvent(event, at, limits), expect, at };
  });
}
