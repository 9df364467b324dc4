import assert from "node:assert/strict";
import { append, feed, forTrace } from "drizzle-event-log";
import { ALPHA, BETA, caught, errorOf, event, idAt, ids, type TransactionalLog, then } from "./log.js";
import { notes } from "./notes.js";

/** What only a transaction can promise of `append`. */
export const transactions: Record<string, (log: TransactionalLog) => unknown> = {
  async "an event commits and rolls back with what its transaction wrote besides"({ db, transaction }) {
    const write = (id: string, fails: boolean) =>
      transaction((tx) =>
        then(tx.run("insert into notes values ('n')"), () =>
          then(append(tx, event({ id })), (stored) => {
            if (fails) throw new Error("after both");
            return stored;
          }),
        ),
      );
    const stored = await write(idAt(1), false);
    assert.equal((await errorOf(() => write(idAt(2), true))).message, "after both");
    assert.deepEqual(await feed(db), [stored]);
    assert.equal((await db.select().from(notes)).length, 1);
  },

  async "a transaction sees its own events"({ transaction }) {
    const seen = await transaction((tx) =>
      then(append(tx, [event({ id: idAt(1) }), event({ id: idAt(2) })]), () => forTrace(tx, "trace")),
    );
    assert.deepEqual(ids(seen), [idAt(1), idAt(2)]);
  },

  async "a savepoint that is rolled back takes its events along"({ db, transaction }) {
    await transaction((tx) =>
      then(append(tx, event({ id: idAt(1) })), () =>
        caught(() =>
          tx.transaction((inner: any) =>
            then(append(inner, event({ id: idAt(2) })), () => {
              throw new Error("inner");
            }),
          ),
        ),
      ),
    );
    assert.deepEqual(ids(await feed(db)), [idAt(1)]);
  },

  async "appends of one transaction that are not awaited one by one are all stored"({ db, transaction }) {
    await transaction((tx) => {
      const all = Array.from({ length: 20 }, (_, i) => append(tx, event({ id: idAt(i) })) as unknown);
      return all.some((one) => one instanceof Promise) ? (Promise.all(all) as any) : all;
    });
    assert.equal((await feed(db)).length, 20);
  },

  async "a retry is answered with the stored event"({ db, transaction }) {
    const write = (over: object) => transaction((tx) => append(tx, event(over)));
    const first = await write({ id: idAt(1), idempotencyKey: "k", data: { n: 1 } });
    assert.deepEqual(await write({ id: idAt(1), idempotencyKey: "k", data: { n: 1 } }), first);
    assert.deepEqual(await write({ idempotencyKey: "k", data: { n: 1 } }), first);
    assert.deepEqual(await write({ cortexId: BETA, idempotencyKey: "k", data: { n: 1 } }), first);
    assert.deepEqual(await feed(db), [first]);
  },

  async "a conflict is a ConflictError, and nothing is written"({ db, transaction }) {
    const write = (...overs: object[]) => transaction((tx) => append(tx, overs.map(event)));
    const vclock = { [ALPHA]: 1 };
    const stored = await write({ id: idAt(1), idempotencyKey: "k", vclock });
    const conflicts: [object, string][] = [
      [{ id: idAt(1), data: "another" }, "ID_CONFLICT"],
      [{ idempotencyKey: "k", data: "another" }, "KEY_CONFLICT"],
      [{ vclock }, "FORK"],
    ];
    for (const [over, code] of conflicts) {
      const error = await errorOf(() => write({ id: idAt(9) }, over));
      assert.deepEqual([error.name, error.code], ["ConflictError", code]);
    }
    assert.deepEqual(await feed(db), stored);
  },

  async "a plain database is no transaction"({ db }) {
    assert.equal((await errorOf(() => append(db, event()))).code, "NOT_A_TRANSACTION");
    assert.deepEqual(await feed(db), []);
  },
};
