import { type BatchDatabase, checkBatchDatabase } from "../atomic-batch.js";
import type { ConflictError } from "../conflict.js";
import { checkDatabase, type Database } from "../database.js";
import { driftBound } from "../drift.js";
import {
  type Action,
  type Actions,
  checkMaxDataBytes,
  type EncodedEvent,
  type EventLimits,
} from "../event.js";
import { type Frontier, frontier, hashAt } from "../frontier.js";
import { checkedOptions, checkFunction, InputError } from "../input-error.js";
import type { ReadOptions } from "../read.js";
import type { EventsTable } from "../schema.js";
import { checkLimit } from "../select.js";
import { inTurn } from "../steps.js";
import { tableOf } from "../table.js";
import type { VectorClock } from "../vector-clock.js";
import { checkSignal, nextTurn } from "../wait.js";
import { type Accepted, acceptAll, type Verify } from "./accept.js";
import { acceptAtomically } from "./accept-batch.js";
import { committed, type Transact } from "./caller-transaction.js";
import { checkedFrontier, compareAll } from "./compare.js";
import { pageOf, piecesOf } from "./page.js";
import { checkedPeer, type Later, type Peer } from "./peer.js";
import { PeerError } from "./peer-error.js";
import { type Outcome, type PullReport, startTaking, type Taking, uncompared } from "./taking.js";

export interface PullOptions<A extends Actions = Action> extends ReadOptions<A>, EventLimits {
  /** Stops between pages; what has been accepted stays. */
  signal?: AbortSignal;
  /** Told after each page, and waited for. */
  onProgress?: (progress: PullReport) => unknown;
  /** The most events in a page. Default 1,000. A transaction takes a page, or half a mebibyte or so of it. */
  limit?: number;
  /**
   * Which cortexes' events to take, asked once for each; default all. An event of theirs that builds on one of
   * another cortex is refused, for that one is not there.
   */
  cortexes?: (cortexId: string) => boolean;
  /** Whether this signature of the hash is the cortex's own: see `accept`. */
  verify?: Verify;
  /**
   * How to run a transaction. Default `db.transaction`; on a libsql file, pass `writeTransaction`. `"batch"`: without
   * one, by `acceptBatch`. That is the default on D1, and saves round trips to a libsql server.
   */
  transaction?: ((write: (tx: any) => Promise<Accepted<A>[]>) => Promise<Accepted<A>[]>) | "batch";
}

/**
 * Brings all that a peer has when it is asked, and this log lacks, into this log, a page per transaction. Interrupted, it goes on
 * from the log itself the next time; the peer may come by its events in any way, and keeps nothing of this. Pulls
 * into one log may overlap: each ends when the log has all that its peer had.
 *
 * First the two logs are compared. Where they hold different histories of a cortex it has forked. Every pull tells that
 * in `refused`, until it is mended (see `salvage`): a ConflictError `FORK` with `agreed`, the last counter at which they
 * are the same. From that peer nothing is taken that counts the cortex beyond it, whoever wrote it.
 *
 * An event that is refused (see `accept`) ends the pull of its cortex and of what builds on it, not of what comes
 * before it nor of others: see `refused` in the report. A peer is left when it has had 256 refused.
 *
 * A page for which the peer answers `BODY_TOO_LARGE` is asked for again with a tenth of the events; a single event
 * for which it does is refused as `DATA_TOO_LARGE`.
 *
 * @throws InputError, as a rejection: the arguments are not valid, or the peer's answer is none (`INVALID_PEER`).
 * @throws the signal's reason, and what the peer or the database throws. Accepted pages stay.
 */
export async function pull<A extends Actions = Action>(
  db: Database,
  peer: Peer,
  options?: PullOptions<A>,
): Promise<PullReport> {
  const from = checkedPeer(peer);
  const { signal, onProgress, table, transaction, limits, ...checked } = checkedPull(db, options);
  const hashes = { ours: (id: string, counter: number) => hashAt(db, id, counter, { table }), from, signal };
  const ours = await frontier(db, { table });
  const theirs = checkedFrontier(await from.frontier(signal));
  const taking = startTaking(ours, checked.cortexes);
  taking.compared(await compareAll(ours, theirs, hashes));
  taking.begin(theirs);
  /** Once more, for cortexes that the logs have come to since. */
  const compareAgain = async (ids: readonly string[]) => {
    if (ids.length === 0) return;
    const now = checkedFrontier(await from.frontier(signal));
    taking.compared(await compareAll(await frontier(db, { table }), now, hashes, ids));
  };
  /** Cortexes that the peer has served another history of than its frontier told. */
  const servedOtherwise = async (): Promise<string[]> => {
    const others: string[] = [];
    for (const [id, { counter, hash }] of Object.entries(theirs)) {
      if (counter <= (ours[id]?.counter ?? 0)) continue;
      if (((await hashAt(db, id, counter, { table })) ?? hash) !== hash) others.push(id);
    }
    return others;
  };
  let { limit } = checked;

  for (;;) {
    signal?.throwIfAborted();
    const answer = await askPage(from, taking.known(), limit, signal);
    limit = answer.limit;
    const before = taking.place();
    if (answer.tooLarge) {
      await leaveTooLarge(from, taking, theirs, answer.tooLarge, signal);
      limit = checked.limit;
    }
    for await (const { batch, misread } of piecesOf(answer.page, limits, taking.isWanted)) {
      await compareAgain(uncompared(batch, taking.shared()).filter(taking.isWanted));
      const outcome = await transaction(batch, taking.shared());
      await compareAgain(outcome.conflicts.filter(mayBeFork).map(({ cortexId }) => cortexId));
      taking.take(outcome, misread);
      if (taking.isFull()) break;
    }
    await onProgress?.(taking.report());
    // While a peer writes, it always has some more. A page that brought nothing would come again.
    const { length } = answer.page;
    const isLast =
      !answer.tooLarge && (length === 0 || (length < limit && taking.lacking(theirs).length === 0));
    if (isLast || taking.place() === before || taking.isFull()) {
      await compareAgain(await servedOtherwise());
      return taking.report();
    }
    await nextTurn();
  }
}

/** A page may show that another history came into this log, or into the peer's, since they were compared. */
const mayBeFork = ({ code }: ConflictError) => code === "FORK" || code === "BROKEN_CHAIN";

interface Answer {
  page: readonly unknown[];
  limit: number;
  /** That a single event is. */
  tooLarge?: PeerError;
}

async function askPage(
  from: Peer,
  wanted: VectorClock,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  try {
    return { page: pageOf(await from.missing(wanted, limit, signal)).slice(0, limit), limit };
  } catch (error) {
    if (!isTooLarge(error)) throw error;
    if (limit === 1) return { page: [], limit, tooLarge: error };
    // In a few steps, for each may cost as much again.
    return askPage(from, wanted, Math.ceil(limit / 10), signal);
  }
}

const isTooLarge = (error: unknown): error is PeerError =>
  error instanceof PeerError && error.code === "BODY_TOO_LARGE";

/**
 * Leaves the cortexes whose next event alone is too large for an answer, so that the others go on: which they are is
 * found by asking for one event of each. Throws the cause if there are none.
 */
async function leaveTooLarge(
  from: Peer,
  taking: Taking,
  theirs: Frontier,
  cause: PeerError,
  signal: AbortSignal | undefined,
): Promise<void> {
  const before = taking.place();
  for (const id of taking.lacking(theirs)) {
    if (taking.isFull()) return;
    signal?.throwIfAborted();
    const { tooLarge } = await askPage(from, taking.knownBut(id, theirs), 1, signal);
    if (!tooLarge) continue;
    const problem = "is too large for an answer of the peer: see the cause";
    taking.refuse(id, new InputError("DATA_TOO_LARGE", "event", problem, [], { cause: tooLarge }));
  }
  if (taking.place() === before) throw cause;
}

function checkedPull(db: Database, options: PullOptions<any> | undefined) {
  checkDatabase(db);
  const checked = checkedOptions(options);
  const { signal, onProgress, limit = 1000, table, cortexes, transaction, maxDataBytes, verify } = checked;
  checkSignal(signal);
  checkLimit(limit);
  if (onProgress !== undefined) checkFunction(onProgress, "INVALID_FUNCTION", "onProgress");
  if (cortexes !== undefined) checkFunction(cortexes, "INVALID_FUNCTION", "cortexes");
  if (verify !== undefined) checkFunction(verify, "INVALID_FUNCTION", "verify");
  const isBatch = transaction === "batch" || (transaction === undefined && isD1(db));
  if (isBatch) checkBatchDatabase(db);
  else if (transaction !== undefined) checkFunction(transaction, "INVALID_FUNCTION", "transaction");
  if (maxDataBytes !== undefined) checkMaxDataBytes(maxDataBytes);
  const limits: EventLimits = maxDataBytes === undefined ? {} : { maxDataBytes };
  const transact = (transaction ?? db.transaction.bind(db)) as Transact<Accepted<any>[]>;
  const log = tableOf({ table });
  const patience = signal ? { signal } : {};
  return {
    ...{ signal, onProgress, limit, limits, table: log, cortexes: cortexes ?? (() => true) },
    transaction: async (
      batch: readonly EncodedEvent[],
      shared: ReadonlyMap<string, number>,
    ): Promise<Outcome> => {
      if (batch.length === 0) return { accepted: [], conflicts: [], shared };
      if (!isBatch) return acceptIn(transact, log, batch, shared, verify);
      const judging = { verify, shared };
      const page = { batch, bound: driftBound({}), judging, extent: "what is good" } as const;
      return acceptAtomically(db as BatchDatabase, log, page, patience);
    },
  };
}

/** By its client, which runs single statements and batches, and no transaction. */
function isD1(db: Database): boolean {
  const { $client } = db as { $client?: unknown };
  const { prepare, batch, transaction } = Object($client) as Record<string, unknown>;
  return typeof prepare === "function" && typeof batch === "function" && transaction === undefined;
}

/** Accepts the batch in a transaction of the caller's. */
async function acceptIn(
  transaction: Transact<Accepted<any>[]>,
  table: EventsTable<any>,
  batch: readonly EncodedEvent[],
  before: ReadonlyMap<string, number>,
  verify: Verify | undefined,
): Promise<Outcome> {
  let outcome!: Outcome;
  await committed(transaction, (tx) => {
    // Anew in each run, for a transaction may be run again.
    const [conflicts, shared]: [ConflictError[], Map<string, number>] = [[], new Map(before)];
    const refuse = (error: ConflictError) => void conflicts.push(error);
    return inTurn(tx, function* () {
      const accepted = yield* acceptAll(tx, table, batch, driftBound({}), { verify, refuse, shared });
      outcome = { accepted, conflicts, shared };
      return accepted;
    }) as Later<Accepted<any>[]>;
  });
  return outcome;
}
