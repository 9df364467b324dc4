import { isBusy } from "./busy.js";
import { cursorAt, endOf, lockPlace, movePlace } from "./consumer-place.js";
import type { Work } from "./consumer-work.js";
import { checkTransaction, type Database, isSync } from "./database.js";
import type { StoredEvent } from "./event.js";
import { readFeed } from "./feed.js";
import { InputError } from "./input-error.js";
import { done, isPending, run, type Steps } from "./steps.js";
import { disregard } from "./wait.js";

export interface Request {
  size: number;
  skipping: number | undefined;
  isKnown: boolean;
}

export interface Attempt {
  /** `refused`: the database was busy. `failed`: the function, or the commit of what it did. */
  outcome: "applied" | "refused" | "failed";
  /** Those that were applied or skipped, or with which it failed. */
  events: StoredEvent<any>[];
  error?: unknown;
}

/** What has become of a transaction's page. */
interface Page {
  events: StoredEvent<any>[];
  /** How far it has come: nothing of it has failed before it was called with the events. */
  state: "begun" | "called" | "handled" | "nothing" | "overtaken" | "misuse";
}

/** Applies the next events in one transaction. */
export async function attemptPage(work: Work, request: Request): Promise<Attempt> {
  let page: Page = { events: [], state: "begun" };
  try {
    const answer = await work.transaction((tx) => {
      const mine: Page = { events: [], state: "begun" };
      page = mine;
      checkTransaction(tx);
      const outcome = run(tx, applyPage(work, tx, request, mine)) as unknown;
      return isPending(outcome) ? outcome.then(() => mine) : mine;
    });
    if (answer === page) return { outcome: "applied", events: page.events };
    page.state = "misuse";
    const problem = "must run the function that it is given, and answer with its result";
    throw new InputError("INVALID_FUNCTION", "transaction", problem);
  } catch (error) {
    const { events, state } = page;
    if (state === "nothing") return { outcome: "applied", events: [] };
    const mayPass = state === "overtaken" || (isBusy(error) && state !== "called");
    if (mayPass || work.signal?.aborted) return { outcome: "refused", events, error };
    if (state === "begun" || state === "misuse") throw error;
    return { outcome: "failed", events, error };
  }
}

const ROLLBACK = new Error("The consumer has nothing to commit.");

function* applyPage(work: Work, tx: Database, request: Request, page: Page): Steps<void> {
  const place = yield* lockPlace(tx, work, work.start);
  // It takes its place before anything can fail: it begins where the log is now.
  if (!request.isKnown) return;
  const end = work.isFiltered ? yield* endOf(tx, work) : place;
  const events: StoredEvent<any>[] = yield* readFeed(tx, work.selection, cursorAt(place), request.size);
  const to = events.at(-1) ?? end;
  if (to.seq === place.seq) {
    page.state = "nothing";
    throw ROLLBACK;
  }
  page.events = events;
  const skips = events.length === 1 && to.seq === request.skipping;
  if (events.length > 0 && !skips) yield* callHandle(work, tx, page);
  if (yield* movePlace(tx, work, place, { seq: to.seq, id: to.id! }, skips)) return;
  page.state = "overtaken";
  throw ROLLBACK;
}

function* callHandle(work: Work, tx: Database, page: Page): Steps<void> {
  page.state = "called";
  // Copies: the place is not to move by what the function makes of them.
  const events = page.events.map((event) => work.upcast({ ...event }));
  const answer = work.handle(tx, events);
  if (isPending(answer) && isSync(tx)) {
    page.state = "misuse";
    disregard(answer);
    const problem =
      "must not be async on a synchronous driver: what it awaits would come after the transaction";
    throw new InputError("INVALID_FUNCTION", "handle", problem);
  }
  yield* done(answer);
  page.state = "handled";
}
