import { sql } from "drizzle-orm";
import { askWithClock, parseClock } from "./clock.js";
import { checkDatabase, type Database, type Result } from "./database.js";
import type { Actions } from "./event.js";
import { checkULID } from "./field.js";
import { checkedOptions } from "./input-error.js";
import { NO_HASH } from "./proof.js";
import type { ReadOptions } from "./read.js";
import type { EventsTable } from "./schema.js";
import { checkedSeq } from "./select.js";
import { done, run, type Steps } from "./steps.js";
import { tableOf } from "./table.js";

/** How far a log has got with each cortex: its last event's counter, and that event's hash. */
export type Frontier = Readonly<Record<string, { readonly counter: number; readonly hash: string }>>;

/**
 * All that this log has seen, as `clock` tells it, and with each counter the hash of the event there. Two logs with
 * the same hash at a counter hold the same events of that cortex up to it. Reads three index entries and one row per
 * cortex, however long the log. Events without a clock do not count.
 */
export function frontier<D extends Database, A extends Actions>(
  db: D,
  options?: ReadOptions<A>,
): Result<D, Frontier> {
  checkDatabase(db);
  return run(db, readFrontier(db, tableOf(checkedOptions(options))));
}

function* readFrontier(db: Database, table: EventsTable<any>): Steps<Frontier> {
  const [row] = yield* askWithClock(db, table, (clock) => {
    const rows = db.values(sql`select json_group_array(json_array(last.key, last.value, (
        select substr(proof, 1, 64) from ${table} where cortex_id = last.key and counter = last.value)))
      from json_each(${clock}) as last where last.value is not null`);
    return rows as [[string]];
  });
  const lasts = JSON.parse(row[0]) as [cortexId: string, counter: number, hash: string][];
  return Object.fromEntries(lasts.map(([cortexId, counter, hash]) => [cortexId, { counter, hash }]));
}

/**
 * The hash of this cortex's event with this counter, or undefined if the log does not hold it.
 *
 * @throws InputError `INVALID_CORTEX_ID`, `INVALID_CURSOR`.
 */
export function hashAt<D extends Database, A extends Actions>(
  db: D,
  cortexId: string,
  counter: number,
  options?: ReadOptions<A>,
): Result<D, string | undefined> {
  checkDatabase(db);
  checkULID(cortexId, "INVALID_CORTEX_ID", "cortexId");
  checkedSeq(counter, 1, "counter");
  const table = tableOf(checkedOptions(options));
  return run(db, readHash());

  function* readHash(): Steps<string | undefined> {
    const rows = db.values(sql`select substr(proof, 1, 64) from ${table}
      where cortex_id = ${cortexId} and counter = ${counter}`) as [string][];
    const [row] = yield* done(rows);
    return row?.[0];
  }
}

/** What a log holds of each cortex, as far as it is asked. */
export interface Known {
  /** How many events of it. */
  counters: Map<string, number>;
  /** The hash of its last one. */
  hashes: Map<string, string>;
}

/** How far every cortex has got, and the last hashes of these. */
export function* readKnown(
  db: Database,
  table: EventsTable<any>,
  cortexIds: readonly string[],
): Steps<Known> {
  const asked = JSON.stringify([...new Set(cortexIds)]);
  const [row] = yield* askWithClock(db, table, (clock) => {
    const rows = db.values(sql`select ${clock}, (
      select json_group_object(value, (
        select substr(proof, 1, 64) from ${table} where cortex_id = value order by counter desc limit 1))
      from json_each(${asked}))`);
    return rows as [[string, string]];
  });
  const hashes = Object.entries(JSON.parse(row[1]) as Record<string, string | null>);
  return {
    counters: new Map(Object.entries(parseClock(row[0]))),
    hashes: new Map(hashes.map(([id, hash]) => [id, hash ?? NO_HASH])),
  };
}
