// All that the benchmark uses of this package. With `--against` the same code runs on another version of it, where
// options may have other names.
import { append, feed, forTrace, latest, newULID, openCortex, since, ulidFactory } from "drizzle-event-log";
import { databasePeer, pull } from "drizzle-event-log/federation";
import { openLibsql, writeTogether, writeTransaction } from "drizzle-event-log/libsql";
import { migrateEvents } from "drizzle-event-log/migrations";
import { type BenchEvent, PEER, randomnessOf, WRITER } from "../content.js";
import type { Log, Stack, Synchronous } from "./stack.js";

export { events } from "drizzle-event-log/schema";
export { newULID };

export const openOurs = (file: string) => openLibsql(`file:${file}`);

export const makerOfULIDs = (now: () => number) => ulidFactory(timeFrom(now));

export const ourPackage: Stack = {
  name: "drizzle-event-log",
  schema: "events",
  open: async (file) => {
    const db = await openOurs(file);
    let now = 0;
    let randomness = Math.random;
    const cortex = openCortex({
      ...{ id: WRITER.id, origin: WRITER.name },
      ...timeFrom(() => now),
      randomness: () => randomness(),
    });
    let peer: Awaited<ReturnType<typeof openPeer>> | undefined;
    let offered = 0;
    const log: Log = {
      synchronous: async (mode) => {
        await db.run(`pragma synchronous = ${mode}`);
        await db.transaction(async (tx) => requireMode(mode, await tx.values("pragma synchronous")));
      },
      appendOne: (event) => db.transaction((tx) => append(tx, event)),
      appendBatch: (events) => db.transaction((tx) => append(tx, events)),
      appendStamped: ({ id, timestamp, action, traceId, data }) => {
        // The same time and dice as in the event make the same stamps.
        now = Date.parse(timestamp);
        randomness = randomnessOf(id);
        return db.transaction((tx) => cortex.append(tx, { action, traceId, data }));
      },
      appendClocked: (events) => db.transaction((tx) => append(tx, events)),
      async offer(events) {
        peer ??= await openPeer();
        const { id, name } = PEER;
        const stamped = events.map((event) => {
          return { ...event, cortexId: id, origin: name, vclock: { [id]: ++offered } };
        });
        await peer.transaction((tx) => append(tx, stamped));
      },
      async appendPulled() {
        const { refused } = await pull(db, databasePeer(peer!));
        for (const { error } of refused) throw error;
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

async function openPeer() {
  const db = await openLibsql(":memory:");
  await migrateEvents(db);
  return db;
}

/** Now `now`, once `clock`: each version takes the one it knows. */
function timeFrom(now: () => number) {
  return { now, clock: now };
}

/** A PRAGMA reaches one connection, which need not be the one that writes. */
function requireMode(mode: Synchronous, [row]: unknown[][]): void {
  if (row![0] !== { FULL: 2, NORMAL: 1 }[mode]) throw new Error(`${mode} did not reach the writer`);
}

const asEvents = (read: Promise<unknown[]>) => read as Promise<BenchEvent[]>;
