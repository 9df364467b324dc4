import assert from "node:assert/strict";
import {
  divergences,
  drifted,
  events,
  feed,
  fold,
  forTrace,
  getEvent,
  heads,
  latest,
  pages,
  since,
  stateAt,
  tail,
} from "drizzle-event-log";
import { and, eq, gt } from "drizzle-orm";
import { ALPHA, add, addAll, BETA, errorOf, event, idAt, ids, type Log, seqs } from "./log.js";

const GAMMA = "01CX5ZZKBKACTAV9WEVGEMMVS0";

/** Six events of two traces, by two cortexes and two actors. */
const six = () =>
  Array.from({ length: 6 }, (_, i) =>
    event({
      ...{ id: idAt(i + 1), action: i % 2 ? "update" : "create", traceId: i < 3 ? "a" : "b" },
      ...{ cortexId: i % 3 ? ALPHA : BETA, actor: i % 2 ? "x" : "y", data: i },
    }),
  );

export const reading: Record<string, (log: Log) => unknown> = {
  async "a trace is read in the order of ids, in pages from either end"(log) {
    const stored = await addAll(
      log,
      [3, 1, 5, 2, 4].map((n) => event({ id: idAt(n) })),
    );
    const ordered = [...stored].sort((a, b) => (a.id < b.id ? -1 : 1));
    assert.deepEqual(await forTrace(log.db, "trace"), ordered);
    assert.deepEqual(await forTrace(log.db, "trace", { limit: 2, after: idAt(2) }), ordered.slice(2, 4));
    const last = await forTrace(log.db, "trace", { limit: 2, before: idAt(5), order: "desc" });
    assert.deepEqual(ids(last), [idAt(4), idAt(3)]);
    assert.deepEqual(await forTrace(log.db, "unknown"), []);
  },

  async "the feed goes on after a seq or an event, with filters"(log) {
    const stored = await addAll(log, six());
    const { db } = log;
    assert.deepEqual(await feed(db), stored);
    assert.deepEqual(await feed(db, { after: 4 }), stored.slice(4));
    assert.deepEqual(await feed(db, { after: stored[1]!, limit: 2 }), stored.slice(2, 4));
    assert.deepEqual(seqs(await feed(db, { actions: ["update"] })), [2, 4, 6]);
    assert.deepEqual(seqs(await feed(db, { actor: "y", after: 1 })), [3, 5]);
    assert.deepEqual(seqs(await feed(db, { traceId: "b", cortexId: BETA })), [4]);
    assert.deepEqual(await feed(db, { after: stored[5]! }), []);
  },

  async "a cursor of another log is a CursorError"(log) {
    await add(log, event({ id: idAt(1) }));
    const error = await errorOf(async () => feed(log.db, { after: { seq: 1, id: idAt(2) } }));
    assert.deepEqual([error.name, error.code], ["CursorError", "LOG_REPLACED"]);
  },

  async "pages and tail miss no event"(log) {
    const stored = await addAll(log, six());
    const paged = [];
    for await (const page of pages(log.db, { limit: 4 })) paged.push(...page);
    assert.deepEqual(paged, stored);

    const stop = new AbortController();
    const followed: number[] = [];
    for await (const page of tail(log.db, { after: 4, interval: 5, signal: stop.signal })) {
      followed.push(...seqs(page));
      if (followed.length < 4) await add(log, event());
      else stop.abort();
    }
    assert.deepEqual(followed, [5, 6, 7, 8]);
  },

  async "since, latest and getEvent"(log) {
    const stored = await addAll(log, six());
    const { db } = log;
    assert.deepEqual(await since(db, idAt(2), 3), stored.slice(2, 5));
    assert.deepEqual(await since(db, "", 10), stored);
    assert.deepEqual(seqs(await latest(db, { limit: 2 })), [6, 5]);
    assert.deepEqual(seqs(await latest(db, { limit: 2, before: 5 })), [4, 3]);
    assert.deepEqual(await getEvent(db, idAt(3)), stored[2]);
    assert.equal(await getEvent(db, idAt(99)), undefined);
  },

  async "a history of 2,500 events is read whole"(log) {
    for (let n = 0; n < 2500; n += 500) {
      await addAll(
        log,
        Array.from({ length: 500 }, (_, i) => event({ id: idAt(n + i), data: { n: n + i } })),
      );
    }
    const history = await forTrace(log.db, "trace");
    assert.deepEqual(
      history.map((one: any) => one.data.n),
      Array.from({ length: 2500 }, (_, i) => i),
    );
    assert.equal((await feed(log.db, { limit: 2500 })).length, 2500);
  },

  async "pages of large events come to their end"(log) {
    const text = "x".repeat(700_000);
    for (let n = 0; n < 8; n++) await add(log, event({ id: idAt(n), data: { n, text } }));
    const read: number[] = [];
    for await (const page of pages(log.db)) read.push(...seqs(page));
    assert.deepEqual(read, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert.equal((await forTrace(log.db, "trace")).length, 8);
  },

  async "heads and divergences are told by the clocks"(log) {
    await addAll(log, [
      event({ id: idAt(1), vclock: { [ALPHA]: 1 } }),
      event({ id: idAt(2), vclock: { [ALPHA]: 1, [BETA]: 1 }, cortexId: BETA }),
      event({ id: idAt(3), vclock: { [ALPHA]: 1, [GAMMA]: 1 }, cortexId: GAMMA }),
    ]);
    assert.deepEqual(ids(await heads(log.db, "trace")), [idAt(2), idAt(3)]);
    const [found, ...others] = await divergences(log.db);
    assert.deepEqual([found!.traceId, ids(found!.heads), others], ["trace", [idAt(2), idAt(3)], []]);
    await add(log, event({ id: idAt(4), vclock: { [ALPHA]: 2, [BETA]: 1, [GAMMA]: 1 } }));
    assert.deepEqual(ids(await heads(log.db, "trace")), [idAt(4)]);
    assert.deepEqual(await divergences(log.db), []);
  },

  async "a fold gives the state of now and of then"(log) {
    const stored = await addAll(
      log,
      [1, 2, 3].map((n) => event({ id: idAt(n), data: n })),
    );
    const sum = { update: (state: number, { data }: any) => state + data };
    assert.equal(fold(stored, sum, 0), 6);
    assert.equal(await stateAt(log.db, "trace", { id: idAt(2) }, sum, 0), 3);
    assert.equal(await stateAt(log.db, "trace", { seq: 1 }, sum, 0), 1);
    assert.equal(await stateAt(log.db, "trace", { timestamp: "2026-01-01T00:00:02Z" }, sum, 0), 3);
  },

  async "an id from the future is told"(log) {
    await addAll(log, [event({ id: idAt(1) }), event({ id: idAt(1e9) })]);
    assert.deepEqual(ids(await drifted(log.db, { now: () => 1767225600000 })), [idAt(1e9)]);
  },

  async "Drizzle's own queries know the table"(log) {
    const stored = await addAll(log, six());
    const rows = await log.db
      .select({ seq: events.seq, data: events.data, vclock: events.vclock })
      .from(events)
      .where(and(eq(events.traceId, "b"), gt(events.seq, 4)));
    // In Drizzle's own rows an integer is whatever the driver gives: a bigint if it was told to.
    assert.deepEqual(
      rows.map((row: any) => ({ ...row, seq: Number(row.seq) })),
      stored.slice(4).map(({ seq, data }) => ({ seq, data, vclock: null })),
    );
  },
};
