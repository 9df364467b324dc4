import { isBusy } from "./busy.js";
import { checkDatabase, type Database } from "./database.js";
import type { Action, Actions, StoredEvent } from "./event.js";
import { checkedCursor, cursorOf, type FeedOptions, filtersOf, pages } from "./feed.js";
import { checkedOptions } from "./input-error.js";
import { latest } from "./read.js";
import { tableOf } from "./table.js";
import { checkMilliseconds, checkSignal, pause } from "./wait.js";
import { watchCommits } from "./wake.js";

export interface TailOptions<A extends Actions = Action> extends FeedOptions<A> {
  /** Ends the iteration. */
  signal?: AbortSignal;
  /**
   * How long to wait between two looks for what was committed elsewhere, in milliseconds. Default 100; 1,000 where
   * the driver is asynchronous and not @libsql/client's on a file or in memory.
   */
  interval?: number;
}

/** How long to wait until a busy database is asked again, in milliseconds. */
const BUSY = 100;

/**
 * The pages of the feed, and then new ones as they come: it ends only when `signal` aborts or the caller
 * leaves the loop. A commit of this process, through any client of `openLibsql` on the same file, wakes it at once.
 * Others' commits it sees at its next look, every `interval`: on such a file that is SQLite's `data_version`, on
 * other databases the log itself is asked. A database that is busy is asked again, until it is not.
 *
 * @throws InputError, CursorError as `feed` does, and `INVALID_INTERVAL`, `INVALID_SIGNAL`, at a step.
 */
export async function* tail<A extends Actions = Action>(
  db: Database,
  options?: TailOptions<A>,
): AsyncGenerator<StoredEvent<A>[], void, undefined> {
  checkDatabase(db);
  const { signal, interval, ...given } = checkedOptions(options);
  const table = tableOf(given);
  checkSignal(signal);
  if (interval !== undefined) checkMilliseconds(interval, "INVALID_INTERVAL", "interval");
  const filtered = filtersOf(given).length > 0;
  let after = checkedCursor(given.after === undefined ? 0 : given.after);
  const watch = watchCommits(db, interval);
  try {
    while (!signal?.aborted) {
      watch.begin();
      // What a filter has passed over by now need not be passed over at every look.
      const end = filtered ? await unlessBusy(() => latest<Database, A>(db, { limit: 1, table })) : [];
      const feed = pages(db, { ...given, after });
      const next = () => unlessBusy(() => feed.next());
      let step = end && (await next());
      for (; step && !step.done; step = await next()) {
        after = cursorOf(step.value);
        yield step.value;
        if (signal?.aborted) return;
      }
      if (!end || !step) {
        await pause(BUSY, signal);
        continue;
      }
      const [last] = end;
      if (last && last.seq > (typeof after === "number" ? after : after.seq)) after = cursorOf([last]);
      await watch.news(signal);
    }
  } finally {
    watch.end();
  }
}

/** What `read` answers, or undefined if somebody else uses the database. */
async function unlessBusy<T>(read: () => PromiseLike<T> | T): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isBusy(error)) return undefined;
    throw error;
  }
}
