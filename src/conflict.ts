import { sql } from "drizzle-orm";
import type { Database } from "./database.js";
import { type EncodedEvent, type Event, type StoredEvent, sameEvent } from "./event.js";
import { MAX_CLOCK_ENTRIES } from "./field.js";
import type { EventsTable } from "./schema.js";
import { selectAll } from "./select.js";
import type { Steps } from "./steps.js";

/** Every `code` of a `ConflictError`. */
export const conflictErrorCodes = [
  "ID_CONFLICT",
  "KEY_CONFLICT",
  "FORK",
  "GAP",
  "BROKEN_CHAIN",
  "SIGNATURE",
  "TOO_MANY_CORTEXES",
] as const;

export type ConflictErrorCode = (typeof conflictErrorCodes)[number];

/**
 * The log does not take the event. Nothing was written.
 * - `ID_CONFLICT`, `KEY_CONFLICT`, `FORK`: it holds another event under the same id, for the same idempotency key, or
 *   under the same cortex and counter.
 * - `GAP`: it lacks what the event builds on: the cortex's event before it, or one that its clock has counted.
 * - `BROKEN_CHAIN`, `SIGNATURE`, on `accept`: the event was altered or comes after another history of its cortex than
 *   the log's; `verify` says no.
 * - `TOO_MANY_CORTEXES`: it is of the 257th cortex; on `accept` of the 256th, a place that is left to one that writes
 *   here.
 *
 * `id` and `cortexId` are the refused event's, `existingId` is that of the one in the log or in the same batch. An id
 * that was yet to be made is undefined.
 */
export class ConflictError extends Error {
  override readonly name = "ConflictError";

  constructor(
    readonly code: ConflictErrorCode,
    readonly id: string | undefined,
    readonly cortexId: string,
    readonly existingId?: string,
    /** Of a `FORK` between two logs: the last counter at which they hold the same of the cortex. */
    readonly agreed?: number,
  ) {
    super(agreed === undefined ? CONFLICTS[code](id, existingId) : forkOf(cortexId, agreed));
  }
}

const forkOf = (cortexId: string, agreed: number) =>
  `Cortex ${cortexId} has two histories, which part after its event ${agreed}.`;

const CONFLICTS: Record<ConflictErrorCode, (id?: string, existingId?: string) => string> = {
  ID_CONFLICT: (id) => `Another event has the id ${id}.`,
  KEY_CONFLICT: () => "Another event has this idempotency key and says another thing.",
  FORK: (id, existingId) =>
    id === existingId
      ? `Event ${id} comes with another hash than the log holds for it.`
      : `Event ${id} has the cortex and counter of event ${existingId}.`,
  GAP: (id) => `Event ${id} builds on an event that the log does not hold.`,
  BROKEN_CHAIN: (id) =>
    `Event ${id} is not as its proof says, or does not come after what the log holds of its cortex.`,
  SIGNATURE: (id) => `Event ${id} is not signed by its cortex.`,
  TOO_MANY_CORTEXES: (id) =>
    id === undefined
      ? `The log counts ${MAX_CLOCK_ENTRIES} cortexes, as many as a clock can: does a node open its cortex by a new id each time?`
      : `Event ${id} is of a cortex more than the log can count.`,
};

/** Where to look for stored events: by their ids, by (cortex, counter), by the idempotency keys of any cortex. */
interface Places {
  ids?: readonly string[];
  counters?: readonly (readonly [cortexId: string, counter: number])[];
  keys?: readonly string[];
  /** Whether the events are to have their proofs. */
  proofs?: boolean;
}

/** What the log holds in these places, in the order of seq. */
export function* findStored(
  db: Database,
  table: EventsTable<any>,
  { ids = [], counters = [], keys = [], proofs = false }: Places,
): Steps<StoredEvent<any>[]> {
  const lists: [list: readonly unknown[], on: string][] = [
    [ids, "e.id = value"],
    [counters, "e.cortex_id = value->>0 and e.counter = value->>1"],
    [keys, "e.idempotency_key = value"],
  ];
  const found = lists
    .filter(([list]) => list.length > 0)
    .map(([list, on]) => {
      return sql`select e.seq from json_each(${JSON.stringify(list)}) cross join ${table} as e on ${sql.raw(on)}`;
    });
  if (found.length === 0) return [];
  const filters = [sql`seq in (${sql.join(found, sql` union all `)})`];
  return yield* selectAll(db, { table, filters, key: "seq", order: "asc", proofs });
}

/** What the log holds in the place of any of these events. */
export function* findClashes(
  db: Database,
  table: EventsTable<any>,
  batch: readonly EncodedEvent[],
  proofs = false,
): Steps<StoredEvent<any>[]> {
  return yield* findStored(db, table, {
    proofs,
    ids: batch.map(({ event }) => event.id),
    counters: batch.flatMap(({ event, counter }) => (counter === null ? [] : [[event.cortexId, counter]])),
    keys: batch.flatMap(({ event }) => event.idempotencyKey ?? []),
  });
}

/** The place of an event with a clock: no two events share one. */
export function placeOf({ cortexId, vclock }: Event<any>): string | undefined {
  return vclock && `${cortexId} ${vclock[cortexId]}`;
}

/** Throws unless each event has an id and a place of its own; the same event may be there twice. */
export function refuseConflicts(events: readonly Event<any>[]): void {
  if (events.length === 1) return;
  const byId = new Map<string, Event<any>>();
  const byPlace = new Map<string, string>();
  for (const event of events) {
    const { id, cortexId } = event;
    const twin = byId.get(id);
    if (twin && !sameEvent(twin, event)) throw new ConflictError("ID_CONFLICT", id, cortexId, id);
    byId.set(id, event);
    const place = placeOf(event);
    if (place === undefined) continue;
    const holder = byPlace.get(place) ?? id;
    if (holder !== id) throw new ConflictError("FORK", id, cortexId, holder);
    byPlace.set(place, id);
  }
}
