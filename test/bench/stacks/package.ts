import { append, feed, forTrace, latest, openCortex, since } from "drizzle-event-log";
import { openLibsql, writeTogether, writeTransaction } from "drizzle-event-log/libsql";
import { type BenchEvent, randomnessOf, WRITER } from "../content.js";
import type { Log, Stack } from "./stack.js";

export const ourPackage: Stack = {
  name: "drizzle-event-log",
  schema: "events",
  open: async (file) => {
    const db = await openLibsql(`file:${file}`);
    let now = 0;
    let randomness = Math.random;
    const cortex = openCortex({
      ...{ id: WRITER.id, origin: WRITER.name },
      now: () => now,
      randomness: () => randomness(),
    });
    const log: Log = {
      synchronous: (mode) => db.run(`pragma synchronous = ${mode}`),
      appendOne: (event) => db.transaction((tx) => append(tx, event)),
      appendBatch: (events) => db.transaction((tx) => append(tx, events)),
      appendStamped: ({ id, timestamp, action, traceId, data }) => {
        // The same time and dice as in the event make the same stamps.
        now = Date.parse(timestamp);
        randomness = randomnessOf(id);
        return db.transaction((tx) => cortex.append(tx, { action, traceId, data }));
      },
      // On a connection of its own, which `synchronous` does not reach: FULL, the default.
      appendInTurn: (event) => writeTransaction(db, (tx) => append(tx, event)),
      appendTogether: (event) => writeTogether(db, (tx) => append(tx, event)),
      feed: (after, limit) => asEvents(feed(db, { after, limit })),
      since: (afterId, limit) => asEvents(since(db, afterId, limit)),
      forTrace: (traceId, limit) => asEvents(forTrace(db, traceId, { limit })),
      latest: (limit) => asEvents(latest(db, { limit })),
      close: () => db.$client.close(),
    };
    return log;
  },
};

const asEvents = (read: Promise<unknown[]>) => read as Promise<BenchEvent[]>;
