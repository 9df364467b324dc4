import { sql } from "drizzle-orm";
import { clockJson, parseClock } from "./clock.js";
import { andThen, type Transaction } from "./database.js";
import { stateAfter, type TraceState, transitions } from "./lifecycle.js";
import type { EventsTable } from "./schema.js";
import type { VectorClock } from "./vector-clock.js";

/** What a cortex must know of the log to stamp its next event. */
export interface LogState {
  /** All that the log has seen. */
  clock: VectorClock;
  /** What the next id must be greater than. */
  lastId: string;
  greatestId: string;
  /** The traces that were asked for. */
  traces: Map<string, TraceHead>;
}

export interface TraceHead {
  id: string | null;
  state: TraceState;
}

/** Reads it from indexes: in one statement, and in one more each for ids beyond `bound` and for `traceIds`. */
export function lookUp(
  tx: Transaction,
  table: EventsTable<any>,
  cortexId: string,
  bound: string,
  traceIds: readonly string[],
) {
  const rows = tx.values(sql`select ${clockJson(table)}, (select max(id) from ${table} where id > '')`);
  return andThen(rows as [[string, string | null]], ([row]) =>
    andThen(lastIdOf(tx, table, cortexId, bound, row[1] ?? ""), (lastId) =>
      andThen(
        headsOfTraces(tx, table, traceIds),
        (traces): LogState => ({ clock: parseClock(row[0]), lastId, greatestId: row[1] ?? "", traces }),
      ),
    ),
  );
}

/** The id to follow: the greatest up to `bound`, or the cortex's own last one if that is greater. */
function lastIdOf(
  tx: Transaction,
  table: EventsTable<any>,
  cortexId: string,
  bound: string,
  greatest: string,
) {
  if (greatest <= bound) return greatest;
  const rows = tx.values(sql`select (select max(id) from ${table} where id <= ${bound}),
    (select id from ${table} where cortex_id = ${cortexId} order by counter desc limit 1)`);
  return andThen(
    rows as [[string | null, string | null]],
    ([row]) => [row[0] ?? "", row[1] ?? ""].sort()[1]!,
  );
}

function headsOfTraces(tx: Transaction, table: EventsTable<any>, traceIds: readonly string[]) {
  if (traceIds.length === 0) return new Map<string, TraceHead>();
  const rows = tx.values(sql`select
      (select max(id) from ${table} where trace_id = trace.value),
      (select action from ${table} where trace_id = trace.value
        and action in (select value from json_each(${JSON.stringify(transitions)})) order by id desc limit 1)
    from json_each(${JSON.stringify(traceIds)}) as trace`) as [string | null, string | null][];
  return andThen(
    rows,
    (all) => new Map(traceIds.map((id, i) => [id, { id: all[i]![0], state: stateAfter(all[i]![1]) }])),
  );
}
