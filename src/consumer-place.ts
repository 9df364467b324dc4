import { type SQL, sql } from "drizzle-orm";
import type { Database } from "./database.js";
import { type Cursor, CursorError } from "./feed.js";
import type { ConsumersTable, EventsTable } from "./schema.js";
import { done, type Steps } from "./steps.js";

/** Where a consumer is; without an id at the beginning. */
export interface Place {
  seq: number;
  id: string | null;
}

/** A consumer, and the tables that hold it and its log. */
export interface Consumer {
  name: string;
  log: EventsTable<any>;
  consumers: ConsumersTable;
}

/** Where to begin: after an event, by its seq or by seq and id; 0 is before all, `"end"` after all. */
export type Start = number | Cursor | "end";

export function* readPlace(db: Database, { name, consumers }: Consumer): Steps<Place | undefined> {
  const rows = yield* done(db.values(sql`select seq, id from ${consumers} where name = ${name}`) as Rows);
  return placeOf(rows);
}

/**
 * The place as of now, which nobody else moves until the transaction ends: its first statement writes, so that it
 * has to wait for the others before it reads. A consumer that is new is put at the start.
 *
 * @throws CursorError it is new, and the log does not hold the start.
 */
export function* lockPlace(tx: Database, consumer: Consumer, start: Start): Steps<Place> {
  const { name, log, consumers } = consumer;
  const query = sql`insert into ${consumers} (name, seq, id, skipped)
    select ${name}, seq, id, 0 from (${startQuery(log, start)}) where true
    on conflict (name) do update set seq = seq returning seq, id`;
  const place = placeOf(yield* done(tx.values(query) as Rows)) ?? (yield* readPlace(tx, consumer));
  if (place) return place;
  throw new CursorError(typeof start === "object" ? start.seq : Number(start));
}

/** Puts the consumer at the start, wherever it was, and forgets what it has skipped. */
export function* resetPlace(tx: Database, { name, log, consumers }: Consumer, start: Start): Steps<void> {
  const query = sql`insert into ${consumers} (name, seq, id, skipped)
    select ${name}, seq, id, 0 from (${startQuery(log, start)}) where true
    on conflict (name) do update set seq = excluded.seq, id = excluded.id, skipped = 0, last_skipped = null
    returning seq, id`;
  if (placeOf(yield* done(tx.values(query) as Rows))) return;
  throw new CursorError(typeof start === "object" ? start.seq : Number(start));
}

/** Compare-and-set: whether the consumer still was where it was read. */
export function* movePlace(
  tx: Database,
  { name, consumers }: Consumer,
  from: Place,
  to: Cursor,
  skips = false,
): Steps<boolean> {
  const skipped = skips ? sql`, skipped = skipped + 1, last_skipped = ${to.seq}` : sql``;
  const query = sql`update ${consumers} set seq = ${to.seq}, id = ${to.id}${skipped}
    where name = ${name} and seq = ${from.seq} and id is ${from.id} returning seq, id`;
  return placeOf(yield* done(tx.values(query) as Rows)) !== undefined;
}

/** The place of the log's last event. */
export function* endOf(db: Database, { log }: Consumer): Steps<Place> {
  return placeOf(yield* done(db.values(startQuery(log, "end")) as Rows))!;
}

/** As the feed takes it. */
export function cursorAt({ seq, id }: Place): number | Cursor {
  return id === null ? seq : { seq, id };
}

type Rows = [seq: number | bigint, id: string | null][];

// A row of libsql can be indexed, not iterated.
function placeOf(rows: Rows): Place | undefined {
  const [row] = rows;
  return row && { seq: Number(row[0]), id: row[1] };
}

const NOWHERE = sql.raw("select 0 as seq, null as id");

function startQuery(log: EventsTable<any>, start: Start): SQL {
  if (start === "end") {
    return sql`select seq, id from (select seq, id from ${log} order by seq desc limit 1)
      union all ${NOWHERE} where not exists (select 1 from ${log})`;
  }
  if (start === 0) return NOWHERE;
  if (typeof start === "number") return sql`select seq, id from ${log} where seq = ${start}`;
  return sql`select seq, id from ${log} where seq = ${start.seq} and +id = ${start.id}`;
}
