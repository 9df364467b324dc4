import { type SQL, sql } from "drizzle-orm";
import { markBranches, readTips } from "./branch.js";
import type { Database, RunResult } from "./database.js";
import type { EncodedEvent, Event, StoredEvent } from "./event.js";
import { keptSQL } from "./kept-sql.js";
import { passedOver } from "./migration-error.js";
import type { EventsTable } from "./schema.js";
import { done, type Steps } from "./steps.js";

/** The columns that an event is written to: all but `seq`. */
export const COLUMNS: readonly string[] = [
  ...["id", "action", "trace_id", "cortex_id", "origin", "actor", "timestamp", "proof"],
  ...["data", "meta", "vclock", "idempotency_key", "counter", "branched"],
];
const COLUMN_LIST = sql.raw(COLUMNS.join(", "));

/** In the order of `COLUMNS`. */
export function valuesOf({ event: e, proof, data, meta, vclock, counter, branched }: EncodedEvent) {
  return [
    e.id,
    e.action,
    e.traceId,
    e.cortexId,
    e.origin,
    e.actor ?? null,
    e.timestamp,
    proof,
    data,
    meta,
    vclock,
    e.idempotencyKey ?? null,
    counter,
    branched ? 1 : null,
  ];
}

/** Inserts events whose clocks were not made from this log: marks those that branch their trace. */
export function insertForeign(
  tx: Database,
  table: EventsTable<any>,
  rows: readonly EncodedEvent[],
): Steps<StoredEvent<any>[]> {
  const clocked = rows.filter(({ counter }) => counter !== null);
  return clocked.length === 0 ? insertRows(tx, table, rows) : insertMarked(tx, table, rows, clocked);
}

function* insertMarked(
  tx: Database,
  table: EventsTable<any>,
  rows: readonly EncodedEvent[],
  clocked: readonly EncodedEvent[],
): Steps<StoredEvent<any>[]> {
  yield* markForeign(tx, table, clocked);
  return yield* insertRows(tx, table, rows);
}

/** Marks the events with a clock that branch their trace, as the log is. */
export function* markForeign(
  db: Database,
  table: EventsTable<any>,
  clocked: readonly EncodedEvent[],
): Steps<void> {
  const traceIds = [...new Set(clocked.map(({ event }) => event.traceId))];
  markBranches(clocked, yield* readTips(db, table, traceIds));
}

/**
 * Inserts valid events that clash with none in the log, and answers with them as they are stored.
 *
 * @throws MigrationError `LOG_DIFFERS`: a trigger of the app's has passed over one.
 */
export function* insertRows(
  tx: Database,
  table: EventsTable<any>,
  rows: readonly EncodedEvent[],
): Steps<StoredEvent<any>[]> {
  if (rows.length === 0) return [];
  const values = rows.map(valuesOf);
  const insert =
    values.length === 1
      ? insertOne(table, values[0]!)
      : sql`insert into ${table} (${COLUMN_LIST}) ${selectRows(values)}`;
  // The seqs of a statement are contiguous, and this one's are the last: RETURNING would make an object for each.
  const { changes, lastInsertRowid } = toldBy((yield tx.run(insert)) as RunResult);
  const last = lastInsertRowid ?? (yield* seqOf(tx, table, rows.at(-1)!.event.id));
  if (last === undefined || (changes !== undefined && changes < rows.length)) throw passedOver();
  return rows.map(({ event }, i) => ({ seq: Number(last) - rows.length + 1 + i, ...event }));
}

const insertOne = keptSQL((table, values) => sql`insert into ${table} (${COLUMN_LIST}) values ${values}`);

/**
 * Inserts a valid event without a clock if no event has its idempotency key; otherwise inserts nothing and answers with
 * undefined. Looking for the key first took more than the insert itself.
 */
export function insertRequest(
  tx: Database,
  table: EventsTable<any>,
  encoded: EncodedEvent,
): Steps<StoredEvent<any> | undefined> {
  const values = [...valuesOf(encoded), encoded.event.idempotencyKey];
  return tryInsert(tx, table, encoded.event, insertOneRequest(table, values));
}

const insertOneRequest = keptSQL((table, values) => insertIf(table, values, hasNo(table, values.at(-1))));

/** That no event has this idempotency key. */
export const hasNo = (table: EventsTable<any>, key: unknown): SQL =>
  sql`not exists (select 1 from ${table} where idempotency_key = ${key})`;

/** The first values are the row's. */
export function insertIf(table: EventsTable<any>, values: readonly unknown[], condition: SQL): SQL {
  return sql`insert into ${table} (${COLUMN_LIST}) select * from (values ${values.slice(0, COLUMNS.length)}) where ${condition}`;
}

/** Runs a conditional insert of one event. */
export function* tryInsert(
  tx: Database,
  table: EventsTable<any>,
  event: Event<any>,
  insert: SQL,
): Steps<StoredEvent<any> | undefined> {
  const { changes, lastInsertRowid } = toldBy((yield tx.run(insert)) as RunResult);
  if (changes === 0) return undefined;
  const isTold = changes === 1 && lastInsertRowid !== undefined;
  const seq = isTold ? lastInsertRowid : yield* seqOf(tx, table, event.id);
  return seq === undefined ? undefined : { seq: Number(seq), ...event };
}

/**
 * The rows out of one JSON text, but a column that is the same in all of them as one parameter: taking all
 * values out of every row made a batch of 1,000 1.2 times slower (libsql).
 */
function selectRows(rows: readonly unknown[][]): SQL {
  const [first = []] = rows;
  const varying = [...first.keys()].filter((i) => rows.some((row) => row[i] !== first[i]));
  const json = JSON.stringify(rows.map((row) => varying.map((i) => row[i])));
  const columns = first.map((value, i) =>
    varying.includes(i) ? sql.raw(`value->>${varying.indexOf(i)}`) : sql`${value}`,
  );
  return sql`select ${sql.join(columns, sql`, `)} from json_each(${json})`;
}

/** The same of every driver, each undefined where it does not tell. */
function toldBy(result: RunResult) {
  const { rowsAffected, changes = rowsAffected, lastInsertRowid } = result ?? {};
  return { changes, lastInsertRowid };
}

/** The seq of the event with this id, for drivers that do not tell what they wrote. */
function* seqOf(tx: Database, table: EventsTable<any>, id: string): Steps<number | bigint | undefined> {
  const [row] = yield* done(tx.values(sql`select seq from ${table} where id = ${id}`) as [number | bigint][]);
  return row?.[0];
}
