import { ConflictError } from "./conflict.js";
import type { Transaction } from "./database.js";
import type { EncodedEvent, Event, StoredEvent } from "./event.js";
import { MAX_CLOCK_ENTRIES } from "./field.js";
import { type Known, readKnown } from "./frontier.js";
import { insertForeign } from "./insert.js";
import { hashOf, NO_HASH, prove } from "./proof.js";
import type { EventsTable } from "./schema.js";
import type { Steps } from "./steps.js";

/**
 * The hash that an event has to come after.
 *
 * @throws ConflictError `GAP` unless it is its cortex's next, and all that its clock counts is known.
 */
export function hashBefore({ event, counter }: EncodedEvent, { counters, hashes }: Known): string {
  const { id, cortexId, vclock } = event;
  const countsKnown = ([cause, count]: [string, number]) =>
    cause === cortexId || count <= (counters.get(cause) ?? 0);
  const isNext = counter === (counters.get(cortexId) ?? 0) + 1;
  if (!isNext || !Object.entries(vclock!).every(countsKnown)) throw new ConflictError("GAP", id, cortexId);
  return hashes.get(cortexId) ?? NO_HASH;
}

/** @throws ConflictError `TOO_MANY_CORTEXES`: the event is of a cortex more than so many. */
export function refuseOneMore({ id, cortexId }: Event<any>, { counters }: Known, most: number): void {
  if (counters.has(cortexId) || counters.size < most) return;
  throw new ConflictError("TOO_MANY_CORTEXES", id, cortexId);
}

/** Counts an event with its proof in what is known. */
export function countIn({ event: { cortexId }, counter, proof }: EncodedEvent, known: Known): void {
  known.counters.set(cortexId, counter!);
  known.hashes.set(cortexId, hashOf(proof!));
}

/** Inserts events of the caller's own, those with a clock each as its cortex's next, with a new proof. */
export function* insertNext(
  tx: Transaction,
  table: EventsTable<any>,
  rows: readonly EncodedEvent[],
  randomness: () => number,
): Steps<StoredEvent<any>[]> {
  const clocked = rows.filter(({ counter }) => counter !== null);
  if (clocked.length > 0) {
    const cortexIds = clocked.map(({ event }) => event.cortexId);
    const known = yield* readKnown(tx, table, cortexIds);
    for (const encoded of clocked) {
      refuseOneMore(encoded.event, known, MAX_CLOCK_ENTRIES);
      encoded.proof = prove(encoded.event, hashBefore(encoded, known), randomness);
      countIn(encoded, known);
    }
  }
  return yield* insertForeign(tx, table, rows);
}
