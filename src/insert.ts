import { type SQL, sql } from "drizzle-orm";
import { markBranches, readTips } from "./branch.js";
import type { Database, RunResult } from "./database.js";
import type { EncodedEvent, StoredEvent } from "./event.js";
import { keptSQL } from "./kept-sql.js";
import type { EventsTable } from "./schema.js";
import { done, type Steps } from "./steps.js";

/** The columns that an event is written to: all but `seq`. */
export const COLUMNS: readonly string[] = [
  ...["id", "action", "trace_id", "cortex_id", "origin", "actor", "timestamp", "proof"],
  ...["data", "meta", "vclock", "idempotency_key", "counter", "branched"],
];
export const COLUMN_LIST = sql.raw(COLUMNS.join(", "));

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

/** Inserts valid events that clash with none in the log, and answers with them as they are stored. */
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
  const result = (yield tx.run(insert)) as RunResult;
  const last = result?.lastInsertRowid ?? (yield* seqOf(tx, table, rows.at(-1)!.event.id));
  return rows.map(({ event }, i) => ({ seq: Number(last) - rows.length + 1 + i, ...event }));
}

const insertOne = keptSQL((table, values) => sql`insert into ${table} (${COLUMN_LIST}) values ${values}`);

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

/** The seq of the event with this id, for drivers that do not tell what they wrote. */
export function* seqOf(
  tx: Database,
  table: EventsTable<any>,
  id: string,
): Steps<number | bigint | undefined> {
  const [row] = yield* done(tx.values(sql`select seq from ${table} where id = ${id}`) as [number | bigint][]);
  return row?.[0];
}
