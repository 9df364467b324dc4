// One operation of an app, safe to repeat: two events with idempotency keys, and a row of the app's own.
import { type Cortex, newULID } from "drizzle-event-log";
import { writeTogether, writeTransaction } from "drizzle-event-log/libsql";
import { type Log, type Tx, tallyOnce } from "./log.js";

export interface Operation {
  traceId: string;
  keys: readonly [string, string];
}

export function newOperation(traceId: string): Operation {
  return { traceId, keys: [newULID(), newULID()] };
}

/** `together`: in a transaction that others may share. */
export function perform(
  db: Log,
  cortex: Cortex,
  { traceId, keys }: Operation,
  together = false,
): Promise<number[]> {
  const write = async (tx: Tx) => {
    await tallyOnce(tx, traceId, keys[0]);
    const batch = await cortex.append(
      tx,
      keys.map((idempotencyKey) => ({ idempotencyKey, action: "update" as const, traceId })),
    );
    return batch.map((event) => event.seq);
  };
  return together ? writeTogether(db, write) : writeTransaction(db, write, { deadline: 60_000 });
}
