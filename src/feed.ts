import { type SQL, sql } from "drizzle-orm";
import { checkDatabase, type Database, type Result } from "./database.js";
import type { Action, ActionOf, Actions, StoredEvent } from "./event.js";
import { checkName, checkULID } from "./field.js";
import { checkedOptions, entriesOf, InputError, isArray, reading, shapeOf } from "./input-error.js";
import type { ReadOptions } from "./read.js";
import { checkedSeq, checkLimit, type Selection, selectPage } from "./select.js";
import { done, run, type Steps } from "./steps.js";
import { tableOf } from "./table.js";
import { type UpcastOptions, upcasting } from "./upcast.js";
import { nextTurn } from "./wait.js";

/** A place in one log: the `seq` and `id` of the last event seen. Any stored event is one. */
export interface Cursor {
  seq: number;
  id: string;
}

export interface FeedOptions<A extends Actions = Action> extends ReadOptions<A>, UpcastOptions<A> {
  /** The last event already seen, by its seq or by seq and id. Default 0: from the beginning. */
  after?: number | Cursor;
  /** The most events in a page. Default 1,000. */
  limit?: number;
  /** Only events with one of these actions. */
  actions?: readonly ActionOf<NoInfer<A>>[];
  traceId?: string;
  cortexId?: string;
  /** Only events of this actor: read through an index of its own. */
  actor?: string;
}

/** Every `code` of a `CursorError`. */
export const cursorErrorCodes = ["LOG_REPLACED"] as const;

export type CursorErrorCode = (typeof cursorErrorCodes)[number];

/**
 * The log no longer holds the cursor's event at the cursor's seq: the database was replaced, or restored from
 * a backup older than the cursor. Going on would skip events; start the consumer anew.
 */
export class CursorError extends Error {
  override readonly name = "CursorError";
  readonly code: CursorErrorCode = "LOG_REPLACED";

  constructor(readonly seq: number) {
    super(`The log does not hold the cursor's event at seq ${seq}.`);
  }
}

/**
 * One page of the log in the order of arrival. Go on with `after` = the last event, or its `seq`: every event
 * that will ever commit gets a seq above all that a reader outside a transaction has seen, so none is missed.
 * Given as a `Cursor`, the place is checked to be in this very log.
 * Advance no cursor on events of a transaction that may roll back: their seqs are given out again.
 *
 * A page may end early, at 16 MiB or so: only an empty one is the end. With a filter other than `actor`, the cost
 * is the number of events passed over, not only of those returned.
 *
 * @throws InputError `INVALID_CURSOR`, `INVALID_LIMIT`, `INVALID_ACTION`, `INVALID_TRACE_ID`,
 * `INVALID_CORTEX_ID`, `INVALID_ACTOR`, `INVALID_REDUCER`.
 * @throws CursorError the cursor is of another log.
 */
export function feed<D extends Database, A extends Actions = Action>(
  db: D,
  options?: FeedOptions<A>,
): Result<D, StoredEvent<A>[]> {
  checkDatabase(db);
  const { after = 0, limit = 1000, upcasters, ...rest } = checkedOptions(options);
  checkLimit(limit);
  const cursor = checkedCursor(after);
  const filters = filtersOf(rest);
  const selection = { table: tableOf(rest), filters, key: "seq", order: "asc" } as const;
  return run(db, upcasting(upcasters, readFeed(db, selection, cursor, limit)));
}

export function* readFeed<A extends Actions>(
  db: Database,
  selection: Selection<A>,
  cursor: number | Cursor,
  limit: number,
): Steps<StoredEvent<A>[]> {
  const { filters, ...rest } = selection;
  if (typeof cursor === "number") {
    return yield* selectPage(db, { ...rest, filters: [sql`seq > ${cursor}`, ...filters] }, limit);
  }
  const { seq, id } = cursor;
  const { table } = rest;
  const isHere = sql`exists (select 1 from ${table} where seq = ${seq} and +id = ${id})`;
  const place = [sql`seq > ${seq}`, isHere];
  const page = yield* selectPage(db, { ...rest, filters: [...place, ...filters] }, limit);
  if (page.length > 0) return page;
  const [row] = yield* done(db.values(sql`select ${isHere}`) as [[number | bigint]]);
  if (Number(row[0]) !== 1) throw new CursorError(seq);
  return page;
}

/**
 * All pages of the feed up to its end: `for await (const page of pages(db, { after }))`. No page is empty.
 * It gives other tasks a turn after each page. `limit` is the size of a page.
 *
 * @throws InputError, CursorError as `feed` does, at a step.
 */
export async function* pages<A extends Actions = Action>(
  db: Database,
  options?: FeedOptions<A>,
): AsyncGenerator<StoredEvent<A>[], void, undefined> {
  const given = checkedOptions(options);
  for (let after = checkedCursor(given.after === undefined ? 0 : given.after); ; ) {
    const page: StoredEvent<A>[] = await feed(db, { ...given, after });
    if (page.length === 0) return;
    // Before the caller has it, who may take it apart.
    after = cursorOf(page);
    yield page;
    await nextTurn();
  }
}

export function checkedCursor(after: unknown, field = "after"): number | Cursor {
  if (typeof after !== "object" || after === null) return checkedSeq(after, 0, field);
  return reading(field, () => {
    const { seq, id } = after as Partial<Cursor>;
    checkULID(id, "INVALID_CURSOR", `${field}.id`);
    return { seq: checkedSeq(seq, 1, `${field}.seq`), id };
  });
}

export function filtersOf({ actions, traceId, cortexId, actor }: FeedOptions<any>): SQL[] {
  const filters: SQL[] = [];
  if (actor !== undefined) {
    checkName(actor, "INVALID_ACTOR", "actor");
    filters.push(sql`actor = ${actor}`);
  }
  // The unary plus keeps SQLite on the order of seq: another index would have to sort.
  if (traceId !== undefined) {
    checkName(traceId, "INVALID_TRACE_ID", "traceId");
    filters.push(sql`+trace_id = ${traceId}`);
  }
  if (cortexId !== undefined) {
    checkULID(cortexId, "INVALID_CORTEX_ID", "cortexId");
    filters.push(sql`+cortex_id = ${cortexId}`);
  }
  if (actions !== undefined) {
    filters.push(sql`action in (select value from json_each(${JSON.stringify(checkedActions(actions))}))`);
  }
  return filters;
}

function checkedActions(actions: unknown): string[] {
  if (!isArray(actions)) {
    throw new InputError("INVALID_ACTION", "actions", `must be an array, got ${shapeOf(actions)}`);
  }
  return entriesOf(actions, "actions", "INVALID_ACTION").map((action) => {
    checkName(action, "INVALID_ACTION", "actions");
    return action;
  });
}

export function cursorOf(page: readonly StoredEvent<any>[]): Cursor {
  const { seq, id } = page.at(-1)!;
  return { seq, id };
}
