import assert from "node:assert/strict";
import { consume, lag, resetConsumer } from "drizzle-event-log";
import { addAll, errorOf, event, idAt, type Log, seqs, type TransactionalLog } from "./log.js";
import { notes } from "./notes.js";

const six = (log: Log) =>
  addAll(
    log,
    [1, 2, 3, 4, 5, 6].map((n) => event({ id: idAt(n), action: n % 2 ? "create" : "update" })),
  );

/** Consumes in the way of the driver until it has come to an event, and answers with the seqs it was given. */
async function consumed({ db, transaction }: TransactionalLog, last: number, options: any = {}) {
  const stop = new AbortController();
  const given: number[] = [];
  const isSync = db.resultKind === "sync";
  const apply = (tx: any, { id, seq }: any) => {
    given.push(seq);
    if (seq === last) stop.abort();
    return tx.insert(notes).values({ id }).run();
  };
  const handle = isSync
    ? (tx: any, events: any[]) => {
        for (const one of events) apply(tx, one);
      }
    : async (tx: any, events: any[]) => {
        for (const one of events) await apply(tx, one);
      };
  const way = { transaction, interval: 5, signal: stop.signal };
  await consume(db, "notes", handle, { ...way, ...options });
  return given;
}

const noted = async ({ db }: Log) => Number((await db.values("select count(*) from notes"))[0][0]);

export const consuming: Record<string, (log: TransactionalLog) => unknown> = {
  async "a consumer applies each event once, and goes on where it left off"(log) {
    await six(log);
    assert.deepEqual(await consumed(log, 4, { limit: 2 }), [1, 2, 3, 4]);
    assert.deepEqual(await lag(log.db, "notes"), { name: "notes", seq: 4, behind: 2, skipped: 0 });
    assert.deepEqual(await consumed(log, 6), [5, 6]);
    assert.equal(await noted(log), 6);
    await resetConsumer(log.db, "notes", { to: 4 });
    assert.deepEqual(await consumed(log, 6), [5, 6]);
    assert.deepEqual(await lag(log.db), [{ name: "notes", seq: 6, behind: 0, skipped: 0 }]);
  },

  async "a consumer is woken by what comes, with a filter"(log) {
    await six(log);
    const running = consumed(log, 7, { actions: ["create"] });
    await addAll(log, [event({ id: idAt(7), action: "create" })]);
    assert.deepEqual(await running, [1, 3, 5, 7]);
  },

  async "an event that fails stops the consumer before it, with nothing of it written"(log) {
    await six(log);
    const stored: any[] = [];
    const fail = (data: unknown) => {
      stored.push(data);
      if (stored.length > 2) throw new Error("poison");
      return data;
    };
    const options = { limit: 1, retries: 1, backoff: () => 0, upcasters: { create: fail } };
    const error = await errorOf(() => consumed(log, 6, options));
    assert.deepEqual([error.name, error.code, error.seq, error.id], ["ConsumerError", "POISON", 5, idAt(5)]);
    assert.equal(await noted(log), 4);
    assert.deepEqual(seqs([(await lag(log.db, "notes"))!]), [4]);
  },
};

export const notConsuming: Record<string, (log: Log) => unknown> = {
  async "without transactions a consumer is refused, and applies nothing"(log) {
    await six(log);
    const calls: unknown[] = [];
    await errorOf(() => consume(log.db, "notes", (_tx, events) => void calls.push(events)));
    assert.deepEqual([calls, await noted(log), await lag(log.db)], [[], 0, []]);
  },
};
