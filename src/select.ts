import { type SQL, sql } from "drizzle-orm";
import type { Database } from "./database.js";
import type { Actions, Meta, StoredEvent } from "./event.js";
import { InputError, shapeOf } from "./input-error.js";
import { refusalIn } from "./refusal.js";
import type { EventsTable } from "./schema.js";
import { done, type Steps, turn } from "./steps.js";
import type { VectorClock } from "./vector-clock.js";

/** Which events, in which order. */
export interface Selection<A extends Actions = any> {
  table: EventsTable<A>;
  filters: readonly SQL[];
  key: "seq" | "id";
  order: "asc" | "desc";
  /** Whether the events are to have their proofs. Default false. */
  proofs?: boolean;
  /** About how many bytes of JSON a page has at the most. Default 16 MiB. */
  bytes?: number;
}

/** About how many bytes of JSON a page has at the most: libsql aborts the process on a text of 512 MiB. */
export const PAGE_BYTES = 2 ** 24;
// And where that is refused: a text has 2 MB at the most on D1 and in Durable Objects, and a libSQL server has its
// own limits. One event more than this has room.
const SMALL_PAGE_BYTES = 2 ** 19;
// How long the data of each event may be for so many of them to have room in a page: the few bounds there are
// keep the statement's text the same. What else an event holds is bounded: some 30 KiB, and mostly far less.
const BOUNDS = [
  { rows: 2 ** 10, most: 2 ** 14 },
  { rows: 2 ** 12, most: 2 ** 12 },
  { rows: 2 ** 13, most: 2 ** 11 },
];
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

interface Page<A extends Actions> {
  events: StoredEvent<A>[];
  /** Whether it is surely the last one. */
  isLast: boolean;
}

/** The databases that have refused a page for its size. */
const small = new WeakSet<Database>();

function* readPage<A extends Actions>(db: Database, selection: Selection<A>, limit: number): Steps<Page<A>> {
  if (!small.has(db)) {
    try {
      return yield* readLargePage(db, selection, limit);
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      small.add(db);
    }
  }
  return yield* readPageWithin(db, selection, limit, SMALL_PAGE_BYTES);
}

function isTooLarge(error: unknown): boolean {
  const refusal = refusalIn(error) as (Error & { code?: unknown }) | undefined;
  return refusal !== undefined && /too[ _]?(big|large)/i.test(`${refusal.code} ${refusal.message}`);
}

function* readLargePage<A extends Actions>(
  db: Database,
  selection: Selection<A>,
  limit: number,
): Steps<Page<A>> {
  const { bytes = PAGE_BYTES } = selection;
  const bound = BOUNDS.find(({ rows }) => limit <= rows);
  if (bound) {
    const events = yield* selectText(db, selection, limit, (bound.most * bytes) / PAGE_BYTES);
    if (!events.includes(null)) {
      return { events: events as StoredEvent<A>[], isLast: events.length < limit };
    }
  }
  // A large event is among them: it takes a look at the sizes of all to know how many there is room for.
  return yield* readPageWithin(db, selection, limit, bytes);
}

function* readPageWithin<A extends Actions>(
  db: Database,
  selection: Selection<A>,
  limit: number,
  bytes: number,
): Steps<Page<A>> {
  const events = yield* selectText(db, withinBytes(selection, limit, bytes), MAX_ROWS);
  return { events: events as StoredEvent<A>[], isLast: events.length === 0 };
}

/** Events of the selection, each as null whose data is longer than `most` bytes, if that is given. */
function* selectText<A extends Actions>(
  db: Database,
  { table, filters, key, order, proofs = false }: Selection<A>,
  limit: number,
  most?: number,
): Steps<(StoredEvent<A> | null)[]> {
  const [head, tail] = [headOf(proofs, most), sql.raw(`order by ${key} ${order} limit`)];
  // The limit is always there: without one SQLite may drop the order of a subquery.
  const rows = db.values(sql`${head} ${table} where ${all(filters)} ${tail} ${limit})`);
  const [row] = yield* done(rows as [[string | null]]);
  return (JSON.parse(row[0] ?? "[]") as (Row | null)[]).map(toEvent) as (StoredEvent<A> | null)[];
}

const eventText = (more: string) =>
  `'[' || json_array(seq, id, action, trace_id, cortex_id, origin, timestamp${more})
    || ',' || ifnull(vclock, 'null') || ifnull(',' || data, '')
    || iif(actor is null and idempotency_key is null and meta is null, ']',
      ',' || json_array(actor, idempotency_key) || ',' || ifnull(meta, 'null') || ']')`;

/** As one piece of text, for it costs time to put it together. Asked for its length alone, SQLite loads no text. */
const headOf = (proofs: boolean, most?: number): SQL => {
  const text = eventText(proofs ? ", proof" : "");
  const event = most === undefined ? text : `iif(octet_length(data) > ${most}, 'null', ${text})`;
  return sql.raw(`select '[' || group_concat(event) || ']' from (select ${event} as event from`);
};

/** The first events of the selection that have room in a page, by the seqs that they have. */
function withinBytes<A extends Actions>(
  { table, filters, key, order, proofs = false }: Selection<A>,
  limit: number,
  bytes: number,
): Selection<A> {
  const by = sql.raw(`${key} ${order}`);
  const fits = sql`seq in (
    select seq from (
      select seq, sum(size) over (order by ${by}) - size as earlier
      from (
        select seq, id, ${SIZE} as size from ${table} where ${all(filters)}
        order by ${by} limit ${Math.min(limit, MAX_ROWS)}
      )
    ) where earlier < ${bytes})`;
  return { table, filters: [fits], key, order, proofs };
}

const all = (filters: readonly SQL[]): SQL => sql.join([...filters], sql` and `);

const SIZE = sql.raw(
  "200 + octet_length(trace_id) + ifnull(octet_length(proof), 0) + ifnull(octet_length(data), 0) + ifnull(octet_length(meta), 0) + ifnull(octet_length(vclock), 0)",
);

type Row = [
  columns: [
    seq: number,
    id: string,
    action: string,
    traceId: string,
    cortexId: string,
    origin: string,
    timestamp: string,
    proof?: string | null,
  ],
  vclock: VectorClock | null,
  // Then the data if there is any, and if there is an actor, a key or meta, those.
  ...rest: unknown[],
];

function toEvent(row: Row | null): StoredEvent<any> | null {
  if (row === null) return null;
  const [[seq, id, action, traceId, cortexId, origin, timestamp, proof], vclock] = row;
  const event: StoredEvent<any> = { seq, id, action, traceId, cortexId, origin, timestamp };
  if (row.length > 3) setOptional(event, row);
  if (row.length % 2 === 1) event.data = row[2];
  if (vclock) event.vclock = vclock;
  if (proof) event.proof = proof;
  return event;
}

function setOptional(event: StoredEvent<any>, row: Row): void {
  const [actor, idempotencyKey] = row.at(-2) as [string | null, string | null];
  const meta = row.at(-1) as Meta | null;
  if (actor !== null) event.actor = actor;
  if (meta) event.meta = meta;
  if (idempotencyKey !== null) event.idempotencyKey = idempotencyKey;
}

/** Answers with the limit. Throws InputError `INVALID_LIMIT`. */
export function checkLimit(limit: unknown, field = "limit"): number {
  if (Number.isSafeInteger(limit) && (limit as number) >= 1) return limit as number;
  throw new InputError("INVALID_LIMIT", field, `must be a whole number from 1, got ${shapeOf(limit)}`);
}

export function checkedSeq(seq: unknown, least: number, field: string): number {
  if (Number.isSafeInteger(seq) && (seq as number) >= least) return seq as number;
  throw new InputError("INVALID_CURSOR", field, `must be a whole number from ${least}, got ${shapeOf(seq)}`);
}
