import { type SQL, sql } from "drizzle-orm";
import { andThen, type Database, type Result } from "./database.js";
import { type Action, type ActionOf, type Actions, checkName, checkULID, type StoredEvent } from "./event.js";
import { InputError, shapeOf } from "./input-error.js";
import { checkedSeq, checkLimit, latest, type ReadOptions, selectEvents } from "./read.js";

/** A place in one log: the `seq` and `id` of the last event seen. Any stored event is one. */
export interface Cursor {
  seq: number;
  id: string;
}

export interface FeedOptions<A extends Actions = Action> extends ReadOptions<A> {
  /** The last event already seen, by its seq or by seq and id. Default 0: from the beginning. */
  after?: number | Cursor;
  /** The most events in a page. Default 1,000. */
  limit?: number;
  /** Only events with one of these actions. */
  actions?: readonly ActionOf<NoInfer<A>>[];
  traceId?: string;
  cortexId?: string;
}

export interface TailOptions<A extends Actions = Action> extends FeedOptions<A> {
  /** Ends the iteration. */
  signal?: AbortSignal;
  /** How long to wait before asking again when there is nothing new, in milliseconds. Default 1,000. */
  interval?: number;
}

/**
 * The log no longer holds the cursor's event at the cursor's seq: the database was replaced, or restored from
 * a backup older than the cursor. Going on would skip events; start the consumer anew.
 */
export class CursorError extends Error {
  override readonly name = "CursorError";
  readonly code = "LOG_REPLACED";

  constructor(readonly seq: number) {
    super(`The log does not hold the cursor's event at seq ${seq}.`);
  }
}

/**
 * One page of the log in the order of arrival. Go on with `after` = the last event, or its `seq`: every event
 * that will ever commit gets a seq above all that a reader outside a transaction has seen, so none is missed.
 * Given as a `Cursor`, the place is checked to be in this very log.
 * Advance no cursor on events of a transaction that may roll back: their seqs are given out again.
 * With a filter, the cost is the number of events passed over, not only of those returned.
 *
 * @throws InputError `INVALID_CURSOR`, `INVALID_LIMIT`, `INVALID_ACTION`, `INVALID_TRACE_ID`, `INVALID_CORTEX_ID`.
 * @throws CursorError the cursor is of another log.
 */
export function feed<D extends Database, A extends Actions = Action>(
  db: D,
  options: FeedOptions<A> = {},
): Result<D, StoredEvent<A>[]> {
  const { after = 0, limit = 1000, table } = options;
  checkLimit(limit);
  const filters = filtersOf(options);
  if (typeof after !== "object" || after === null) {
    const where = sql.join([sql`seq > ${checkedSeq(after, 0, "after")}`, ...filters], sql` and `);
    return selectEvents(db, table, where, sql`seq`, limit);
  }
  // The cursor's own event comes first in the page, whatever the filters, and is taken off again.
  const seq = checkedSeq(after.seq, 1, "after.seq");
  checkULID(after.id, "INVALID_CURSOR", "after.id");
  const wanted = filters.length > 0 ? sql` and (seq = ${seq} or ${sql.join(filters, sql` and `)})` : sql``;
  const found = selectEvents(db, table, sql`seq >= ${seq}${wanted}`, sql`seq`, limit + 1) as StoredEvent<A>[];
  return andThen(found, ([first, ...rest]) => {
    if (first?.seq !== seq || first.id !== after.id) throw new CursorError(seq);
    return rest;
  }) as never;
}

/**
 * All pages of the feed up to its end: `for await (const page of pages(db, { after }))`. No page is empty.
 * It gives other tasks a turn after each page. `limit` is the size of a page.
 *
 * @throws InputError, CursorError as `feed` does, at a step.
 */
export async function* pages<A extends Actions = Action>(
  db: Database,
  options: FeedOptions<A> = {},
): AsyncGenerator<StoredEvent<A>[], void, undefined> {
  let { after = 0, limit = 1000 } = options;
  for (;;) {
    const page: StoredEvent<A>[] = await feed(db, { ...options, after });
    if (page.length > 0) yield page;
    if (page.length < limit) return;
    after = cursorOf(page);
    await nextTurn();
  }
}

/**
 * The pages of the feed, and then new ones as they come: it ends only when `signal` aborts or the caller
 * leaves the loop. It asks the database again every `interval`, so it sees the events of any process.
 *
 * @throws InputError, CursorError as `feed` does, at a step.
 */
export async function* tail<A extends Actions = Action>(
  db: Database,
  options: TailOptions<A> = {},
): AsyncGenerator<StoredEvent<A>[], void, undefined> {
  const { signal, interval = 1000, table } = options;
  if (!Number.isSafeInteger(interval) || interval < 0) {
    throw new InputError(
      "INVALID_INTERVAL",
      "interval",
      `must be whole milliseconds, got ${shapeOf(interval)}`,
    );
  }
  const filtered = filtersOf(options).length > 0;
  let { after = 0 } = options;
  while (!signal?.aborted) {
    // What a filter has passed over by now need not be passed over at every interval.
    const [end]: StoredEvent<A>[] = filtered ? await latest(db, { limit: 1, ...(table && { table }) }) : [];
    for await (const page of pages(db, { ...options, after })) {
      yield page;
      if (signal?.aborted) return;
      after = cursorOf(page);
    }
    if (end && end.seq > (typeof after === "number" ? after : after.seq))
      after = { seq: end.seq, id: end.id };
    await pause(interval, signal);
  }
}

function filtersOf({ actions, traceId, cortexId }: FeedOptions<any>): SQL[] {
  const filters: SQL[] = [];
  // The unary plus keeps SQLite on the primary key: another index would have to sort.
  if (traceId !== undefined) {
    checkName(traceId, "INVALID_TRACE_ID", "traceId");
    filters.push(sql`+trace_id = ${traceId}`);
  }
  if (cortexId !== undefined) {
    checkULID(cortexId, "INVALID_CORTEX_ID", "cortexId");
    filters.push(sql`+cortex_id = ${cortexId}`);
  }
  if (actions !== undefined) {
    if (!Array.isArray(actions)) {
      throw new InputError("INVALID_ACTION", "actions", `must be an array, got ${shapeOf(actions)}`);
    }
    for (const action of actions) checkName(action, "INVALID_ACTION", "actions");
    filters.push(sql`action in (select value from json_each(${JSON.stringify(actions)}))`);
  }
  return filters;
}

function cursorOf(page: readonly StoredEvent<any>[]): Cursor {
  const { seq, id } = page.at(-1)!;
  return { seq, id };
}

// setTimeout where there is no setImmediate: it costs a millisecond a page in Node.
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => (globalThis.setImmediate ?? setTimeout)(resolve));
}

function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    if (signal?.aborted) end();
    else signal?.addEventListener("abort", end);
  });
}
