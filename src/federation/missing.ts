import { sql } from "drizzle-orm";
import { readClock } from "../clock.js";
import { checkDatabase, type Database, type Result } from "../database.js";
import type { Action, Actions, StoredEvent } from "../event.js";
import { checkULID } from "../field.js";
import { checkedOptions, InputError, reading, shapeOf } from "../input-error.js";
import { isPlainObject } from "../json.js";
import type { ReadOptions } from "../read.js";
import type { EventsTable } from "../schema.js";
import { checkLimit, selectPage } from "../select.js";
import { run, type Steps } from "../steps.js";
import { tableOf } from "../table.js";
import { counterOf, type VectorClock } from "../vector-clock.js";

export interface MissingOptions<A extends Actions = Action> extends ReadOptions<A> {
  /** The most events in a page. Default 1,000. */
  limit?: number;
}

/**
 * The events that a log with this clock lacks, causes before effects, at most `limit` and 16 MiB or so. The
 * next page is the answer to the clock that the receiver has after accepting this one. Events without a clock
 * are local: they are never among them. Anti-entropy by version vectors, as in Bayou (Petersen et al.,
 * "Flexible Update Propagation for Weakly Consistent Replication", 1997).
 *
 * @throws InputError `INVALID_VCLOCK`, `INVALID_LIMIT`.
 */
export function missing<D extends Database, A extends Actions = Action>(
  db: D,
  theirClock: VectorClock,
  options?: MissingOptions<A>,
): Result<D, StoredEvent<A>[]> {
  checkDatabase(db);
  const { limit = 1000, ...rest } = checkedOptions(options);
  checkLimit(limit);
  return run(db, readMissing(db, tableOf(rest), checkedKnown(theirClock), limit));
}

/** The same for what has been checked, and for a page of so many bytes. */
export function* readMissing<A extends Actions>(
  db: Database,
  table: EventsTable<A>,
  theirs: VectorClock,
  limit: number,
  bytes?: number,
): Steps<StoredEvent<A>[]> {
  const ours = yield* readClock(db, table);
  const gaps = Object.entries(ours).flatMap(([id, counter]) => {
    const known = counterOf(theirs, id);
    return known < counter ? [[id, known, known + limit]] : [];
  });
  // A cortex's counters are dense and arrive in order, so no page holds more than `limit` of each; and what
  // an event builds on arrived before it, so the order of arrival is causal.
  const inGaps = sql`seq in (
    select lacked.seq from json_each(${JSON.stringify(gaps)}) as gap cross join ${table} as lacked
    on lacked.cortex_id = gap.value->>0 and lacked.counter > gap.value->>1 and lacked.counter <= gap.value->>2
    order by lacked.seq limit ${limit})`;
  const inOrder = { table, filters: [inGaps], key: "seq", order: "asc", proofs: true } as const;
  return yield* selectPage(db, bytes === undefined ? inOrder : { ...inOrder, bytes }, limit);
}

/** A clock as a peer states it: a counter may be 0, and there is no bound but the size of a request. */
export function checkedKnown(clock: unknown): VectorClock {
  const entries = reading("theirClock", () => {
    if (isPlainObject(clock)) return Object.entries(clock) as [string, number][];
    throw new InputError("INVALID_VCLOCK", "theirClock", `must be a plain object, got ${shapeOf(clock)}`);
  });
  for (const [id, counter] of entries) {
    checkULID(id, "INVALID_VCLOCK", "theirClock's key");
    if (!Number.isSafeInteger(counter) || counter < 0) {
      const shape = shapeOf(counter);
      throw new InputError(
        "INVALID_VCLOCK",
        `theirClock.${id}`,
        `must be a whole number from 0, got ${shape}`,
      );
    }
  }
  return Object.fromEntries(entries);
}
