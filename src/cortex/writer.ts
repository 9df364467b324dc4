import type { LastEvent } from "../atomic-batch.js";
import { checkDrift } from "../drift.js";
import {
  type Action,
  type Actions,
  checkMaxDataBytes,
  type Event,
  type EventLimits,
  type StoredEvent,
} from "../event.js";
import { checkName, checkULID } from "../field.js";
import { addRequest, answerTo, type Requests } from "../idempotency.js";
import { checkedOptions, checkFunction, InputError, shapeOf } from "../input-error.js";
import type { EventsTable } from "../schema.js";
import { tableOf } from "../table.js";
import { checkedSource, type ULIDSource } from "../ulid.js";
import type { Prepared, Schemas } from "./mutation.js";
import { signing } from "./signing.js";
import { checkSchemas } from "./standard-schema.js";

export interface CortexOptions<A extends Actions = Action, S extends Schemas = Schemas>
  extends ULIDSource,
    EventLimits {
  /** ULID: the cortex's identity, made once and kept: a log counts 256. One node, one id; its processes may share it. */
  id: string;
  /** Its display name. */
  origin: string;
  /** How far ahead of `now` an id in the log may be and still be followed, in milliseconds. Default 5 minutes. */
  maxDrift?: number;
  /** Default `events`. */
  table?: EventsTable<A>;
  /** A Standard Schema validator per action; its output is what is stored. */
  schemas?: S;
  /** Whether to refuse actions that the trace's state does not allow. Default false. */
  lifecycle?: boolean;
  /**
   * Signs the hash of each event, so that others know it even from a relay that they do not trust: see `verify` of
   * `accept`. Answers at once with 1 to 5,000 characters of `A-Za-z0-9_-`, such as base64url.
   */
  sign?: (hash: string) => string;
}

export type Writer = ReturnType<typeof checkedWriter>;

/** What a cortex keeps between appends, of the log that it wrote to last. */
export interface Memory {
  own: OwnEvent | undefined;
}

/** The last event of this cortex, if it knew the whole log and had the greatest id. */
export interface OwnEvent extends LastEvent {
  /** As text, which no caller can change. */
  vclock: string;
  hash: string;
  /** Whether the look-up before found no other writer's event: where they take turns, trying is in vain. */
  alone: boolean;
}

export function checkedWriter(options: CortexOptions<any, Schemas>) {
  const {
    id,
    origin,
    now,
    randomness,
    maxDrift,
    schemas,
    lifecycle = false,
    sign,
    table,
    maxDataBytes,
  } = checkedOptions<CortexOptions<any, Schemas>>(options ?? null);
  checkULID(id, "INVALID_CORTEX_ID", "id");
  checkName(origin, "INVALID_ORIGIN", "origin");
  checkDrift(maxDrift);
  if (maxDataBytes !== undefined) checkMaxDataBytes(maxDataBytes);
  if (typeof lifecycle !== "boolean") {
    throw new InputError(
      "INVALID_LIFECYCLE",
      "lifecycle",
      `must be true or false, got ${shapeOf(lifecycle)}`,
    );
  }
  checkSchemas(schemas);
  if (sign !== undefined) checkFunction(sign, "INVALID_FUNCTION", "sign");
  const source = checkedSource({ now, randomness } as ULIDSource);
  const limits: EventLimits = maxDataBytes === undefined ? {} : { maxDataBytes };
  return {
    ...{ cortexId: id, origin, ...source, maxDrift, schemas, lifecycle, limits },
    ...{ sign: sign && signing(sign), table: tableOf({ table }) },
  };
}

/** What answers each mutation, an event of the log or of the batch itself, and those that are to be stored. */
export function settle(batch: readonly Prepared[], existing: readonly StoredEvent<any>[]) {
  const requests: Requests = new Map();
  for (const event of existing) addRequest(requests, event);
  const fresh: Prepared[] = [];
  const answers = batch.map((prepared): Event<any> => {
    const { event } = prepared.encoded;
    const answer = answerTo(requests, event);
    if (answer) return answer;
    addRequest(requests, event);
    fresh.push(prepared);
    return event;
  });
  return { answers, fresh };
}
