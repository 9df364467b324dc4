import { createClient } from "@libsql/client";
import { asc, desc, eq, gt } from "drizzle-orm";
import { drizzle } from "drizzle-orm/libsql";
import type { BenchEvent } from "../content.js";
import { events } from "./package.js";
import { proofOf } from "./sql.js";
import type { Log, Stack } from "./stack.js";

// SQLite takes 32,766 parameters in a statement.
const ROWS_PER_INSERT = 1000;

export const plainDrizzle: Stack = {
  name: "Drizzle",
  schema: "events",
  open: async (file) => {
    const client = createClient({ url: `file:${file}` });
    const db = drizzle({ client });
    const appendOne = async (event: BenchEvent) => void (await db.insert(events).values(rowOf(event)));
    const log: Log = {
      synchronous: (mode) => db.run(`pragma synchronous = ${mode}`),
      appendOne,
      appendStamped: appendOne,
      appendBatch: (batch) =>
        db.transaction(async (tx) => {
          for (let i = 0; i < batch.length; i += ROWS_PER_INSERT)
            await tx.insert(events).values(batch.slice(i, i + ROWS_PER_INSERT).map(rowOf));
        }),
      feed: (after, limit) =>
        asEvents(db.select().from(events).where(gt(events.seq, after)).orderBy(asc(events.seq)).limit(limit)),
      since: (afterId, limit) =>
        asEvents(db.select().from(events).where(gt(events.id, afterId)).orderBy(asc(events.id)).limit(limit)),
      forTrace: (id, limit) =>
        asEvents(db.select().from(events).where(eq(events.traceId, id)).orderBy(asc(events.id)).limit(limit)),
      latest: (limit) => asEvents(db.select().from(events).orderBy(desc(events.seq)).limit(limit)),
      close: () => client.close(),
    };
    return log;
  },
};

function rowOf(event: BenchEvent) {
  return { ...event, counter: event.vclock?.[event.cortexId], proof: proofOf(event) };
}

async function asEvents(query: PromiseLike<unknown[]>): Promise<BenchEvent[]> {
  return (await query) as BenchEvent[];
}
