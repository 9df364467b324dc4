import { insertNext } from "./chain.js";
import { findClashes, refuseConflicts } from "./conflict.js";
import { checkTransaction, type Result, type Transaction } from "./database.js";
import {
  type Action,
  type Actions,
  type EncodedEvent,
  type Event,
  type EventLimits,
  encodeEvent,
  MAX_TEXT,
  type NewEvent,
  type StoredEvent,
} from "./event.js";
import { addRequest, answerTo, type Requests } from "./idempotency.js";
import { checkedOptions, entriesOf, InputError, isArray } from "./input-error.js";
import { insertRequest } from "./insert.js";
import type { EventsTable } from "./schema.js";
import { inTurn, type Steps } from "./steps.js";
import { tableOf } from "./table.js";
import { checkedSource, type ULIDSource } from "./ulid.js";

export interface AppendOptions<A extends Actions = Action> extends EventLimits {
  /** Default `events`. */
  table?: EventsTable<A>;
  /** A number in [0, 1), for the salt of a proof: `appendQuery` makes none. Default: cryptographic, drawn from a pool. */
  randomness?: () => number;
}

/**
 * Appends one event, or a batch in one insert: all or nothing, in the order given, with contiguous seqs.
 * The event is part of the log when the transaction commits and gone when it rolls back.
 *
 * Safe to retry with the same `id`s: an event that is already stored is not stored again, and the answer is
 * the stored one. Safe to retry with the same `idempotencyKey`, too: where any cortex of this log has stored an
 * event with that key and the same action, trace, data and actor, that event is the answer.
 *
 * An event with a clock of your own must be its cortex's next one, and all that its clock counts must be there; it
 * gets a proof, which takes a look at the log first. For a peer's event use `accept`.
 *
 * @throws InputError synchronously, before any SQL runs: the event is not valid, or `tx` is not a transaction.
 * @throws ConflictError another event has this id, this idempotency key, or this cortex and counter; or
 * what its clock counts is not there (`GAP`); or it is of a 257th cortex (`TOO_MANY_CORTEXES`). Nothing was written.
 */
export function append<X extends Transaction, A extends Actions = Action>(
  tx: X,
  event: NewEvent<NoInfer<A>>,
  options?: AppendOptions<A>,
): Result<X, StoredEvent<A>>;
export function append<X extends Transaction, A extends Actions = Action>(
  tx: X,
  events: readonly NewEvent<NoInfer<A>>[],
  options?: AppendOptions<A>,
): Result<X, StoredEvent<A>[]>;
export function append(tx: Transaction, input: unknown, options?: AppendOptions<any>): unknown {
  checkTransaction(tx);
  const { table, randomness, ...limits } = checkedOptions(options);
  const log = tableOf({ table });
  const source = checkedSource({ randomness } as ULIDSource);
  const batch = encodeBatch(input, limits);
  refuseConflicts(batch.map(({ event }) => event));
  return inTurn(tx, () => appendAll(tx, log, batch, isArray(input), source.randomness));
}

function* appendAll(
  tx: Transaction,
  table: EventsTable<any>,
  batch: readonly EncodedEvent[],
  isList: boolean,
  randomness: () => number,
): Steps<StoredEvent<any>[] | StoredEvent<any>> {
  // The table's unique indexes refuse whatever clashes, and with it the whole statement. Only then is it worth
  // asking what is there: asking first took half the time of an append.
  let refusal: unknown;
  try {
    const stored = yield* insertAtOnce(tx, table, batch, randomness);
    if (stored) return isList ? stored : stored[0]!;
  } catch (error) {
    refusal = error;
  }
  const existing = yield* findClashes(tx, table, batch);
  if (refusal !== undefined && existing.length === 0) throw refusal;
  const { answers, fresh } = settle(batch, existing);
  const inserted = yield* insertNext(tx, table, fresh, randomness);
  const stored = new Map([...existing, ...inserted].map((event) => [event.id, event]));
  const answer = answers.map(({ id }) => stored.get(id)!);
  return isList ? answer : answer[0]!;
}

/** Undefined if something has to be looked up first: another cortex's answer to the same request clashes with none. */
function* insertAtOnce(
  tx: Transaction,
  table: EventsTable<any>,
  batch: readonly EncodedEvent[],
  randomness: () => number,
): Steps<StoredEvent<any>[] | undefined> {
  const [first] = batch;
  if (first && batch.length === 1 && first.counter === null && first.event.idempotencyKey !== undefined) {
    const stored = yield* insertRequest(tx, table, first);
    return stored && [stored];
  }
  const isPlain = batch.length === 1 || new Set(batch.map(({ event }) => event.id)).size === batch.length;
  const hasKey = batch.some(({ event }) => event.idempotencyKey !== undefined);
  return isPlain && !hasKey ? yield* insertNext(tx, table, batch, randomness) : undefined;
}

/** What answers each event of a batch, and those that are to be stored: in both, an event comes before its copies. */
export function settle(batch: readonly EncodedEvent[], existing: readonly Event<any>[]) {
  const byId = new Map(existing.map((event) => [event.id, event]));
  const requests: Requests = new Map();
  for (const event of existing) addRequest(requests, event);
  const fresh: EncodedEvent[] = [];
  const answers = batch.map((encoded) => {
    const { event } = encoded;
    const answer = byId.get(event.id) ?? answerTo(requests, event);
    if (answer) return answer.id === event.id ? event : answer;
    byId.set(event.id, event);
    addRequest(requests, event);
    fresh.push(encoded);
    return event;
  });
  const answered = answers.filter((answer, i) => answer === batch[i]!.event);
  refuseConflicts([...existing, ...answered]);
  return { answers, fresh };
}

export function encodeBatch(input: unknown, limits: EventLimits): EncodedEvent[] {
  const batch = isArray(input)
    ? entriesOf(input, "events", "BATCH_TOO_LARGE").map((event, i) =>
        encodeEvent(event, `events[${i}].`, limits),
      )
    : [encodeEvent(input, "", limits)];
  checkTotal(batch);
  return batch;
}

/** A batch is one text: it must not come to more than JavaScript and SQLite can hold. */
export function checkTotal(batch: readonly EncodedEvent[]): void {
  let total = 0;
  for (const { data, meta, vclock } of batch) {
    total += 500 + (data?.length ?? 0) + (meta?.length ?? 0) + (vclock?.length ?? 0);
  }
  if (batch.length > 1 && total > MAX_TEXT) {
    throw new InputError("BATCH_TOO_LARGE", "events", `come to more than ${MAX_TEXT} characters of JSON`);
  }
}
