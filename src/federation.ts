import { sql } from "drizzle-orm";
import { assertTransaction, ConflictError, findClashes, insertForeign } from "./append.js";
import { clock } from "./clock.js";
import { andThen, type Database, inTurn, type Result, type Transaction } from "./database.js";
import {
  type Action,
  type Actions,
  checkULID,
  type EncodedEvent,
  type Event,
  type EventLimits,
  encodeComplete,
  MAX_CLOCK_ENTRIES,
  type StoredEvent,
  sameEvent,
} from "./event.js";
import { InputError, shapeOf } from "./input-error.js";
import { isPlainObject } from "./json.js";
import { checkLimit, type ReadOptions, selectEvents } from "./read.js";
import { type EventsTable, events } from "./schema.js";
import { driftBound } from "./ulid.js";
import { counterOf, type VectorClock } from "./vector-clock.js";

export interface MissingOptions<A extends Actions = Action> extends ReadOptions<A> {
  /** The most events in a page. Default 1,000. */
  limit?: number;
}

export interface AcceptOptions<A extends Actions = Action> extends EventLimits {
  /** Default `events`. */
  table?: EventsTable<A>;
  /** Default `Date.now`. */
  clock?: () => number;
  /** How far ahead of `clock` an id may be and not be reported, in milliseconds. Default 5 minutes. */
  maxDrift?: number;
}

export interface Accepted<A extends Actions = Action> {
  event: StoredEvent<A>;
  outcome: "stored" | "duplicate";
  /** Whether the id is too far ahead of the clock to be followed by a cortex. */
  drifted: boolean;
}

// A page is made and sent as one text: at 1 MiB of data an event, a thousand would be longer than text can be.
const PAGE_SIZE = 2 ** 24;

/**
 * The events that a log with this clock lacks, causes before effects, at most `limit` and 16 MiB or so. The
 * next page is the answer to the clock that the receiver has after accepting this one. Events without a clock
 * are local: they are never among them. Anti-entropy by version vectors, as in Bayou (Petersen et al.,
 * "Flexible Update Propagation for Weakly Consistent Replication", 1997).
 *
 * @throws InputError `INVALID_VCLOCK`, `INVALID_LIMIT`.
 */
export function missing<D extends Database, A extends Actions = Action>(
  db: D,
  theirClock: VectorClock,
  { limit = 1000, table = events as unknown as EventsTable<A> }: MissingOptions<A> = {},
): Result<D, StoredEvent<A>[]> {
  checkLimit(limit);
  checkKnown(theirClock);
  return andThen(clock(db, { table }) as VectorClock, (ours) => {
    const gaps = Object.entries(ours).flatMap(([id, counter]) => {
      const known = counterOf(theirClock, id);
      return known < counter ? [[id, known, known + limit]] : [];
    });
    // A cortex's counters are dense and arrive in order, so no page holds more than `limit` of each; and what
    // an event builds on arrived before it, so the order of arrival is causal.
    const inGaps = sql`seq in (
      select seq from (
        select page.seq, sum(length(e.data)) over (
          order by page.seq rows between unbounded preceding and 1 preceding
        ) as size from (
          select lacked.seq from json_each(${JSON.stringify(gaps)}) as gap cross join ${table} as lacked
          on lacked.cortex_id = gap.value->>0 and lacked.counter > gap.value->>1 and lacked.counter <= gap.value->>2
          order by lacked.seq limit ${limit}
        ) as page cross join ${table} as e on e.seq = page.seq
      ) where size is null or size < ${PAGE_SIZE})`;
    return selectEvents(db, table, inGaps, sql`seq`);
  }) as never;
}

/**
 * Takes events from a peer into the log: all or none, in the order given, which must be causal. An event that
 * is there already is a `duplicate`, so pages may overlap, come twice or from several peers.
 *
 * Nothing is trusted. An event must be as valid as for `append` and have a clock (`NO_CLOCK`); it must be its
 * cortex's next one and everything its clock has counted must be there (`GAP`). A log takes 255 cortexes from
 * peers (`TOO_MANY_CORTEXES`), so that its own can still count them all.
 *
 * @throws InputError synchronously, before any SQL runs.
 * @throws ConflictError `GAP`, `FORK`, `ID_CONFLICT`, `TOO_MANY_CORTEXES`. Nothing was written.
 */
export function accept<X extends Transaction, A extends Actions = Action>(
  tx: X,
  page: readonly Event<NoInfer<A>>[],
  options: AcceptOptions<A> = {},
): Result<X, Accepted<A>[]> {
  assertTransaction(tx);
  if (!Array.isArray(page))
    throw new InputError("INVALID_EVENT", "page", `must be an array, got ${shapeOf(page)}`);
  const batch = Array.from(page, (event, i) => encodeForeign(event, `events[${i}].`, options));
  return acceptEncoded(tx, batch, options) as never;
}

/** The same for events that `encodeForeign` has validated. */
export function acceptEncoded<A extends Actions>(
  tx: Transaction,
  batch: readonly EncodedEvent[],
  options: AcceptOptions<A>,
): Accepted<A>[] | PromiseLike<Accepted<A>[]> {
  const { table = events as unknown as EventsTable<A>, clock: now = Date.now, maxDrift } = options;
  const bound = driftBound(now(), maxDrift);
  const ids = batch.map(({ event }) => event.id);
  return inTurn(tx, () =>
    andThen(clock(tx, { table }) as VectorClock, (known) =>
      andThen(findClashes(tx, table, batch, ids), (existing) => {
        const fresh = refuseForeign(batch, existing, new Map(Object.entries(known)));
        return andThen(insertForeign(tx, table, fresh), (inserted) => {
          const stored = new Map([...existing, ...inserted].map((event) => [event.id, event]));
          const added = new Set(inserted.map(({ id }) => id));
          return batch.map(({ event: { id } }): Accepted<any> => {
            // The second time in one page it is a duplicate.
            const outcome = added.delete(id) ? "stored" : "duplicate";
            return { event: stored.get(id)!, outcome, drifted: id > bound };
          });
        });
      }),
    ),
  );
}

/** Validates an event from a peer. */
export function encodeForeign(event: Event<any>, at: string, limits: EventLimits): EncodedEvent {
  const encoded = encodeComplete(event, at, limits);
  if (!encoded.event.vclock)
    throw new InputError("NO_CLOCK", `${at}vclock`, "is missing: the event is local to its log");
  return encoded;
}

/** The events of a page that are not in the log yet; throws unless all of them can be. */
function refuseForeign(
  batch: readonly EncodedEvent[],
  existing: readonly StoredEvent<any>[],
  known: Map<string, number>,
): EncodedEvent[] {
  const place = (event: Event<any>) => `${event.cortexId} ${event.vclock![event.cortexId]}`;
  const byId = new Map<string, Event<any>>(existing.map((event) => [event.id, event]));
  const byPlace = new Map(existing.filter(({ vclock }) => vclock).map((event) => [place(event), event.id]));
  return batch.filter(({ event, counter }) => {
    const { id, cortexId, vclock } = event;
    const twin = byId.get(id);
    if (twin && !sameEvent(twin, event)) throw new ConflictError("ID_CONFLICT", id, cortexId, id);
    if (twin) return false;
    const holder = byPlace.get(place(event));
    if (holder !== undefined) throw new ConflictError("FORK", id, cortexId, holder);
    // One entry stays free, so that no peer can keep a local cortex from its first event.
    if (!known.has(cortexId) && known.size >= MAX_CLOCK_ENTRIES - 1) {
      throw new ConflictError("TOO_MANY_CORTEXES", id, cortexId);
    }
    known.set(cortexId, (known.get(cortexId) ?? 0) + 1);
    const grounded = Object.entries(vclock!).every(([cause, count]) => count <= (known.get(cause) ?? 0));
    if (!grounded || known.get(cortexId) !== counter) throw new ConflictError("GAP", id, cortexId);
    byId.set(id, event);
    byPlace.set(place(event), id);
    return true;
  });
}

/** A clock as a peer states it: a counter may be 0, and there is no bound but the size of a request. */
export function checkKnown(clock: unknown): void {
  if (!isPlainObject(clock)) {
    throw new InputError("INVALID_VCLOCK", "theirClock", `must be a plain object, got ${shapeOf(clock)}`);
  }
  for (const [id, counter] of Object.entries(clock) as [string, number][]) {
    checkULID(id, "INVALID_VCLOCK", "theirClock's key");
    if (!Number.isSafeInteger(counter) || counter < 0) {
      const shape = shapeOf(counter);
      throw new InputError(
        "INVALID_VCLOCK",
        `theirClock.${id}`,
        `must be a whole number from 0, got ${shape}`,
      );
    }
  }
}
