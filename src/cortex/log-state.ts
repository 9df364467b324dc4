import { sql } from "drizzle-orm";
import { askWithClock, parseClock } from "../clock.js";
import type { Transaction } from "../database.js";
import { NO_HASH } from "../proof.js";
import type { EventsTable } from "../schema.js";
import { done, type Steps } from "../steps.js";
import type { VectorClock } from "../vector-clock.js";
import { readHeads, type TraceHead } from "./trace-head.js";

/** What a cortex must know of the log to stamp its next event. */
export interface LogState {
  /** All that the log has seen. */
  clock: VectorClock;
  /** Of the cortex's last event. */
  hash: string;
  /** What the next id must be greater than. */
  lastId: string;
  greatestId: string;
  /** The traces that were asked for. */
  traces: ReadonlyMap<string, TraceHead>;
}

/**
 * Reads it from indexes: in one statement, and in one more each for ids beyond `bound` and for `traceIds`; for a state
 * that is decided by what knows a later id, in more.
 */
export function* readLogState(
  tx: Transaction,
  table: EventsTable<any>,
  cortexId: string,
  bound: string,
  traceIds: readonly string[],
  withStates: boolean,
): Steps<LogState> {
  const [row] = yield* askWithClock(tx, table, (clock) => {
    const rows = tx.values(sql`select ${clock}, (select max(id) from ${table} where id > ''),
      (select substr(proof, 1, 64) from ${table} where cortex_id = ${cortexId} order by counter desc limit 1)`);
    return rows as [[string, string | null, string | null]];
  });
  const greatestId = row[1] ?? "";
  const lastId = greatestId <= bound ? greatestId : yield* readLastId(tx, table, cortexId, bound);
  const traces = yield* readHeads(tx, table, traceIds, withStates);
  return { clock: parseClock(row[0]), hash: row[2] ?? NO_HASH, lastId, greatestId, traces };
}

/** The id to follow: the greatest up to `bound`, or the cortex's own last one if that is greater. */
function* readLastId(
  tx: Transaction,
  table: EventsTable<any>,
  cortexId: string,
  bound: string,
): Steps<string> {
  const rows = tx.values(sql`select (select max(id) from ${table} where id <= ${bound}),
    (select id from ${table} where cortex_id = ${cortexId} order by counter desc limit 1)`);
  const [row] = yield* done(rows as [[string | null, string | null]]);
  return [row[0] ?? "", row[1] ?? ""].sort()[1]!;
}
