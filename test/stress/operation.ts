// One operation of an app, safe to repeat: two events with the caller's ids, and a row of the app's own.
import { type Cortex, newULID } from "drizzle-event-log";
import { writeTransaction } from "drizzle-event-log/libsql";
import { type Log, tallyOnce } from "./log.js";

export interface Operation {
  traceId: string;
  ids: readonly [string, string];
}

export function newOperation(traceId: string): Operation {
  return { traceId, ids: [newULID(), newULID()] };
}

export function perform(db: Log, cortex: Cortex, { traceId, ids }: Operation): Promise<number[]> {
  return writeTransaction(
    db,
    async (tx) => {
      await tallyOnce(tx, traceId, ids[0]);
      const batch = await cortex.append(
        tx,
        ids.map((id) => ({ id, action: "update" as const, traceId })),
      );
      return batch.map((event) => event.seq);
    },
    { deadline: 60_000 },
  );
}
