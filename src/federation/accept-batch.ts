import {
  type BatchDatabase,
  checkBatchDatabase,
  MOVED_BEFORE,
  readLast,
  runAtomically,
} from "../atomic-batch.js";
import type { ConflictError } from "../conflict.js";
import type { Action, Actions, EncodedEvent, Event } from "../event.js";
import { markForeign } from "../insert.js";
import { type BatchOptions, checkedBatchOptions, type Patience, untilUnmoved } from "../retry.js";
import type { EventsTable } from "../schema.js";
import { done, run, type Steps } from "../steps.js";
import {
  type Accepted,
  type AcceptOptions,
  acceptAll,
  checkedPage,
  type Insert,
  type Verify,
} from "./accept.js";
import type { Outcome } from "./taking.js";

/**
 * The same as `accept` without a transaction, in one atomic `db.batch`: for D1, and other databases that have it. It
 * looks at the log and then sends the batch, which fails if the log has moved on meanwhile; then it tries again until
 * the deadline. After an error of the network the page may have been stored: accept it again, which is safe.
 *
 * @throws InputError synchronously, before any SQL runs: as `accept`; `NO_BATCH`, `INVALID_DEADLINE`,
 * `INVALID_SIGNAL`.
 * @throws ConflictError as `accept`: nothing was written.
 * @throws DeadlineError the log moved on at every try until the deadline, and the signal's reason: nothing was
 * written.
 */
export function acceptBatch<A extends Actions = Action>(
  db: BatchDatabase,
  page: readonly Event<NoInfer<A>>[],
  options?: AcceptOptions<A> & BatchOptions,
): Promise<Accepted<A>[]> {
  checkBatchDatabase(db);
  const { log, batch, bound, judging } = checkedPage(page, options);
  const patience = checkedBatchOptions(options);
  return acceptAtomically(db, log, { batch, bound, judging, extent: "whole" }, patience).then(
    ({ accepted }) => [...accepted],
  );
}

/** A page of events that `encodeForeign` has validated. */
interface Page {
  batch: readonly EncodedEvent[];
  /** The greatest id that has not drifted. */
  bound: string;
  judging: { verify?: Verify | undefined; shared?: ReadonlyMap<string, number> };
  /** Whether one refused event ends it, or costs no more than what builds on it. */
  extent: "whole" | "what is good";
}

/** Accepts a page in an atomic batch, and again from the look at the log when that has moved on meanwhile. */
export function acceptAtomically(
  db: BatchDatabase,
  table: EventsTable<any>,
  page: Page,
  patience: Patience,
): Promise<Outcome> {
  const attempt = () => run(db, attemptOnce(db, table, page)) as Promise<Outcome>;
  return untilUnmoved(db, attempt, patience);
}

function* attemptOnce(
  db: BatchDatabase,
  table: EventsTable<any>,
  { batch, bound, judging: { verify, shared: before }, extent }: Page,
): Steps<Outcome> {
  // Read first: if the log still ends with it afterwards, all that was read is of one moment.
  const last = yield* readLast(db, table);
  let isSure = false;
  const insert: Insert = function* (_, log, rows) {
    if (rows.length === 0) return [];
    yield* markForeign(db, log, rows);
    const { stored } = yield* done(runAtomically(db, log, rows, { last }, []));
    isSure = true;
    return stored;
  };
  // Anew in each try.
  const [conflicts, shared]: [ConflictError[], Map<string, number>] = [[], new Map(before)];
  const refuse = (error: ConflictError) => {
    conflicts.push(error);
    if (extent === "whole") throw error;
  };
  let accepted: Accepted<any>[] = [];
  try {
    accepted = yield* acceptAll(
      db,
      table,
      batch,
      bound,
      { verify, refuse, ...(before && { shared }) },
      insert,
    );
  } catch (error) {
    if (error !== conflicts[0]) throw error;
  }
  const [conflict] = conflicts;
  if (conflict && !isSure) {
    const now = yield* readLast(db, table);
    if (now.seq !== last.seq || now.id !== last.id) throw MOVED_BEFORE;
  }
  if (conflict && extent === "whole") throw conflict;
  return { accepted, conflicts, shared };
}
