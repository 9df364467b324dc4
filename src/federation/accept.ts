import { checkTotal } from "../append.js";
import { readClock } from "../clock.js";
import { ConflictError, findClashes, placeOf } from "../conflict.js";
import { checkTransaction, type Result, type Transaction } from "../database.js";
import { type DriftOptions, driftBound } from "../drift.js";
import {
  type Action,
  type Actions,
  type EncodedEvent,
  type Event,
  type EventLimits,
  encodeComplete,
  type StoredEvent,
  sameEvent,
} from "../event.js";
import { MAX_CLOCK_ENTRIES } from "../field.js";
import { checkedOptions, entriesOf, InputError, isArray, shapeOf } from "../input-error.js";
import { insertForeign } from "../insert.js";
import type { EventsTable } from "../schema.js";
import { inTurn, type Steps } from "../steps.js";
import { tableOf } from "../table.js";

export interface AcceptOptions<A extends Actions = Action> extends EventLimits {
  /** Default `events`. */
  table?: EventsTable<A>;
  /** Milliseconds since 1970, a whole number. Default `Date.now`. */
  now?: () => number;
  /** How far ahead of `now` an id may be and not be reported, in milliseconds. Default 5 minutes. */
  maxDrift?: number;
}

export interface Accepted<A extends Actions = Action> {
  event: StoredEvent<A>;
  outcome: "stored" | "duplicate";
  /** Whether the id is too far ahead of the clock to be followed by a cortex. */
  drifted: boolean;
}

/**
 * Takes events from a peer into the log: all or none, in the order given, which must be causal. An event that
 * is there already is a `duplicate`, so pages may overlap, come twice or from several peers.
 *
 * Nothing is trusted. An event must be as valid as for `append` and have a clock (`NO_CLOCK`); it must be its
 * cortex's next one and everything its clock has counted must be there (`GAP`). A clock counts 256 cortexes, and
 * the last place is for a cortex that writes here: what would be the log's 256th is refused
 * (`TOO_MANY_CORTEXES`).
 *
 * @throws InputError synchronously, before any SQL runs.
 * @throws ConflictError `GAP`, `FORK`, `ID_CONFLICT`, `TOO_MANY_CORTEXES`. Nothing was written.
 */
export function accept<X extends Transaction, A extends Actions = Action>(
  tx: X,
  page: readonly Event<NoInfer<A>>[],
  options?: AcceptOptions<A>,
): Result<X, Accepted<A>[]> {
  checkTransaction(tx);
  if (!isArray(page)) {
    throw new InputError("INVALID_EVENT", "page", `must be an array, got ${shapeOf(page)}`);
  }
  const { table, now, maxDrift, ...limits } = checkedOptions(options);
  const batch = entriesOf(page, "events", "BATCH_TOO_LARGE").map((event, i) =>
    encodeForeign(event, `events[${i}].`, limits),
  );
  checkTotal(batch);
  const bound = driftBound({ now, maxDrift } as DriftOptions);
  return inTurn(tx, () => acceptAll(tx, tableOf({ table }), batch, bound));
}

/** Told of each event that is refused; what it throws ends the whole page. */
type Refuse = (error: ConflictError) => void;

const refuseAll: Refuse = (error) => {
  throw error;
};

/**
 * The same for events that `encodeForeign` has validated; `bound` is the greatest id that has not drifted. With a
 * `refuse` that throws nothing, a refused event costs what comes after it in its cortex and what builds on it, and
 * the answer is about the others.
 */
export function* acceptAll(
  tx: Transaction,
  table: EventsTable<any>,
  batch: readonly EncodedEvent[],
  bound: string,
  refuse: Refuse = refuseAll,
): Steps<Accepted<any>[]> {
  const known = yield* readClock(tx, table);
  const existing = yield* findClashes(tx, table, batch);
  const { taken, fresh } = sift(batch, existing, new Map(Object.entries(known)), refuse);
  const inserted = yield* insertForeign(tx, table, fresh);
  const stored = new Map([...existing, ...inserted].map((event) => [event.id, event]));
  const added = new Set(inserted.map(({ id }) => id));
  return taken.map(({ event: { id } }): Accepted<any> => {
    // The second time in one page it is a duplicate.
    const outcome = added.delete(id) ? "stored" : "duplicate";
    return { event: stored.get(id)!, outcome, drifted: id > bound };
  });
}

/** Validates an event from a peer. */
export function encodeForeign(event: unknown, at: string, limits: EventLimits): EncodedEvent {
  const encoded = encodeComplete(event, at, limits);
  if (!encoded.event.vclock)
    throw new InputError("NO_CLOCK", `${at}vclock`, "is missing: the event is local to its log");
  return encoded;
}

/** The events that the log takes or has, and of these the fresh ones, which it does not have yet. */
function sift(
  batch: readonly EncodedEvent[],
  existing: readonly StoredEvent<any>[],
  known: Map<string, number>,
  refuse: Refuse,
): { taken: EncodedEvent[]; fresh: EncodedEvent[] } {
  const isFresh = judge(existing, known);
  const refused = new Set<string>();
  const fresh: EncodedEvent[] = [];
  const taken = batch.filter((encoded) => {
    const { cortexId } = encoded.event;
    if (refused.has(cortexId)) return false;
    try {
      if (isFresh(encoded)) fresh.push(encoded);
      return true;
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      refused.add(cortexId);
      refuse(error);
      return false;
    }
  });
  return { taken, fresh };
}

/** Whether the log lacks an event, asked in the order of the page; throws for one that it cannot take. */
function judge(
  existing: readonly StoredEvent<any>[],
  known: Map<string, number>,
): (encoded: EncodedEvent) => boolean {
  const byId = new Map<string, Event<any>>(existing.map((event) => [event.id, event]));
  const byPlace = new Map(existing.map((event) => [placeOf(event), event.id]));
  const byKey = new Map(existing.map((event) => [keyOf(event), event.id]));
  return ({ event, counter }) => {
    const { id, cortexId, vclock } = event;
    const twin = byId.get(id);
    if (twin && !sameEvent(twin, event)) throw new ConflictError("ID_CONFLICT", id, cortexId, id);
    if (twin) return false;
    const holder = byPlace.get(placeOf(event));
    if (holder !== undefined) throw new ConflictError("FORK", id, cortexId, holder);
    const answer = keyOf(event) && byKey.get(keyOf(event));
    if (answer) throw new ConflictError("KEY_CONFLICT", id, cortexId, answer);
    // The last place stays free, so that no peer can keep a local cortex from its first event.
    if (!known.has(cortexId) && known.size >= MAX_CLOCK_ENTRIES - 1) {
      throw new ConflictError("TOO_MANY_CORTEXES", id, cortexId);
    }
    const next = (known.get(cortexId) ?? 0) + 1;
    const countsKnown = ([cause, count]: [string, number]) => count <= (known.get(cause) ?? 0);
    const causes = Object.entries(vclock!).filter(([cause]) => cause !== cortexId);
    if (counter !== next || !causes.every(countsKnown)) throw new ConflictError("GAP", id, cortexId);
    known.set(cortexId, next);
    byId.set(id, event);
    byPlace.set(placeOf(event), id);
    byKey.set(keyOf(event), id);
    return true;
  };
}

/** A cortex answers a request once; another one may have answered it, too. */
function keyOf({ cortexId, idempotencyKey }: Event<any>): string | undefined {
  return idempotencyKey === undefined ? undefined : `${cortexId} ${idempotencyKey}`;
}
