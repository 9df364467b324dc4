import type { Consumer, Start } from "./consumer-place.js";
import { type ConsumerOptions, checkedStart, tablesOf } from "./consumers.js";
import { checkDatabase, type Database } from "./database.js";
import type { Action, Actions, StoredEvent } from "./event.js";
import { type FeedOptions, filtersOf } from "./feed.js";
import { checkName } from "./field.js";
import { immediate } from "./immediate.js";
import { checkedOptions, checkFunction, InputError, shapeOf } from "./input-error.js";
import { checkLimit, type Selection } from "./select.js";
import { upcastOf } from "./upcast.js";
import { checkMilliseconds, checkSignal, disregard, MAX_MILLISECONDS } from "./wait.js";

export interface ConsumeOptions<A extends Actions = Action>
  extends Omit<FeedOptions<A>, "after" | "limit">,
    ConsumerOptions<A> {
  /** Ends it when the transaction under way is done. */
  signal?: AbortSignal;
  /** How long to wait between two looks for what was committed elsewhere, as in `tail`. */
  interval?: number;
  /** The most events in one transaction. Default 100. */
  limit?: number;
  /** Where a consumer begins that has no place yet. Default 0: before the first event. */
  from?: Start;
  /** How to run a transaction. Default `db.transaction`; with a client of `createClient`, pass `writeTransaction`. */
  transaction?: (work: (tx: any) => any) => unknown;
  /** How often an event is tried again until it is given up. Default 5. */
  retries?: number;
  /**
   * How long to wait after so many failures in a row, in milliseconds. Default about 100 after the first, twice as long after
   * each one more, 30,000 at most, and up to a half of that less, by chance.
   */
  backoff?: (failures: number) => number;
  /**
   * Called with an event that was given up, as it is stored, and with what the function threw. `"skip"` goes on behind
   * it and records that; anything else stops.
   */
  onError?: (error: unknown, event: StoredEvent<A>) => unknown;
}

/** What a consumer does, checked. */
export interface Work extends Consumer {
  db: Database;
  selection: Selection;
  isFiltered: boolean;
  handle: (tx: any, events: StoredEvent<any>[]) => unknown;
  upcast: (event: StoredEvent<any>) => StoredEvent<any>;
  transaction: (work: (tx: any) => unknown) => unknown;
  start: Start;
  interval: number | undefined;
  limit: number;
  retries: number;
  backoff: (failures: number) => number;
  onError: ((error: unknown, event: StoredEvent<any>) => unknown) | undefined;
  signal: AbortSignal | undefined;
}

export function checkedWork(
  db: Database,
  name: unknown,
  handle: unknown,
  options: ConsumeOptions<any> | undefined,
): Work {
  checkDatabase(db);
  checkName(name, "INVALID_NAME", "name");
  checkFunction(handle, "INVALID_FUNCTION", "handle");
  const {
    signal,
    interval,
    limit = 100,
    from = 0,
    retries = 5,
    upcasters,
    ...rest
  } = checkedOptions(options);
  const { transaction = (work) => immediate(db, work), backoff = defaultBackoff, onError, ...tables } = rest;
  checkSignal(signal);
  if (interval !== undefined) checkMilliseconds(interval, "INVALID_INTERVAL", "interval");
  checkLimit(limit);
  if (!Number.isSafeInteger(retries) || retries < 0) {
    const problem = `must be a whole number from 0, got ${shapeOf(retries)}`;
    throw new InputError("INVALID_RETRIES", "retries", problem);
  }
  checkFunction(transaction, "INVALID_FUNCTION", "transaction");
  checkFunction(backoff, "INVALID_FUNCTION", "backoff");
  if (onError !== undefined) checkFunction(onError, "INVALID_FUNCTION", "onError");
  const { log, consumers } = tablesOf(tables);
  const filters = filtersOf(tables);
  return {
    ...{ db, name, log, consumers, signal, interval, limit, retries, transaction, backoff, onError },
    handle: handle as Work["handle"],
    upcast: upcastOf(upcasters),
    start: checkedStart(from, "from"),
    selection: { table: log, filters, key: "seq", order: "asc" },
    isFiltered: filters.length > 0,
  };
}

function defaultBackoff(failures: number): number {
  return Math.min(100 * 2 ** (failures - 1), 30_000) * (1 - Math.random() / 2);
}

/** How long to wait after so many failures in a row. @throws InputError `INVALID_FUNCTION`. */
export function waitAfter({ backoff }: Work, failures: number): number {
  const milliseconds = backoff(failures);
  if (milliseconds >= 0 && milliseconds <= MAX_MILLISECONDS) return milliseconds;
  disregard(milliseconds);
  const problem = `must answer with milliseconds below 2^31, got ${shapeOf(milliseconds)}`;
  throw new InputError("INVALID_FUNCTION", "backoff", problem);
}
