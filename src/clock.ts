import { type SQL, sql } from "drizzle-orm";
import { checkDatabase, type Database, type Result } from "./database.js";
import type { Actions } from "./event.js";
import { checkedOptions } from "./input-error.js";
import type { ReadOptions } from "./read.js";
import { refusalIn } from "./refusal.js";
import type { EventsTable } from "./schema.js";
import { done, run, type Steps } from "./steps.js";
import { tableOf } from "./table.js";
import type { VectorClock } from "./vector-clock.js";

/**
 * All that this log has seen: each cortex with the greatest counter of its events here. Reads two index
 * entries per cortex, however long the log. Events without a clock do not count.
 */
export function clock<D extends Database, A extends Actions>(
  db: D,
  options?: ReadOptions<A>,
): Result<D, VectorClock> {
  checkDatabase(db);
  return run(db, readClock(db, tableOf(checkedOptions(options))));
}

export function* readClock(db: Database, table: EventsTable<any>): Steps<VectorClock> {
  const [row] = yield* askWithClock(db, table, (json) => db.values(sql`select ${json}`) as [[string]]);
  return parseClock(row[0]);
}

/** The databases that have refused a recursion: Turso Database knows none yet. */
const flat = new WeakSet<Database>();

/** What a query answers that selects, among others, the clock as JSON. */
export function* askWithClock<T>(
  db: Database,
  table: EventsTable<any>,
  ask: (clock: SQL) => T | PromiseLike<T>,
): Steps<T> {
  if (!flat.has(db)) {
    try {
      return yield* done(ask(seekingClock(table)));
    } catch (error) {
      if (!/recursive/i.test(refusalIn(error)?.message ?? "")) throw error;
      flat.add(db);
    }
  }
  return yield* done(ask(groupedClock(table)));
}

// SQLite has no skip scan for this: the recursion seeks from each cortex to the next.
function seekingClock(table: EventsTable<any>): SQL {
  return sql`(
    with recursive cortex(id) as (
      select min(cortex_id) from ${table} where cortex_id > ''
      union all
      select (select min(cortex_id) from ${table} where cortex_id > cortex.id) from cortex where cortex.id is not null
    )
    select json_group_object(id, (select max(counter) from ${table} where cortex_id = cortex.id))
    from cortex where id is not null
  )`;
}

/** The same from all of the index. */
function groupedClock(table: EventsTable<any>): SQL {
  return sql`(
    select json_group_object(cortex_id, counter)
    from (select cortex_id, max(counter) as counter from ${table} group by cortex_id)
  )`;
}

export function parseClock(json: string): VectorClock {
  const counters = Object.entries(JSON.parse(json) as Record<string, number | null>);
  return Object.fromEntries(counters.filter((entry): entry is [string, number] => entry[1] !== null));
}
