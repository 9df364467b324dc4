import { sql } from "drizzle-orm";
import { type Consumer, resetPlace, type Start } from "./consumer-place.js";
import { checkDatabase, type Database, type Result } from "./database.js";
import type { Action, Actions } from "./event.js";
import { checkedCursor } from "./feed.js";
import { checkName } from "./field.js";
import { immediate } from "./immediate.js";
import { checkedOptions } from "./input-error.js";
import type { ReadOptions } from "./read.js";
import { done, run, type Steps } from "./steps.js";
import { type ConsumersOptions, consumersOf, tableOf } from "./table.js";

export interface ConsumerOptions<A extends Actions = Action> extends ReadOptions<A>, ConsumersOptions {}

/** How far a consumer has come. */
export interface Lag {
  name: string;
  /** The last event that it has applied or skipped, or that its filter has passed over; 0 for none. */
  seq: number;
  /** How many events of the log come after it, those that a filter will pass over among them. */
  behind: number;
  /** How many events it was told to skip, since it began or was reset. */
  skipped: number;
  /** The seq of the last of them. */
  lastSkipped?: number;
}

/**
 * How far a consumer is behind the log, undefined if it has never begun; or all of them, by name.
 *
 * @throws InputError `INVALID_NAME`.
 */
export function lag<D extends Database, A extends Actions = Action>(
  db: D,
  name: string,
  options?: ConsumerOptions<A>,
): Result<D, Lag | undefined>;
export function lag<D extends Database, A extends Actions = Action>(
  db: D,
  name?: undefined,
  options?: ConsumerOptions<A>,
): Result<D, Lag[]>;
export function lag(db: Database, name?: string, options?: ConsumerOptions<any>): unknown {
  checkDatabase(db);
  if (name !== undefined) checkName(name, "INVALID_NAME", "name");
  const { log, consumers } = tablesOf(options);
  return run(db, reading());

  function* reading(): Steps<Lag | undefined | Lag[]> {
    const filter = name === undefined ? sql`` : sql`where name = ${name}`;
    const query = sql`select name, seq, max(0, (select ifnull(max(seq), 0) from ${log}) - seq), skipped, last_skipped
      from ${consumers} ${filter} order by name`;
    const rows = (yield* done(db.values(query))) as Row[];
    const lags = rows.map(lagOf);
    return name === undefined ? lags : lags[0];
  }
}

type Row = [name: string, seq: unknown, behind: unknown, skipped: unknown, lastSkipped: unknown];

function lagOf(row: Row): Lag {
  const [seq, behind, skipped] = [Number(row[1]), Number(row[2]), Number(row[3])];
  const lag: Lag = { name: row[0], seq, behind, skipped };
  if (row[4] !== null) lag.lastSkipped = Number(row[4]);
  return lag;
}

/**
 * Puts a consumer, also one that runs, behind the event `to`, by its seq or by seq and id: by default at the beginning. Every
 * event from there is applied, again or not; in the same transaction take back what they have done.
 *
 * @throws InputError `INVALID_NAME`, `INVALID_CURSOR`.
 * @throws CursorError the log does not hold the event. The consumer stays where it was.
 */
export function resetConsumer<D extends Database, A extends Actions = Action>(
  db: D,
  name: string,
  options?: ConsumerOptions<A> & { to?: Start },
): Result<D, void> {
  checkDatabase(db);
  checkName(name, "INVALID_NAME", "name");
  const { to = 0, ...rest } = checkedOptions(options);
  const start = checkedStart(to, "to");
  const consumer: Consumer = { name, ...tablesOf(rest) };
  // As all writes: an autocommit on a libsql connection that was refused once may be lost (libsql-client-ts #352).
  if ("rollback" in db) return run(db, resetPlace(db, consumer, start));
  return run(db, inTransaction());

  function* inTransaction(): Steps<void> {
    yield* done(immediate(db, (tx) => run(tx, resetPlace(tx, consumer, start))));
  }
}

export function tablesOf(options: ConsumerOptions<any> | undefined): Omit<Consumer, "name"> {
  const { table, consumers } = checkedOptions(options);
  const log = tableOf({ table });
  return { log, consumers: consumersOf(log, consumers) };
}

export function checkedStart(start: unknown, field: string): Start {
  return start === "end" ? start : checkedCursor(start, field);
}
