import { clock } from "../clock.js";
import { ConflictError } from "../conflict.js";
import { checkDatabase, checkTransaction, type Database, type Transaction } from "../database.js";
import { driftBound } from "../drift.js";
import {
  type Action,
  type Actions,
  checkMaxDataBytes,
  type EncodedEvent,
  type EventLimits,
} from "../event.js";
import {
  checkedOptions,
  checkFunction,
  entriesOf,
  InputError,
  isArray,
  reading,
  shapeOf,
} from "../input-error.js";
import { parseEvent } from "../json-form.js";
import type { ReadOptions } from "../read.js";
import type { EventsTable } from "../schema.js";
import { checkLimit } from "../select.js";
import { inTurn, isPending } from "../steps.js";
import { tableOf } from "../table.js";
import { isULID } from "../ulid.js";
import { counterOf, type VectorClock } from "../vector-clock.js";
import { checkSignal, nextTurn } from "../wait.js";
import { type Accepted, acceptAll, encodeForeign } from "./accept.js";
import { checkedKnown } from "./missing.js";
import type { Later, Peer } from "./peer.js";

export interface PullOptions<A extends Actions = Action> extends ReadOptions<A>, EventLimits {
  /** Stops between pages; what has been accepted stays. */
  signal?: AbortSignal;
  /** Told after each page, and waited for. */
  onProgress?: (progress: PullProgress) => unknown;
  /** The most events in a page, which is one transaction. Default 1,000. */
  limit?: number;
  /** How to run a transaction. Default `db.transaction`; on libsql, pass `writeTransaction`. */
  transaction?: (write: (tx: any) => Promise<Accepted<A>[]>) => Promise<Accepted<A>[]>;
}

export interface PullProgress {
  stored: number;
  duplicates: number;
  /** How many events the peer had that were missing here when the pull began. */
  total: number;
}

/** Events of a cortex that were not accepted, and why; later ones of that cortex were not asked for. */
export interface Refusal {
  /** Undefined if the event is too broken to tell. */
  cortexId: string | undefined;
  error: InputError | ConflictError;
}

export interface PullReport extends PullProgress {
  refused: Refusal[];
}

// As many cortexes as a clock counts; a peer that makes up ever new ones is left.
const MAX_REFUSED = 256;

// Claimed of a cortex whose events are not wanted any more.
const ENOUGH = Number.MAX_SAFE_INTEGER;

/**
 * Brings all that a peer has and this log lacks into this log, a page per transaction. Interrupted, it goes on
 * from the log itself the next time; the peer may come by its events in any way, and keeps nothing of this.
 *
 * An event that is refused (see `accept`) ends the pull of its cortex and of what builds on it, not of
 * others: see `refused` in the report.
 *
 * @throws the signal's reason, and what the peer or the database throws. Accepted pages stay.
 */
export async function pull<A extends Actions = Action>(
  db: Database,
  peer: Peer,
  options?: PullOptions<A>,
): Promise<PullReport> {
  const from = checkedPeer(peer);
  const { signal, onProgress, limit, table, transaction, limits } = checkedPull(db, options);
  const report: PullReport = { stored: 0, duplicates: 0, total: 0, refused: [] };
  const refused = new Set<string>();
  const refuse = (cortexId: string | undefined, error: InputError | ConflictError): void => {
    report.refused.push({ cortexId, error });
    if (cortexId !== undefined) refused.add(cortexId);
  };
  const known: Record<string, number> = { ...(await clock(db, { table })) };
  report.total = countMissing(await from.clock(signal), known);

  for (;;) {
    signal?.throwIfAborted();
    const wanted = { ...known, ...Object.fromEntries([...refused].map((id) => [id, ENOUGH])) };
    const page = pageOf(await from.missing(wanted, limit, signal)).slice(0, limit);
    const progress = report.stored + refused.size;
    let batch = readPage(page, limits, refused, refuse);
    while (batch.length > 0 && refused.size <= MAX_REFUSED) {
      try {
        const accepted = await transaction(batch);
        for (const { event, outcome } of accepted) {
          report[outcome === "stored" ? "stored" : "duplicates"]++;
          known[event.cortexId] = Math.max(counterOf(known, event.cortexId), event.vclock![event.cortexId]!);
        }
        break;
      } catch (error) {
        const conflict = conflictOf(error);
        refuse(conflict.cortexId, conflict);
        batch = batch.filter(({ event }) => event.cortexId !== conflict.cortexId);
      }
    }
    await onProgress?.({ stored: report.stored, duplicates: report.duplicates, total: report.total });
    // A page that brought nothing would come again.
    const stuck = report.stored + refused.size === progress;
    if (page.length === 0 || stuck || refused.size > MAX_REFUSED) return report;
    await nextTurn();
  }
}

function checkedPull(db: Database, options: PullOptions<any> | undefined) {
  checkDatabase(db);
  const { signal, onProgress, limit = 1000, table, transaction, maxDataBytes } = checkedOptions(options);
  checkSignal(signal);
  checkLimit(limit);
  if (onProgress !== undefined) checkFunction(onProgress, "INVALID_FUNCTION", "onProgress");
  if (transaction !== undefined) checkFunction(transaction, "INVALID_FUNCTION", "transaction");
  if (maxDataBytes !== undefined) checkMaxDataBytes(maxDataBytes);
  const limits: EventLimits = maxDataBytes === undefined ? {} : { maxDataBytes };
  const transact = (transaction ?? db.transaction.bind(db)) as Transact;
  const log = tableOf({ table });
  return {
    ...{ signal, onProgress, limit, limits, table: log },
    transaction: (batch: readonly EncodedEvent[]) => acceptIn(transact, log, batch),
  };
}

type Transact = (write: (tx: Transaction) => Later<Accepted<any>[]>) => Later<Accepted<any>[]>;

/** Accepts the batch in a transaction of the caller's, whose answer tells that it was committed. */
async function acceptIn(transaction: Transact, table: EventsTable<any>, batch: readonly EncodedEvent[]) {
  let accepted: unknown;
  const keep = (outcome: Accepted<any>[]) => {
    accepted = outcome;
    return outcome;
  };
  const answer = await transaction((tx) => {
    checkTransaction(tx);
    const outcome = inTurn(tx, () => acceptAll(tx, table, batch, driftBound({}))) as Later<Accepted<any>[]>;
    return isPending(outcome) ? outcome.then(keep) : keep(outcome);
  });
  if (accepted !== undefined && answer === accepted) return answer;
  const problem = "must run the function that it is given, and answer with what that does";
  throw new InputError("INVALID_FUNCTION", "transaction", problem);
}

/** The peer's two functions, read once. */
function checkedPeer(peer: unknown): Peer {
  const { clock, missing } = reading("peer", () => {
    const { clock, missing } = Object(peer) as Partial<Peer>;
    return { clock, missing };
  });
  if (typeof clock === "function" && typeof missing === "function") {
    return {
      clock: (...args) => Reflect.apply(clock, peer, args),
      missing: (...args) => Reflect.apply(missing, peer, args),
    };
  }
  throw new InputError("INVALID_PEER", "peer", `must be a peer, got ${shapeOf(peer)}`);
}

function pageOf(answer: unknown): unknown[] {
  if (isArray(answer)) return entriesOf(answer, "peer", "INVALID_PEER");
  throw new InputError("INVALID_PEER", "peer", `must answer with a list of events, got ${shapeOf(answer)}`);
}

/** The valid events of a page that are wanted; each invalid one is refused by itself. */
function readPage(
  page: readonly unknown[],
  limits: EventLimits,
  refused: ReadonlySet<string>,
  refuse: (cortexId: string | undefined, error: InputError) => void,
): EncodedEvent[] {
  return page
    .flatMap((entry) => {
      try {
        const event = typeof entry === "string" ? parseEvent<any>(entry, limits) : entry;
        return [encodeForeign(event, "", limits)];
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        const cortexId = cortexOf(entry);
        if (cortexId === undefined || !refused.has(cortexId)) refuse(cortexId, error);
        return [];
      }
    })
    .filter(({ event }) => !refused.has(event.cortexId));
}

function cortexOf(entry: unknown): string | undefined {
  try {
    const { cortexId, cortex_id = cortexId } = typeof entry === "string" ? JSON.parse(entry) : (entry as any);
    return isULID(cortex_id) ? cortex_id : undefined;
  } catch {
    return undefined;
  }
}

function conflictOf(error: unknown): ConflictError {
  if (error instanceof ConflictError) return error;
  throw error;
}

function countMissing(theirs: VectorClock, ours: VectorClock): number {
  return Object.entries(checkedKnown(theirs)).reduce(
    (sum, [id, counter]) => sum + Math.max(0, counter - counterOf(ours, id)),
    0,
  );
}
