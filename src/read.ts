import { type SQL, sql } from "drizzle-orm";
import { checkDatabase, type Database, type Result } from "./database.js";
import type { Action, Actions, StoredEvent } from "./event.js";
import { checkName, checkULID } from "./field.js";
import { checkedOptions, InputError, shapeOf } from "./input-error.js";
import type { EventsTable } from "./schema.js";
import { checkedSeq, checkLimit, selectAll, selectPage } from "./select.js";
import { run } from "./steps.js";
import { tableOf } from "./table.js";
import { type UpcastOptions, upcasting } from "./upcast.js";

export interface ReadOptions<A extends Actions = Action> {
  /** Default `events`. */
  table?: EventsTable<A>;
}

export interface TraceOptions<A extends Actions = Action> extends ReadOptions<A>, UpcastOptions<A> {
  /** The most events in the answer, which is then a page. Default: the whole history. */
  limit?: number;
  /** Only events with an id after this one. */
  after?: string;
  /** Only events with an id before this one. */
  before?: string;
  /** Oldest first (`asc`, the default) or newest first; `limit` counts from that end. */
  order?: "asc" | "desc";
}

export interface LatestOptions<A extends Actions = Action> extends ReadOptions<A>, UpcastOptions<A> {
  /** The most events in the page. Default 100. */
  limit?: number;
  /** Only events that arrived before the one with this seq: the last of the page before. */
  before?: number;
}

/**
 * What happened to a trace: its events in the order of their ids, which is the order of time as far as the
 * writers' clocks agree. Pages go on from the last id seen (`after`; `before` with `order: "desc"`); an event
 * that arrives late from another cortex may fall behind that place, never behind a fresh read.
 * Given a transaction, it sees that transaction's own events.
 *
 * With a `limit` the answer is a page: it may end early, at 16 MiB or so, and is empty only at the end. Without
 * one it is the whole history, however large.
 *
 * @throws InputError `INVALID_TRACE_ID`, `INVALID_CURSOR`, `INVALID_LIMIT`, `INVALID_ORDER`, `INVALID_REDUCER`.
 */
export function forTrace<D extends Database, A extends Actions = Action>(
  db: D,
  traceId: string,
  options?: TraceOptions<A>,
): Result<D, StoredEvent<A>[]> {
  checkDatabase(db);
  checkName(traceId, "INVALID_TRACE_ID", "traceId");
  const { order = "asc", limit, after, before, upcasters, ...rest } = checkedOptions(options);
  if (order !== "asc" && order !== "desc") {
    throw new InputError("INVALID_ORDER", "order", `must be "asc" or "desc", got ${shapeOf(order)}`);
  }
  const filters: SQL[] = [sql`trace_id = ${traceId}`];
  if (after !== undefined) filters.push(sql`id > ${checkedId(after, "after")}`);
  if (before !== undefined) filters.push(sql`id < ${checkedId(before, "before")}`);
  const selection = { table: tableOf(rest), filters, key: "id", order } as const;
  const steps =
    limit === undefined ? selectAll<A>(db, selection) : selectPage<A>(db, selection, checkLimit(limit));
  return run(db, upcasting(upcasters, steps));
}

/**
 * The events with an id after `afterId` ("" for all), ordered by id, at most `limit`. A page: it may end early,
 * at 16 MiB or so, and is empty only at the end.
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
  options?: ReadOptions<A>,
): Result<D, StoredEvent<A>[]> {
  checkDatabase(db);
  checkLimit(limit);
  const filters = [sql`id > ${afterId === "" ? "" : checkedId(afterId, "afterId")}`];
  const table = tableOf(checkedOptions(options));
  return run(db, selectPage(db, { table, filters, key: "id", order: "asc" }, limit));
}

/**
 * The events that arrived last, newest first. The next page is `before` the last one's seq. It may end early, at
 * 16 MiB or so, and is empty only at the end.
 *
 * @throws InputError `INVALID_LIMIT`, `INVALID_CURSOR`, `INVALID_REDUCER`.
 */
export function latest<D extends Database, A extends Actions = Action>(
  db: D,
  options?: LatestOptions<A>,
): Result<D, StoredEvent<A>[]> {
  checkDatabase(db);
  const { limit = 100, before, upcasters, ...rest } = checkedOptions(options);
  checkLimit(limit);
  const filters = [before === undefined ? sql`seq > 0` : sql`seq < ${checkedSeq(before, 1, "before")}`];
  const selection = { table: tableOf(rest), filters, key: "seq", order: "desc" } as const;
  return run(db, upcasting(upcasters, selectPage(db, selection, limit)));
}

/**
 * The event with this id, or undefined.
 *
 * @throws InputError `INVALID_ID`, `INVALID_REDUCER`.
 */
export function getEvent<D extends Database, A extends Actions = Action>(
  db: D,
  id: string,
  options?: ReadOptions<A> & UpcastOptions<A>,
): Result<D, StoredEvent<A> | undefined> {
  checkDatabase(db);
  checkULID(id, "INVALID_ID", "id");
  const { upcasters, ...rest } = checkedOptions(options);
  const selection = { table: tableOf(rest), filters: [sql`id = ${id}`], key: "id", order: "asc" } as const;
  const steps = upcasting(upcasters, selectPage<A>(db, selection, 1));
  return run(db, selectOne());

  function* selectOne() {
    return (yield* steps)[0];
  }
}

function checkedId(id: unknown, field: string): string {
  checkULID(id, "INVALID_CURSOR", field);
  return id;
}
