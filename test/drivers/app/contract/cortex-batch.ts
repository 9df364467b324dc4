import assert from "node:assert/strict";
import { clock, createEventsTable, feed, type Mutation, openCortex } from "drizzle-event-log";
import { acceptBatch, databasePeer, pull } from "drizzle-event-log/federation";
import { ALPHA, BETA, errorOf, type Log, messagesOf, seqs } from "./log.js";
import { notes } from "./notes.js";

const change = (over: object = {}) => ({ action: "update", traceId: "trace", ...over }) as Mutation;
const counters = (list: readonly any[]) => list.map(({ cortexId, vclock }) => vclock[cortexId]);
const cortexOf = (id: string, options: object = {}) => openCortex({ id, origin: "o", ...options });

/** The database, but that `before` is run before its first batch. */
function overtaken(db: any, before: () => Promise<unknown>) {
  let isFirst = true;
  const batch = async (queries: unknown[]) => {
    if (isFirst) {
      isFirst = false;
      await before();
    }
    return db.batch(queries);
  };
  return Object.assign(Object.create(db), { batch });
}

/** What a cortex promises without a transaction, on drivers that have `db.batch`. */
export const cortexBatches: Record<string, (log: Log) => unknown> = {
  async "a cortex's batch stores its events and runs the app's queries, or neither"({ db }) {
    const writer = cortexOf(ALPHA);
    const note = (id: string) => db.insert(notes).values({ id });
    const { event, results } = await writer.batch(db, change({ data: { n: 1 } }), [
      note("a"),
      db.select().from(notes),
    ]);
    assert.deepEqual(results![1], [{ id: "a" }]);
    const { events } = await writer.batch(db, [change(), change()], [note("b")]);
    assert.deepEqual(await feed(db), [event, ...events]);
    assert.deepEqual(
      [seqs(events), counters(events)],
      [
        [2, 3],
        [2, 3],
      ],
    );
    const error = await errorOf(() =>
      writer.batch(db, change(), [note("c"), db.run("insert into events (id) values (null)")]),
    );
    assert.match(messagesOf(error), /constraint/i);
    assert.equal((await feed(db)).length, 3);
    assert.deepEqual(await db.select().from(notes), [{ id: "a" }, { id: "b" }]);
  },

  async "a cortex's batch that comes too late is tried again, and its queries run once"({ db }) {
    const rival = () => cortexOf(ALPHA).batch(db, change({ traceId: "rival" }));
    for (const ordinal of [1, 2]) {
      const query = db.insert(notes).values({ id: `note-${ordinal}` });
      await cortexOf(ALPHA).batch(overtaken(db, rival), change(), [query]);
    }
    assert.deepEqual(counters(await feed(db)), [1, 2, 3, 4]);
    assert.deepEqual(await db.select().from(notes), [{ id: "note-1" }, { id: "note-2" }]);
  },

  async "a retry of a cortex's batch is answered, and its queries do not run again"({ db }) {
    const request = change({ idempotencyKey: "k", data: { n: 1 } });
    const send = (to: any, id: string) => cortexOf(id).batch(to, request, [db.insert(notes).values({ id })]);
    const first = await send(db, ALPHA);
    assert.deepEqual(await send(db, BETA), { event: first.event, results: undefined });
    assert.deepEqual(await db.select().from(notes), [{ id: ALPHA }]);
    const late = change({ idempotencyKey: "late" });
    const rival = () => cortexOf(BETA).batch(db, late);
    const answer = await cortexOf(ALPHA).batch(overtaken(db, rival), late, [
      db.insert(notes).values({ id: "x" }),
    ]);
    assert.deepEqual([answer.event.cortexId, answer.results], [BETA, undefined]);
    assert.equal((await feed(db)).length, 2);
    const error = await errorOf(() => cortexOf(ALPHA).batch(db, { ...request, data: 2 }));
    assert.equal(error.code, "KEY_CONFLICT");
  },

  async "expect and lifecycle hold in a cortex's batch"({ db }) {
    const writer = cortexOf(ALPHA, { lifecycle: true });
    await writer.batch(db, change({ action: "create", expect: "none" }));
    await writer.batch(db, [change(), change({ action: "archive" })]);
    for (const [over, code] of [
      [{ action: "unarchive", expect: "none" }, "STALE_HEAD"],
      [{ action: "create" }, "LIFECYCLE"],
      [{ action: "archive" }, "LIFECYCLE"],
    ] as const) {
      const error = await errorOf(() =>
        writer.batch(db, change(over), [db.insert(notes).values({ id: "x" })]),
      );
      assert.deepEqual([error.name, error.code], ["TraceError", code]);
    }
    assert.equal((await feed(db)).length, 3);
    assert.deepEqual(await db.select().from(notes), []);
  },

  async "calls at once come one after another"({ db }) {
    const writer = cortexOf(ALPHA);
    const answers = await Promise.all([1, 2, 3, 4, 5].map((data) => writer.batch(db, change({ data }))));
    assert.deepEqual(
      answers.map(({ event }) => event.data),
      [1, 2, 3, 4, 5],
    );
    assert.deepEqual(counters(await feed(db)), [1, 2, 3, 4, 5]);
  },

  async "a cortex's batch of a megabyte is stored whole"({ db }) {
    const many = Array.from({ length: 250 }, (_, i) => change({ data: { i, text: "é".repeat(2000) } }));
    const { events } = await cortexOf(ALPHA).batch(db, many);
    assert.deepEqual(
      seqs(events),
      seqs(events).map((_, i) => i + 1),
    );
    assert.deepEqual(await feed(db, { limit: 1000 }), events);
  },

  async "acceptBatch and pull take what a peer has, without a transaction"({ db }) {
    const table = createEventsTable("other") as any;
    const writer = openCortex({ id: BETA, origin: "beta", table });
    for (let n = 0; n < 3; n++)
      await writer.batch(
        db,
        [1, 2, 3, 4, 5].map((data) => change({ data })),
      );
    const peer = databasePeer(db, { table });
    const page = (await peer.missing({}, 4)) as any[];
    assert.equal((await errorOf(() => acceptBatch(db, page.slice(1)))).code, "GAP");
    const own = () => cortexOf(ALPHA).batch(db, change());
    const taken = await acceptBatch(overtaken(db, own), page);
    assert.deepEqual(
      taken.map(({ outcome }) => outcome),
      Array(4).fill("stored"),
    );
    const again = await acceptBatch(db, page);
    assert.deepEqual(
      again.map(({ outcome }) => outcome),
      Array(4).fill("duplicate"),
    );
    assert.deepEqual(
      again.map(({ event }) => event),
      taken.map(({ event }) => event),
    );
    const report = await pull(db, peer, { limit: 4, transaction: "batch" });
    assert.deepEqual([report.stored, report.refused], [11, []]);
    assert.deepEqual(await clock(db), { [ALPHA]: 1, [BETA]: 15 });
  },
};

/** And where what goes over the wire is counted. */
export const trips: Record<string, (log: Required<Log>) => unknown> = {
  async "a remote batch takes two round trips, a transaction four"({ db, transaction, trips }) {
    const query = () => db.insert(notes).values({ id: "n" });
    await cortexOf(ALPHA).batch(db, change());
    const countOf = async (work: () => Promise<unknown>) => {
      const before = trips();
      await work();
      return trips() - before;
    };
    const batch = await countOf(() => cortexOf(ALPHA).batch(db, change(), [query()]));
    const inTransaction = await countOf(() =>
      transaction(async (tx) => {
        await tx.insert(notes).values({ id: "n" });
        return cortexOf(ALPHA).append(tx, change());
      }),
    );
    assert.deepEqual([batch, inTransaction], [2, 4]);
  },
};
