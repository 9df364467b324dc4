import assert from "node:assert/strict";
import { append, clock, createEventsTable, feed, type Mutation, openCortex } from "drizzle-event-log";
import { accept, databasePeer, missing, pull } from "drizzle-event-log/federation";
import { ALPHA, add, addAll, BETA, errorOf, event, ids, seqs, type TransactionalLog, then } from "./log.js";

const change = (over: object = {}) => ({ action: "update", traceId: "trace", ...over }) as Mutation;
const counters = (list: readonly any[]) => list.map(({ cortexId, vclock }) => vclock[cortexId]);

/** What a cortex and its peers promise: all of it is in transactions. */
export const cortex: Record<string, (log: TransactionalLog) => unknown> = {
  async "a cortex counts its events without a gap, from any process"({ db, transaction }) {
    const [one, other] = [1, 2].map(() => openCortex({ id: ALPHA, origin: "alpha" }));
    for (const writer of [one!, one!, other!, one!, other!, other!]) {
      await transaction((tx) => writer.append(tx, change()));
    }
    await transaction((tx) => one!.append(tx, [change(), change()]));
    const all = await feed(db);
    assert.deepEqual(counters(all), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert.deepEqual(ids(all), [...ids(all)].sort());
    assert.deepEqual(await clock(db), { [ALPHA]: 8 });
  },

  async "a rolled back append leaves no gap"({ db, transaction }) {
    const writer = openCortex({ id: ALPHA, origin: "alpha" });
    for (const fails of [false, true, false, true, false]) {
      const write = () =>
        transaction((tx) =>
          then(writer.append(tx, change()), () => {
            if (fails) throw new Error("rolled back");
          }),
        );
      await (fails ? errorOf(write) : write());
    }
    assert.deepEqual(counters(await feed(db)), [1, 2, 3]);
    assert.deepEqual(seqs(await feed(db)), [1, 2, 3]);
  },

  async "expect and lifecycle refuse with a TraceError, and write nothing"({ db, transaction }) {
    const writer = openCortex({ id: ALPHA, origin: "alpha", lifecycle: true });
    const write = (over: object) => transaction((tx) => writer.append(tx, change(over)));
    const created = await write({ action: "create", expect: "none" });
    await write({ expect: created.seq });
    const refusals: [object, string][] = [
      [{ expect: created.seq }, "STALE_HEAD"],
      [{ action: "create" }, "LIFECYCLE"],
      [{ action: "recover" }, "LIFECYCLE"],
    ];
    for (const [over, code] of refusals) {
      const error = await errorOf(() => write(over));
      assert.deepEqual([error.name, error.code], ["TraceError", code]);
    }
    assert.equal((await feed(db)).length, 2);
  },

  async "a retry of a mutation is answered with what it was answered before"({ db, transaction }) {
    const [one, other] = [ALPHA, BETA].map((id) => openCortex({ id, origin: "o" }));
    const first = await transaction((tx) => one!.append(tx, change({ idempotencyKey: "k", data: { n: 1 } })));
    for (const writer of [one!, other!]) {
      const again = await transaction((tx) =>
        writer.append(tx, change({ idempotencyKey: "k", data: { n: 1 } })),
      );
      assert.deepEqual(again, first);
    }
    const error = await errorOf(() => transaction((tx) => one!.append(tx, change({ idempotencyKey: "k" }))));
    assert.equal(error.code, "KEY_CONFLICT");
    assert.equal((await feed(db)).length, 1);
  },

  async "two cortexes in turn know each other's events"({ db, transaction }) {
    const [one, other] = [ALPHA, BETA].map((id) => openCortex({ id, origin: "o" }));
    for (const writer of [one!, other!, one!, other!]) await transaction((tx) => writer.append(tx, change()));
    assert.deepEqual((await feed(db)).at(-1)!.vclock, { [ALPHA]: 2, [BETA]: 2 });
  },

  async "accept takes what is new, knows what is not, and refuses a gap"({ db, transaction }) {
    const table = createEventsTable("other") as any;
    const writer = openCortex({ id: ALPHA, origin: "alpha", table });
    await transaction((tx) => writer.append(tx, [change(), change(), change()]));
    const page = await missing(db, {}, { table });
    const take = (events: any[]) => transaction((tx) => accept(tx, events));
    assert.equal((await errorOf(() => take(page.slice(1)))).code, "GAP");
    const taken = (await take(page.slice(0, 2))).concat(await take(page));
    assert.deepEqual(
      taken.map(({ event: { seq }, outcome }) => [seq, outcome]),
      [
        ...[
          [1, "stored"],
          [2, "stored"],
        ],
        ...[
          [1, "duplicate"],
          [2, "duplicate"],
          [3, "stored"],
        ],
      ],
    );
    assert.deepEqual(seqs(await missing(db, { [ALPHA]: 1 })), [2, 3]);
  },

  async "pull brings what a peer has, once"(log) {
    const { db, transaction } = log;
    const table = createEventsTable("other") as any;
    const writer = openCortex({ id: BETA, origin: "beta", table });
    for (let n = 0; n < 5; n++) {
      await transaction((tx) =>
        writer.append(
          tx,
          [1, 2, 3, 4, 5].map(() => change()),
        ),
      );
    }
    await addAll(log, [event({ vclock: { [ALPHA]: 1 } })]);
    const peer = databasePeer(db, { table });
    const first = await pull(db, peer, { limit: 10, transaction });
    assert.deepEqual([first.stored, first.total, first.refused], [25, 25, []]);
    assert.equal((await pull(db, peer, { transaction })).stored, 0);
    assert.deepEqual(await clock(db), { [ALPHA]: 1, [BETA]: 25 });
    await add(log, event());
    assert.equal((await feed(db)).length, 27);
  },

  async "an event of one's own clock must not take another's place"({ transaction }) {
    const writer = openCortex({ id: ALPHA, origin: "alpha" });
    await transaction((tx) => writer.append(tx, change()));
    const error = await errorOf(() => transaction((tx) => append(tx, event({ vclock: { [ALPHA]: 1 } }))));
    assert.deepEqual([error.name, error.code], ["ConflictError", "FORK"]);
  },
};
