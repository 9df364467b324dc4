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
import { checkULID } from "../field.js";
import { InputError, isRecord, reading, shapeOf } from "../input-error.js";
import { type StandardSchema, validate } from "./standard-schema.js";

type Stamped = "id" | "cortexId" | "origin" | "timestamp" | "vclock";
type WithoutStamps<E> = E extends unknown ? Omit<E, Stamped> : never;

/** A change to record. The cortex stamps the rest. */
export type Mutation<A extends Actions = Action> = WithoutStamps<NewEvent<A>> & {
  /** The id that must be the trace's greatest, or "none" for a new trace. */
  expect?: string;
};

/** A valid mutation, as an event that lacks its stamps. */
export interface Prepared {
  encoded: EncodedEvent;
  expect: string | undefined;
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

/** Validates a mutation; `at` prefixes its fields in errors. */
export function prepare(input: unknown, writer: Writer, timestamp: string, at: string): Prepared {
  return reading(`${at}event`, () => {
    if (!isRecord(input)) {
      throw new InputError("INVALID_EVENT", `${at}event`, `must be an object, got ${shapeOf(input)}`);
    }
    refuseUnknownFields(input, FIELDS, `${at}event`);
    const mutation = input as unknown as Mutation<any> & { data?: unknown };
    const { expect, data: given, action, traceId, actor, meta, idempotencyKey } = mutation;
    if (expect !== undefined && expect !== "none") checkULID(expect, "INVALID_EXPECT", `${at}expect`);
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
    return { encoded: encodeEvent(event, at, limits), expect };
  });
}
