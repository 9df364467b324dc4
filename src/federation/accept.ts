import { checkTotal } from "../append.js";
import { countIn, hashBefore, refuseOneMore } from "../chain.js";
import { ConflictError, findClashes, placeOf } from "../conflict.js";
import { checkTransaction, type Database, type Result, type Transaction } from "../database.js";
import { type DriftOptions, driftBound } from "../drift.js";
import {
  type Action,
  type Actions,
  type EncodedEvent,
  type Event,
  type EventLimits,
  encodeComplete,
  type StoredEvent,
  sameEvent,
} from "../event.js";
import { MAX_CLOCK_ENTRIES } from "../field.js";
import { type Known, readKnown } from "../frontier.js";
import { checkedOptions, checkFunction, entriesOf, InputError, isArray, shapeOf } from "../input-error.js";
import { insertForeign } from "../insert.js";
import { hashOf, isProven, parseProof } from "../proof.js";
import type { EventsTable } from "../schema.js";
import { inTurn, type Steps } from "../steps.js";
import { tableOf } from "../table.js";
import { disregard } from "../wait.js";

export interface AcceptOptions<A extends Actions = Action> extends EventLimits {
  /** Default `events`. */
  table?: EventsTable<A>;
  /** Milliseconds since 1970, a whole number. Default `Date.now`. */
  now?: () => number;
  /** How far ahead of `now` an id may be and not be reported, in milliseconds. Default 5 minutes. */
  maxDrift?: number;
  /** Whether this signature of the hash is the cortex's own; `undefined` where the event has none. */
  verify?: Verify;
}

/** Answers at once, not with a promise. */
export type Verify = (cortexId: string, hash: string, signature: string | undefined) => boolean;

export interface Accepted<A extends Actions = Action> {
  event: StoredEvent<A>;
  outcome: "stored" | "duplicate";
  /** Whether the id is too far ahead of the clock to be followed by a cortex. */
  drifted: boolean;
}

/**
 * Takes events from a peer into the log: all or none, in the order given, which must be causal. An event that
 * is there already is a `duplicate`, so pages may overlap, come twice or from several peers.
 *
 * Nothing is trusted. An event must be as valid as for `append` and have a clock (`NO_CLOCK`). It must be its
 * cortex's next one, and everything its clock has counted must be there (`GAP`). It must have its proof (`NO_PROOF`): by
 * that it is as it was written, after the same events of its cortex as this log holds (`BROKEN_CHAIN`). With `verify`
 * it must be signed, too (`SIGNATURE`). A clock counts 256 cortexes, and the last place is for a cortex that writes
 * here: what would be the log's 256th is refused (`TOO_MANY_CORTEXES`).
 *
 * @throws InputError synchronously, before any SQL runs.
 * @throws ConflictError `GAP`, `FORK`, `BROKEN_CHAIN`, `SIGNATURE`, `ID_CONFLICT`, `KEY_CONFLICT`,
 * `TOO_MANY_CORTEXES`. Nothing was written.
 */
export function accept<X extends Transaction, A extends Actions = Action>(
  tx: X,
  page: readonly Event<NoInfer<A>>[],
  options?: AcceptOptions<A>,
): Result<X, Accepted<A>[]> {
  checkTransaction(tx);
  const { log, batch, bound, judging } = checkedPage(page, options);
  return inTurn(tx, () => acceptAll(tx, log, batch, bound, judging));
}

/** The page, encoded, and what is to be known of the options. */
export function checkedPage(page: unknown, options: AcceptOptions<any> | undefined) {
  if (!isArray(page)) {
    throw new InputError("INVALID_EVENT", "page", `must be an array, got ${shapeOf(page)}`);
  }
  const { table, now, maxDrift, verify, maxDataBytes } = checkedOptions(options);
  const limits: EventLimits = maxDataBytes === undefined ? {} : { maxDataBytes };
  const batch = entriesOf(page, "events", "BATCH_TOO_LARGE").map((event, i) =>
    encodeForeign(event, `events[${i}].`, limits),
  );
  checkTotal(batch);
  if (verify !== undefined) checkFunction(verify, "INVALID_FUNCTION", "verify");
  const bound = driftBound({ now, maxDrift } as DriftOptions);
  return { log: tableOf({ table }), batch, bound, judging: { verify } };
}

interface Judging {
  verify?: Verify | undefined;
  /** Told of each event that is refused; what it throws ends the whole page. */
  refuse?: (error: ConflictError) => void;
  /**
   * How far this log is known to hold the same of each cortex as the log that the events come from; grows by what is
   * taken. What counts further, builds on a history that is not this log's.
   */
  shared?: Map<string, number>;
}

/** How the events that are new here come into the log. */
export type Insert = typeof insertForeign;

function refuseAll(error: ConflictError): never {
  throw error;
}

/**
 * The same for events that `encodeForeign` has validated; `bound` is the greatest id that has not drifted. With a
 * `refuse` that throws nothing, a refused event costs what comes after it in its cortex and what builds on it, and
 * the answer is about the others.
 */
export function* acceptAll(
  tx: Database,
  table: EventsTable<any>,
  batch: readonly EncodedEvent[],
  bound: string,
  judging: Judging,
  insert: Insert = insertForeign,
): Steps<Accepted<any>[]> {
  const cortexIds = batch.map(({ event }) => event.cortexId);
  const known = yield* readKnown(tx, table, cortexIds);
  const existing = yield* findClashes(tx, table, batch, true);
  const { taken, fresh } = sift(batch, existing, known, judging);
  const inserted = yield* insert(tx, table, fresh);
  const stored = new Map([...existing, ...inserted].map((event) => [event.id, event]));
  const added = new Set(inserted.map(({ id }) => id));
  return taken.map(({ event: { id } }): Accepted<any> => {
    // The second time in one page it is a duplicate.
    const outcome = added.delete(id) ? "stored" : "duplicate";
    const { proof: _, ...event } = stored.get(id)!;
    return { event: event as StoredEvent<any>, outcome, drifted: id > bound };
  });
}

/** Validates an event from a peer. */
export function encodeForeign(event: unknown, at: string, limits: EventLimits): EncodedEvent {
  return checkedForeign(encodeComplete(event, at, limits), at);
}

/** The same for an event that is valid. */
export function checkedForeign(encoded: EncodedEvent, at = ""): EncodedEvent {
  if (!encoded.event.vclock)
    throw new InputError("NO_CLOCK", `${at}vclock`, "is missing: the event is local to its log");
  if (encoded.proof === null) throw new InputError("NO_PROOF", `${at}proof`, "is missing");
  return encoded;
}

/** The events that the log takes or has, and of these the fresh ones, which it does not have yet. */
function sift(
  batch: readonly EncodedEvent[],
  existing: readonly StoredEvent<any>[],
  known: Known,
  { refuse = refuseAll, ...judging }: Judging,
): { taken: EncodedEvent[]; fresh: EncodedEvent[] } {
  const isFresh = judge(existing, known, judging);
  const refused = new Set<string>();
  const fresh: EncodedEvent[] = [];
  const taken = batch.filter((encoded) => {
    const { cortexId } = encoded.event;
    if (refused.has(cortexId)) return false;
    try {
      if (isFresh(encoded)) fresh.push(encoded);
      judging.shared?.set(cortexId, Math.max(judging.shared.get(cortexId) ?? 0, encoded.counter!));
      return true;
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      refused.add(cortexId);
      refuse(error);
      return false;
    }
  });
  return { taken, fresh };
}

/** Whether the log lacks an event, asked in the order of the page; throws for one that it cannot take. */
function judge(
  existing: readonly StoredEvent<any>[],
  known: Known,
  { verify, shared }: Judging,
): (encoded: EncodedEvent) => boolean {
  const byId = new Map<string, Twin>(existing.map((event) => [event.id, { event, proof: event.proof! }]));
  const byPlace = new Map(existing.map((event) => [placeOf(event), event.id]));
  const byKey = new Map(existing.map((event) => [keyOf(event), event.id]));
  return (encoded) => {
    const { event, proof } = encoded as EncodedEvent & Twin;
    const { id, cortexId } = event;
    const twin = byId.get(id);
    if (twin && !sameEvent(twin.event, event)) throw new ConflictError("ID_CONFLICT", id, cortexId, id);
    // All that it says is the same, but not what came before it.
    if (twin && hashOf(twin.proof) !== hashOf(proof)) throw new ConflictError("FORK", id, cortexId, id);
    if (twin) return false;
    const holder = byPlace.get(placeOf(event));
    if (holder !== undefined) throw new ConflictError("FORK", id, cortexId, holder);
    const answer = keyOf(event) && byKey.get(keyOf(event));
    if (answer) throw new ConflictError("KEY_CONFLICT", id, cortexId, answer);
    // The last place stays free, so that no peer can keep a local cortex from its first event.
    refuseOneMore(event, known, MAX_CLOCK_ENTRIES - 1);
    const previous = hashBefore(encoded, known);
    if (!isProven(event, proof, previous)) throw new ConflictError("BROKEN_CHAIN", id, cortexId);
    if (shared && !isShared(event, shared)) throw new ConflictError("GAP", id, cortexId);
    if (verify) refuseUnsigned(encoded, verify);
    countIn(encoded, known);
    byId.set(id, { event, proof });
    byPlace.set(placeOf(event), id);
    byKey.set(keyOf(event), id);
    return true;
  };
}

/** Whether all that the event counts of other cortexes is the same in both logs. */
function isShared({ cortexId, vclock }: Event<any>, shared: ReadonlyMap<string, number>): boolean {
  return Object.entries(vclock!).every(([id, count]) => id === cortexId || count <= (shared.get(id) ?? 0));
}

interface Twin {
  event: Event<any>;
  proof: string;
}

function refuseUnsigned({ event: { id, cortexId }, proof }: EncodedEvent, verify: Verify): void {
  const { hash, signature } = parseProof(proof!);
  const isSigned: unknown = verify(cortexId, hash, signature);
  if (isSigned === true) return;
  if (isSigned === false) throw new ConflictError("SIGNATURE", id, cortexId);
  disregard(isSigned);
  const problem = `must answer with true or false, got ${shapeOf(isSigned)}`;
  throw new InputError("INVALID_FUNCTION", "verify", problem);
}

/** A cortex answers a request once; another one may have answered it, too. */
function keyOf({ cortexId, idempotencyKey }: Event<any>): string | undefined {
  return idempotencyKey === undefined ? undefined : `${cortexId} ${idempotencyKey}`;
}
