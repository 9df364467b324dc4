import assert from "node:assert/strict";
import { clock, feed, openCortex, pages } from "drizzle-event-log";
import { ALPHA, add, BETA, errorOf, event, idAt, ids, type TransactionalLog } from "./log.js";

/** A primary, and replicas of it: each a log of its own client. */
export interface Replicated {
  primary: TransactionalLog;
  replica: TransactionalLog & { sync(): Promise<unknown> };
  /** Another replica of the same primary. */
  other: TransactionalLog & { sync(): Promise<unknown> };
}

const change = { action: "update", traceId: "trace" } as const;

/** What holds between a primary and its replicas. */
export const replication: Record<string, (logs: Replicated) => Promise<void>> = {
  async "what a replica writes is on the primary when it is acknowledged"({ primary, replica }) {
    const stored = await add(replica, event({ id: idAt(1) }));
    assert.deepEqual(await feed(primary.db), [stored]);
  },

  async "a replica reads its own writes, without a sync"({ replica }) {
    const stored = await add(replica, event({ id: idAt(1) }));
    assert.deepEqual(await feed(replica.db), [stored]);
  },

  async "a replica knows what others wrote after a sync, and not before"({ primary, replica, other }) {
    await replica.sync();
    await add(primary, event({ id: idAt(1) }));
    await add(other, event({ id: idAt(2) }));
    assert.deepEqual(await feed(replica.db), []);
    await replica.sync();
    assert.deepEqual(ids(await feed(replica.db)), [idAt(1), idAt(2)]);
  },

  async "a replica's seqs are the primary's, so a cursor is good on both"({ primary, replica, other }) {
    for (const [n, log] of [replica, primary, other, primary].entries()) {
      await add(log, event({ id: idAt(9 - n) }));
    }
    await replica.sync();
    const all = await feed(primary.db);
    assert.deepEqual(await feed(replica.db), all);
    const [second, last] = [all[1]!, all[3]!];
    assert.deepEqual(ids(await feed(replica.db, { after: second })), ids(all.slice(2)));
    assert.deepEqual(await feed(primary.db, { after: last }), []);
  },

  async "a cursor that is ahead of a replica waits for it, and misses nothing"({ primary, replica }) {
    await replica.sync();
    const first = await add(primary, event({ id: idAt(1) }));
    const ahead = await errorOf(() => feed(replica.db, { after: first }));
    assert.equal(ahead.name, "CursorError");
    assert.deepEqual(await feed(replica.db), []);
    const second = await add(primary, event({ id: idAt(2) }));
    await replica.sync();
    assert.deepEqual(await feed(replica.db, { after: first }), [second]);
    const seen: string[] = [];
    for await (const page of pages(replica.db, { limit: 1 })) seen.push(...ids(page));
    assert.deepEqual(seen, [idAt(1), idAt(2)]);
  },

  async "cortexes on primary and replicas count without a gap and know each other"(logs) {
    const writers = [
      [logs.primary, openCortex({ id: ALPHA, origin: "alpha" })],
      [logs.replica, openCortex({ id: BETA, origin: "beta" })],
      // The same cortex, from another process.
      [logs.other, openCortex({ id: BETA, origin: "beta" })],
    ] as const;
    for (let round = 0; round < 3; round++) {
      for (const [log, writer] of writers) await log.transaction((tx) => writer.append(tx, change));
    }
    assert.deepEqual(await clock(logs.primary.db), { [ALPHA]: 3, [BETA]: 6 });
    const all = await feed(logs.primary.db);
    // Stamped in a transaction, which is the primary's: each counts all that came before.
    assert.deepEqual(
      all.map(({ vclock }) => Object.values(vclock!).reduce((sum, counter) => sum + counter)),
      [1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
  },
};
