import { sql } from "drizzle-orm";
import { checkDatabase, type Database, type Result } from "./database.js";
import type { Action, Actions, StoredEvent } from "./event.js";
import { checkName } from "./field.js";
import { checkedOptions } from "./input-error.js";
import type { ReadOptions } from "./read.js";
import type { EventsTable } from "./schema.js";
import { checkLimit, selectAll } from "./select.js";
import { done, run, type Steps, turn } from "./steps.js";
import { tableOf } from "./table.js";
import type { VectorClock } from "./vector-clock.js";

export interface Divergence<A extends Actions = Action> {
  traceId: string;
  /** Two or more. */
  heads: StoredEvent<A>[];
}

export interface DivergenceOptions<A extends Actions = Action> extends ReadOptions<A> {
  /** Only traces with an id after this one. */
  after?: string;
  /** Default 100. */
  limit?: number;
}

/**
 * The latest events of a trace by causality: those after which no other event of the trace happened. More than
 * one is a divergence: concurrent changes that no later event knows. An event without a clock is none. In
 * the order of their ids. Reads the clocks of the whole trace, a piece at a time.
 *
 * @throws InputError `INVALID_TRACE_ID`.
 */
export function heads<D extends Database, A extends Actions = Action>(
  db: D,
  traceId: string,
  options?: ReadOptions<A>,
): Result<D, StoredEvent<A>[]> {
  checkDatabase(db);
  checkName(traceId, "INVALID_TRACE_ID", "traceId");
  const table = tableOf(checkedOptions(options));
  return run(db, selectHeads());

  function* selectHeads() {
    const ids = yield* readHeads(db, table, [traceId]);
    return yield* selectIds(db, table, ids.get(traceId) ?? []);
  }
}

/**
 * The traces that have several heads now, in the order of their ids. It looks only at traces that an event ever
 * branched by not following on, merged since or not: an index of its own has them. Their clocks are read, a piece at a
 * time, until `limit` traces are found.
 *
 * @throws InputError `INVALID_CURSOR`, `INVALID_LIMIT`.
 */
export function divergences<D extends Database, A extends Actions = Action>(
  db: D,
  options?: DivergenceOptions<A>,
): Result<D, Divergence<A>[]> {
  checkDatabase(db);
  const { after = "", limit = 100, ...rest } = checkedOptions(options);
  checkLimit(limit);
  if (after !== "") checkName(after, "INVALID_CURSOR", "after");
  return run(db, findDivergences(db, tableOf(rest), after, limit));
}

function* findDivergences<A extends Actions>(
  db: Database,
  table: EventsTable<A>,
  after: string,
  limit: number,
): Steps<Divergence<A>[]> {
  const found: Divergence<A>[] = [];
  let from = after;
  // Few at first: one of the next traces may be all that is wanted.
  for (let size = Math.min(limit, CANDIDATES); ; size = Math.min(2 * size, CANDIDATES)) {
    const rows = db.values(sql`select distinct trace_id from ${table}
      where branched = 1 and trace_id > ${from} order by trace_id limit ${size}`) as [string][];
    const traceIds = (yield* done(rows)).map((row) => row[0]);
    for (const [traceId, ids] of yield* readHeads(db, table, traceIds)) {
      if (ids.length < 2) continue;
      found.push({ traceId, heads: yield* selectIds(db, table, ids) });
      if (found.length === limit) return found;
      yield* turn();
    }
    if (traceIds.length < size) return found;
    from = traceIds.at(-1)!;
    yield* turn();
  }
}

// How many traces are looked at in one step, and how many clocks: none is longer than 11 KiB.
const CANDIDATES = 50;
const CLOCKS = 500;

/** A trace as far as it has been read. */
interface Reading {
  traceId: string;
  lastId: string;
  /** The last event that each cortex wrote, of those with a clock. */
  lasts: Map<string, { id: string; counter: number }>;
  /** How many events of each cortex the others have counted. */
  counted: Map<string, number>;
}

/** The ids of the heads of each trace, in order. */
function* readHeads(
  db: Database,
  table: EventsTable<any>,
  traceIds: readonly string[],
): Steps<Map<string, string[]>> {
  const traces = traceIds.map(
    (traceId): Reading => ({
      ...{ traceId, lastId: "", lasts: new Map(), counted: new Map() },
    }),
  );
  for (let rest = traces; rest.length > 0; ) {
    // Each trace goes on from its own place: one order over several would have to be sorted, or passed over again.
    const limit = Math.ceil(CLOCKS / rest.length);
    const places = JSON.stringify(rest.map(({ traceId, lastId }) => [traceId, lastId]));
    const rows = db.values(sql`select (
      select json_group_array(json_array(id, cortex_id, counter, json(vclock))) from (
        select id, cortex_id, counter, vclock from ${table}
        where trace_id = place.value->>0 and id > place.value->>1 and counter is not null
        order by id limit ${limit})
    ) from json_each(${places}) as place`) as [string][];
    const pieces = (yield* done(rows)).map((row) => JSON.parse(row[0]) as Piece);
    for (const [i, piece] of pieces.entries()) goOn(rest[i]!, piece);
    rest = rest.filter((_, i) => pieces[i]!.length === limit);
    if (rest.length > 0) yield* turn();
  }
  return new Map(traces.map((trace) => [trace.traceId, headsOf(trace)]));
}

type Piece = readonly [id: string, cortexId: string, counter: number, vclock: VectorClock][];

/** Keeps no clock: those of a trace may come to megabytes. */
function goOn(trace: Reading, piece: Piece): void {
  const { lasts, counted } = trace;
  for (const [id, cortexId, counter, vclock] of piece) {
    if (counter > (lasts.get(cortexId)?.counter ?? 0)) lasts.set(cortexId, { id, counter });
    for (const other in vclock) {
      const count = vclock[other]!;
      if (other !== cortexId && count > (counted.get(other) ?? 0)) counted.set(other, count);
    }
    trace.lastId = id;
  }
}

/** The ids of those that no other has counted: a cortex's own events before its last one all are. */
function headsOf({ lasts, counted }: Reading): string[] {
  const heads: string[] = [];
  for (const [cortexId, { id, counter }] of lasts) {
    if (counter > (counted.get(cortexId) ?? 0)) heads.push(id);
  }
  return heads.sort();
}

function* selectIds<A extends Actions>(
  db: Database,
  table: EventsTable<A>,
  ids: readonly string[],
): Steps<StoredEvent<A>[]> {
  if (ids.length === 0) return [];
  const filters = [sql`id in (select value from json_each(${JSON.stringify(ids)}))`];
  return yield* selectAll(db, { table, filters, key: "id", order: "asc" });
}
