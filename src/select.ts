import { type SQL, sql } from "drizzle-orm";
import type { Database } from "./database.js";
import type { Actions, Meta, StoredEvent } from "./event.js";
import { InputError, shapeOf } from "./input-error.js";
import type { EventsTable } from "./schema.js";
import { done, type Steps, turn } from "./steps.js";
import type { VectorClock } from "./vector-clock.js";

/** Which events, in which order. */
export interface Selection<A extends Actions = any> {
  table: EventsTable<A>;
  filters: readonly SQL[];
  key: "seq" | "id";
  order: "asc" | "desc";
}

/** About how many bytes of JSON a page has at the most: libsql aborts the process on a text of 512 MiB. */
export const PAGE_BYTES = 2 ** 24;
// The most rows in one text; with more the bound on one of them would be below that of an ordinary event.
const ONE_TEXT = 2 ** 14;
// More rows than this are never in a page of that many bytes.
const MAX_ROWS = 100_000;
// How many events of a history are read at once.
const PIECE = 1000;

/**
 * A page: at most `limit` events and 16 MiB or so, but one event at least if there is one. It is read as one
 * JSON text, in one row of one column: most drivers spend more time on making row objects than SQLite on the
 * query (measured on libsql: 3.3-4× for a plain select). The texts of `vclock`, `data` and `meta` go in as they
 * are, for the table's checks say that they are JSON: `json()` would parse them once more, and a page would
 * take 2.5 times as long.
 */
export function* selectPage<A extends Actions>(
  db: Database,
  selection: Selection<A>,
  limit: number,
): Steps<StoredEvent<A>[]> {
  const { events } = yield* readPage(db, selection, limit);
  return events;
}

/** All events of the selection, a piece at a time; other tasks get a turn between the pieces. */
export function* selectAll<A extends Actions>(db: Database, selection: Selection): Steps<StoredEvent<A>[]> {
  let all: StoredEvent<A>[] | undefined;
  yield* eachPiece<A>(db, selection, (events) => {
    if (!all) all = events;
    else for (const event of events) all.push(event);
  });
  return all ?? [];
}

/** The same without holding more than a piece of them. */
export function* eachPiece<A extends Actions>(
  db: Database,
  selection: Selection<A>,
  visit: (events: StoredEvent<A>[]) => void,
): Steps<void> {
  const { key, order, filters } = selection;
  let rest = selection;
  for (;;) {
    const { events, isLast } = yield* readPage<A>(db, rest, PIECE);
    visit(events);
    const last = events.at(-1);
    if (isLast || !last) return;
    const place = sql`${sql.raw(key)} ${sql.raw(order === "asc" ? ">" : "<")} ${last[key]}`;
    rest = { ...selection, filters: [...filters, place] };
    yield* turn();
  }
}

/** A page, and whether it is surely the last one. */
function* readPage<A extends Actions>(
  db: Database,
  selection: Selection<A>,
  limit: number,
): Steps<{ events: StoredEvent<A>[]; isLast: boolean }> {
  if (limit <= ONE_TEXT) {
    const events = yield* selectText(db, selection, limit, Math.floor(PAGE_BYTES / limit));
    if (!events.includes(null)) {
      return { events: events as StoredEvent<A>[], isLast: events.length < limit };
    }
  }
  // A large event is among them: it takes a look at the sizes of all to know how many there is room for.
  const events = yield* selectText(db, withinBytes(selection, limit), MAX_ROWS);
  return { events: events as StoredEvent<A>[], isLast: events.length === 0 };
}

/** Events of the selection, each as null that is longer than `most` bytes as JSON; all are read if it is absent. */
function* selectText<A extends Actions>(
  db: Database,
  { table, filters, key, order }: Selection<A>,
  limit: number,
  most?: number,
): Steps<(StoredEvent<A> | null)[]> {
  // Asked for its length alone, SQLite does not load a long text.
  const isLong = most === undefined ? sql`false` : sql`octet_length(data) > ${most}`;
  const entry = most === undefined ? sql`event` : sql`iif(octet_length(event) <= ${most}, event, 'null')`;
  // The limit is always there: without one SQLite may drop the order of a subquery.
  const rows = db.values(sql`select '[' || group_concat(${entry}) || ']' from (
    select iif(${isLong}, null, ${EVENT_JSON}) as event
    from ${table} where ${all(filters)} order by ${sql.raw(`${key} ${order}`)} limit ${limit})`);
  const [row] = yield* done(rows as [[string | null]]);
  return (JSON.parse(row[0] ?? "[]") as (Row | null)[]).map(toEvent) as (StoredEvent<A> | null)[];
}

/** The first events of the selection that have room in a page, by the seqs that they have. */
function withinBytes<A extends Actions>(
  { table, filters, key, order }: Selection<A>,
  limit: number,
): Selection<A> {
  const by = sql.raw(`${key} ${order}`);
  const fits = sql`seq in (
    select seq from (
      select seq, sum(size) over (order by ${by} rows between unbounded preceding and 1 preceding) as earlier
      from (
        select seq, id, ${SIZE} as size from ${table} where ${all(filters)}
        order by ${by} limit ${Math.min(limit, MAX_ROWS)}
      )
    ) where earlier is null or earlier < ${PAGE_BYTES})`;
  return { table, filters: [fits], key, order };
}

const all = (filters: readonly SQL[]): SQL => sql.join([...filters], sql` and `);

const SIZE = sql.raw(
  "200 + octet_length(trace_id) + ifnull(octet_length(data), 0) + ifnull(octet_length(meta), 0) + ifnull(octet_length(vclock), 0)",
);

const EVENT_JSON = sql.raw(`'[' || json_array(seq, id, action, trace_id, cortex_id, origin, timestamp)
      || ',' || ifnull(vclock, 'null')
      || iif(coalesce(actor, idempotency_key, meta) is null, ',null',
        ',[' || json_array(actor, idempotency_key) || ',' || ifnull(meta, 'null') || ']')
      || ifnull(',' || data, '') || ']'`);

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
  optional: [columns: [actor: string | null, idempotencyKey: string | null], meta: Meta | null] | null,
  /** Absent when the event has no data. */
  data?: unknown,
];

function toEvent(row: Row | null): StoredEvent<any> | null {
  if (row === null) return null;
  const [[seq, id, action, traceId, cortexId, origin, timestamp], vclock, optional, data] = row;
  const event: StoredEvent<any> = { seq, id, action, traceId, cortexId, origin, timestamp };
  if (optional) setOptional(event, optional);
  if (row.length === 4) event.data = data;
  if (vclock) event.vclock = vclock;
  return event;
}

function setOptional(event: StoredEvent<any>, [[actor, idempotencyKey], meta]: NonNullable<Row[2]>): void {
  if (actor !== null) event.actor = actor;
  if (meta) event.meta = meta;
  if (idempotencyKey !== null) event.idempotencyKey = idempotencyKey;
}

/** Answers with the limit. Throws InputError `INVALID_LIMIT`. */
export function checkLimit(limit: unknown): number {
  if (Number.isSafeInteger(limit) && (limit as number) >= 1) return limit as number;
  throw new InputError("INVALID_LIMIT", "limit", `must be a whole number from 1, got ${shapeOf(limit)}`);
}

export function checkedSeq(seq: unknown, least: number, field: string): number {
  if (Number.isSafeInteger(seq) && (seq as number) >= least) return seq as number;
  throw new InputError("INVALID_CURSOR", field, `must be a whole number from ${least}, got ${shapeOf(seq)}`);
}
