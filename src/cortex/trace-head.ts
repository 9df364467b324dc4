import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../database.js";
import type { EventsTable } from "../schema.js";
import { done, type Steps } from "../steps.js";
import { stateAfter, type TraceState, transitions } from "./lifecycle.js";

/** What a mutation of a trace may expect. */
export interface TraceHead {
  /** Of its last event to arrive. Undefined as soon as the batch has changed the trace: it is yet to be given. */
  seq: number | "none" | undefined;
  state: TraceState;
}

/** An event that moved its trace to another state; and whether one with a lower id came after it. */
type Transition = [
  ...[seq: number, id: string, action: string, cortexId: string, counter: number | null],
  hasLater: 0 | 1,
];

/**
 * The heads of these traces. A state is "none" unless asked for. It follows from the transition with the greatest id.
 * If others were made knowing of that one, the greatest of those decides, and so on: an id of the future does not
 * outweigh what was done about it. So logs with the same events agree on it.
 */
export function* readHeads(
  tx: Database,
  table: EventsTable<any>,
  traceIds: readonly string[],
  withStates: boolean,
): Steps<Map<string, TraceHead>> {
  if (traceIds.length === 0) return new Map();
  const rows = tx.values(sql`select trace.value, ${headColumns(table, withStates)}
    from json_each(${JSON.stringify(traceIds)}) as trace`);
  return yield* headsFrom(tx, table, yield* done(rows as HeadRow[]));
}

/** What `headsFrom` has to know: the seq of the last event to arrive, and the transition with the greatest id. */
type HeadRow = [traceId: string, seq: number | bigint | string | null, greatest: string | null];

/** The columns after the first, for each `trace`. */
export function headColumns(table: EventsTable<any>, withStates: boolean): SQL {
  // Seqs are in the index of traces, but not in order. It is read without the rows: one more index would cost
  // every append. As text, where it is put into JSON.
  return sql`(select max(seq) from ${table} where trace_id = trace.value),
    '' || (${withStates ? transition(table, sql`e.trace_id = trace.value`) : null})`;
}

export function* headsFrom(
  db: Database,
  table: EventsTable<any>,
  rows: readonly HeadRow[],
): Steps<Map<string, TraceHead>> {
  const heads = new Map<string, TraceHead>();
  for (const row of rows) {
    const last = row[2] === null ? undefined : yield* readDeciding(db, table, row[0], row[2]);
    heads.set(row[0], {
      seq: row[1] === null ? "none" : Number(row[1]),
      state: stateAfter(last?.[2] ?? null),
    });
  }
  return heads;
}

function* readDeciding(
  tx: Database,
  table: EventsTable<any>,
  traceId: string,
  greatest: string,
): Steps<Transition> {
  let last = JSON.parse(greatest) as Transition;
  while (last[5] === 1) {
    const [seq, id, , cortexId, counter] = last;
    const after = sql`e.trace_id = ${traceId} and e.id < ${id} and e.seq > ${seq}`;
    // Events without a clock are of this log alone, where what comes later knows them, and they what was before.
    const knows = sql`(e.counter is null or json_extract(e.vclock, ${`$."${cortexId}"`}) >= ${counter})`;
    const next = transition(table, counter === null ? after : sql`${after} and ${knows}`);
    const [row] = yield* done(tx.values(sql`select (${next})`) as [[string | null]]);
    if (row[0] === null) break;
    last = JSON.parse(row[0]) as Transition;
  }
  return last;
}

const IS_TRANSITION = sql.raw(`action in (${transitions.map((action) => `'${action}'`)})`);

/** The one with the greatest id. */
function transition(table: EventsTable<any>, where: SQL): SQL {
  return sql`select json_array(e.seq, e.id, e.action, e.cortex_id, e.counter, exists (
      select 1 from ${table} as later
      where later.trace_id = e.trace_id and later.id < e.id and later.seq > e.seq and later.${IS_TRANSITION}
    )) from ${table} as e where ${where} and e.${IS_TRANSITION} order by e.id desc limit 1`;
}
