import { isBusy } from "./busy.js";
import { ConsumerError } from "./consumer-error.js";
import { attemptPage } from "./consumer-page.js";
import { cursorAt, endOf, type Place, readPlace } from "./consumer-place.js";
import { type ConsumeOptions, checkedWork, type Work, waitAfter } from "./consumer-work.js";
import type { Database } from "./database.js";
import type { Action, Actions, StoredEvent } from "./event.js";
import { readFeed } from "./feed.js";
import { monotonicNow } from "./real-time.js";
import { run, type Steps } from "./steps.js";
import { nextTurn, pause } from "./wait.js";
import { watchCommits } from "./wake.js";

export type { ConsumeOptions } from "./consumer-work.js";

/** As `db.transaction` passes it on. */
export type TransactionOf<D> = D extends { transaction(work: infer W, ...rest: any[]): unknown }
  ? W extends (tx: infer X, ...rest: any[]) => unknown
    ? X
    : never
  : never;

// How long a filter may have passed over events until the consumer's place tells so, in milliseconds.
const SETTLE = 1000;
/** A busy database is not waited for longer than after so many refusals. */
const MOST_REFUSALS = 5;

/**
 * Applies each event of the log once, from where the consumer of this name has left off: `handle` gets a page of events and
 * the transaction in which the consumer's place moves on. Any number of processes may run the same one: they take turns, and
 * when one dies, another goes on. It ends when `signal` aborts.
 *
 * Only what `handle` does by `tx` is once: what it does elsewhere is done at least once, for a transaction may fail after it.
 * On a synchronous driver it must not be async. It is called anew with fewer events to find the one at which it fails, and
 * with that one alone after a pause; after `retries` more failures the consumer stops.
 *
 * It needs `db.transaction`, which D1 does not have.
 *
 * @throws ConsumerError `POISON`: it has stopped before an event.
 * @throws CursorError as `feed` does: the log is not the one of the consumer's place.
 * @throws InputError, as a rejection, as `tail` does, and `INVALID_NAME`, `INVALID_RETRIES`, `INVALID_FUNCTION`.
 * @throws whatever `onError` throws, and what the database refuses before `handle` is called, but for SQLITE_BUSY and a
 * deadline: that is tried again until it passes.
 */
export async function consume<D extends Database, A extends Actions = Action>(
  db: D,
  name: string,
  handle: (tx: TransactionOf<D>, events: StoredEvent<A>[]) => unknown,
  options?: ConsumeOptions<A>,
): Promise<void> {
  const work = checkedWork(db, name, handle, options);
  const { signal } = work;
  const search: Search = { suspects: 0, failures: 0, refusals: 0 };
  const watch = watchCommits(db, work.interval);
  try {
    let passed: Passed | undefined;
    while (!signal?.aborted) {
      watch.begin();
      for (;;) {
        const found = await look(work, passed);
        passed = found.passed;
        const isDue = found.isNew || (passed !== undefined && monotonicNow() >= passed.due);
        if (signal?.aborted || !isDue) break;
        await step(work, search, found.isKnown);
        await nextTurn();
      }
      await watch.news(signal, passed && SETTLE);
    }
  } finally {
    watch.end();
  }
}

/** Events that the filter has passed over behind a place. */
interface Passed {
  from: Place;
  to: Place;
  /** When the consumer's place has to tell so. */
  due: number;
}

interface Found {
  /** Whether there are events to apply, or a place to take. */
  isNew: boolean;
  /** Whether the consumer has a place. */
  isKnown: boolean;
  /** What need not be looked through again. */
  passed?: Passed;
}

/** Looks without a lock for anything to do. */
async function look(work: Work, passed: Passed | undefined): Promise<Found> {
  for (let refusals = 1; ; refusals++) {
    try {
      return await run(work.db, looking(work, passed));
    } catch (error) {
      if (work.signal?.aborted) return { isNew: false, isKnown: true };
      if (!isBusy(error)) throw error;
      await pause(waitAfter(work, Math.min(refusals, MOST_REFUSALS)), work.signal);
    }
  }
}

function* looking(work: Work, passed: Passed | undefined): Steps<Found> {
  const { db, selection, isFiltered } = work;
  const place = yield* readPlace(db, work);
  if (place === undefined) return { isNew: true, isKnown: false };
  const before = passed?.from.seq === place.seq && passed.from.id === place.id ? passed : undefined;
  const end = isFiltered ? yield* endOf(db, work) : place;
  const page = yield* readFeed(db, selection, cursorAt(before?.to ?? place), 1);
  if (page.length > 0) return { isNew: true, isKnown: true };
  if (end.seq <= place.seq) return { isNew: false, isKnown: true };
  const due = before?.due ?? monotonicNow() + SETTLE;
  return { isNew: false, isKnown: true, passed: { from: place, to: end, due } };
}

/** How the search goes for an event that fails. */
interface Search {
  /** Among so many of the next events is the one that fails. */
  suspects: number;
  /** The seq of the event that fails, and how often it has failed alone. */
  failing?: number;
  failures: number;
  /** The seq of the event that is to be skipped. */
  skipping?: number | undefined;
  /** How often in a row the database was busy. */
  refusals: number;
}

/** One transaction, and what its failure calls for. */
async function step(work: Work, search: Search, isKnown: boolean): Promise<void> {
  const { limit, signal } = work;
  const size = search.suspects === 0 ? limit : Math.ceil(search.suspects / 2);
  const attempt = await attemptPage(work, { size, skipping: search.skipping, isKnown });
  if (attempt.outcome === "applied") {
    const { length } = attempt.events;
    search.suspects = length === 0 ? 0 : Math.max(0, search.suspects - length);
    search.refusals = 0;
    search.skipping = undefined;
    return;
  }
  if (signal?.aborted) return;
  if (attempt.outcome === "refused")
    return pause(waitAfter(work, Math.min(++search.refusals, MOST_REFUSALS)), signal);
  const [first] = attempt.events;
  search.suspects = attempt.events.length;
  if (search.suspects > 1) return;
  search.failures = search.failing === first!.seq ? search.failures + 1 : 1;
  search.failing = first!.seq;
  if (search.failures <= work.retries) return pause(waitAfter(work, search.failures), signal);
  const decision = await work.onError?.(attempt.error, first!);
  if (decision !== "skip") throw new ConsumerError(work.name, first!.seq, first!.id, attempt.error);
  search.skipping = first!.seq;
}
