import assert from "node:assert/strict";
import { appendQuery, clock, feed } from "drizzle-event-log";
import { missing } from "drizzle-event-log/federation";
import { ALPHA, addAll, BETA, errorOf, event, idAt, ids, type Log } from "./log.js";

/** What holds of an `appendQuery` on every driver. */
export const queries: Record<string, (log: Log) => unknown> = {
  async "a query appends when it is run, and not before"({ db }) {
    const query = appendQuery<any>(db, [event({ id: idAt(1) }), event({ id: idAt(2) })]);
    assert.deepEqual(await feed(db), []);
    assert.deepEqual(await query.all(), [
      { seq: 1, id: idAt(1) },
      { seq: 2, id: idAt(2) },
    ]);
    assert.deepEqual(await appendQuery(db, [event({ id: idAt(2) }), event({ id: idAt(3) })]), [
      { seq: 3, id: idAt(3) },
    ]);
    assert.deepEqual(ids(await feed(db)), [idAt(1), idAt(2), idAt(3)]);
  },

  async "a query that conflicts writes nothing"({ db }) {
    await appendQuery(db, event({ id: idAt(1), idempotencyKey: "k" }));
    for (const over of [
      { id: idAt(1), data: 1 },
      { idempotencyKey: "k", data: 1 },
    ]) {
      await errorOf(async () => appendQuery(db, [event({ id: idAt(9) }), event(over)]));
    }
    assert.deepEqual(ids(await feed(db)), [idAt(1)]);
  },

  async "a query takes no clock: it cannot make the proof"({ db }) {
    const error = await errorOf(() => appendQuery(db, event({ vclock: { [ALPHA]: 1 } })));
    assert.equal(error.code, "INVALID_VCLOCK");
  },

  async "the clock and what another lacks are told"(log) {
    await addAll(log, [
      event({ id: idAt(1), vclock: { [ALPHA]: 1 } }),
      event({ id: idAt(2), vclock: { [ALPHA]: 1, [BETA]: 1 }, cortexId: BETA }),
    ]);
    assert.deepEqual(await clock(log.db), { [ALPHA]: 1, [BETA]: 1 });
    assert.deepEqual(ids(await missing(log.db, { [ALPHA]: 1 })), [idAt(2)]);
    assert.deepEqual(await missing(log.db, { [ALPHA]: 1, [BETA]: 1 }), []);
  },
};

/** And of `db.batch`, on drivers that have it. */
export const batches: Record<string, (log: Log) => unknown> = {
  async "a batch is all or nothing"({ db }) {
    const insert = () => db.run("insert into notes values ('n')");
    const [, appended] = await db.batch([insert(), appendQuery(db, event({ id: idAt(1) }))]);
    assert.deepEqual(appended, [{ seq: 1, id: idAt(1) }]);
    await errorOf(() => db.batch([insert(), appendQuery(db, event({ id: idAt(1), data: "another" }))]));
    assert.deepEqual(ids(await feed(db)), [idAt(1)]);
    assert.equal(Number((await db.values("select count(*) from notes"))[0][0]), 1);
  },
};
