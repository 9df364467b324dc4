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

/** `together`: in a transaction that others may share. `apart`: the row in one of its own, naively. */
export type OperationForm = "alone" | "together" | "apart";

export async function perform(
  db: Log,
  cortex: Cortex,
  { traceId, keys }: Operation,
  form: OperationForm = "alone",
): Promise<number[]> {
  const tally = (tx: Tx) => tallyOnce(tx, traceId, keys[0]);
  if (form === "apart") await writeTransaction(db, tally, { deadline: 60_000 });
  const write = async (tx: Tx) => {
    if (form !== "apart") await tally(tx);
    const batch = await cortex.append(
      tx,
      keys.map((idempotencyKey) => ({ idempotencyKey, action: "update" as const, traceId })),
    );
    return batch.map((event) => event.seq);
  };
  return form === "together" ? writeTogether(db, write) : writeTransaction(db, write, { deadline: 60_000 });
}
