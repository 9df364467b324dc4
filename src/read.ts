import { type SQL, sql } from "drizzle-orm";
import { andThen, type Database, type Result } from "./database.js";
import { type Action, type Actions, checkName, checkULID, type StoredEvent } from "./event.js";
import { InputError, shapeOf } from "./input-error.js";
import { type EventsTable, events } from "./schema.js";
import type { VectorClock } from "./vector-clock.js";

export interface ReadOptions<A extends Actions = Action> {
  /** Default `events`. */
  table?: EventsTable<A>;
}

export interface TraceOptions<A extends Actions = Action> extends ReadOptions<A> {
  /** Default: the whole history. */
  limit?: number;
  /** Only events with an id after this one. */
  after?: string;
  /** Only events with an id before this one. */
  before?: string;
  /** Oldest first (`asc`, the default) or newest first; `limit` counts from that end. */
  order?: "asc" | "desc";
}

/**
 * What happened to a trace: its events in the order of their ids, which is the order of time as far as the
 * writers' clocks agree. Pages go on from the last id seen (`after`; `before` with `order: "desc"`); an event
 * that arrives late from another cortex may fall behind that place, never behind a fresh read.
 * Given a transaction, it sees that transaction's own events.
 *
 * @throws InputError `INVALID_TRACE_ID`, `INVALID_CURSOR`, `INVALID_LIMIT`, `INVALID_ORDER`.
 */
export function forTrace<D extends Database, A extends Actions = Action>(
  db: D,
  traceId: string,
  options: TraceOptions<A> = {},
): Result<D, StoredEvent<A>[]> {
  checkName(traceId, "INVALID_TRACE_ID", "traceId");
  const { order = "asc", limit, after, before, table } = options;
  if (order !== "asc" && order !== "desc") {
    throw new InputError("INVALID_ORDER", "order", `must be "asc" or "desc", got ${shapeOf(order)}`);
  }
  const where = [sql`trace_id = ${traceId}`];
  if (after !== undefined) where.push(sql`id > ${checkedId(after, "after")}`);
  if (before !== undefined) where.push(sql`id < ${checkedId(before, "before")}`);
  return selectEvents(db, table, sql.join(where, sql` and `), sql.raw(`id ${order}`), limit);
}

/**
 * The events with an id after `afterId` ("" for all), ordered by id, at most `limit`.
 *
 * This is not a cursor for consumers: an id is made before its transaction commits, so an event may appear
 * behind the last id you have seen, and one that arrives from another cortex usually does. Use `feed`.
 *
 * @throws InputError `INVALID_CURSOR`, `INVALID_LIMIT`.
 */
export function since<D extends Database, A extends Actions = Action>(
  db: D,
  afterId: string,
  limit: number,
  { table }: ReadOptions<A> = {},
): Result<D, StoredEvent<A>[]> {
  checkLimit(limit);
  return selectEvents(
    db,
    table,
    sql`id > ${afterId === "" ? "" : checkedId(afterId, "afterId")}`,
    sql`id`,
    limit,
  );
}

/**
 * The events that arrived last, newest first.
 *
 * @throws InputError `INVALID_LIMIT`.
 */
export function latest<D extends Database, A extends Actions = Action>(
  db: D,
  { limit = 100, table }: ReadOptions<A> & { limit?: number } = {},
): Result<D, StoredEvent<A>[]> {
  return selectEvents(db, table, sql`seq > 0`, sql`seq desc`, limit);
}

/**
 * The event with this id, or undefined.
 *
 * @throws InputError `INVALID_ID`.
 */
export function get<D extends Database, A extends Actions = Action>(
  db: D,
  id: string,
  { table }: ReadOptions<A> = {},
): Result<D, StoredEvent<A> | undefined> {
  checkULID(id, "INVALID_ID", "id");
  const found = selectEvents(db, table, sql`id = ${id}`, sql`id`, 1);
  return andThen(found as StoredEvent<A>[], ([event]) => event) as never;
}

type Row = [
  columns: [
    seq: number,
    id: string,
    action: string,
    traceId: string,
    cortexId: string,
    origin: string,
    timestamp: string,
  ],
  vclock: VectorClock | null,
  /** Absent when the event has no data. */
  data?: unknown,
];

/**
 * Events as one JSON text, in one row of one column: most drivers spend more time on making row objects than
 * SQLite on the query (measured on libsql: 3.3-4× for a plain select). The texts of `vclock` and `data` go in
 * as they are, for the table's checks say that they are JSON: `json()` would parse them once more, and a page
 * would take 2.5 times as long.
 */
export function selectEvents<D extends Database, A extends Actions>(
  db: D,
  table: EventsTable<A> | undefined,
  where: SQL,
  order: SQL,
  limit?: number,
): Result<D, StoredEvent<A>[]> {
  if (limit !== undefined) checkLimit(limit);
  // The limit is always there: without one SQLite may drop the order of a subquery.
  const query = sql`select '[' || group_concat(event) || ']' from (
    select '[' || json_array(seq, id, action, trace_id, cortex_id, origin, timestamp)
      || ',' || ifnull(vclock, 'null') || ifnull(',' || data, '') || ']' as event
    from ${table ?? events} where ${where} order by ${order} limit ${limit ?? -1})`;
  const rows = db.values(query) as [[string | null]];
  return andThen(rows, (all) => (JSON.parse(all[0][0] ?? "[]") as Row[]).map(toEvent)) as never;
}

function toEvent(row: Row) {
  const [[seq, id, action, traceId, cortexId, origin, timestamp], vclock, data] = row;
  const event: StoredEvent<any> = { seq, id, action, traceId, cortexId, origin, timestamp };
  if (row.length === 3) event.data = data;
  if (vclock) event.vclock = vclock;
  return event;
}

export function checkLimit(limit: unknown): void {
  if (!Number.isSafeInteger(limit) || (limit as number) < 1) {
    throw new InputError("INVALID_LIMIT", "limit", `must be a whole number from 1, got ${shapeOf(limit)}`);
  }
}

function checkedId(id: unknown, field: string): string {
  checkULID(id, "INVALID_CURSOR", field);
  return id;
}

export function checkedSeq(seq: unknown, least: number, field: string): number {
  if (Number.isSafeInteger(seq) && (seq as number) >= least) return seq as number;
  throw new InputError("INVALID_CURSOR", field, `must be a whole number from ${least}, got ${shapeOf(seq)}`);
}
