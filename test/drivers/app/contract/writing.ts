import assert from "node:assert/strict";
import { createEventsTable, feed, forTrace, getEvent } from "drizzle-event-log";
import { ALPHA, add, addAll, BETA, errorOf, event, idAt, ids, type Log, messagesOf, seqs } from "./log.js";

export const writing: Record<string, (log: Log) => unknown> = {
  async "an event is stored, and answered with its seq"(log) {
    const stored = await add(log, event({ id: idAt(1) }));
    assert.deepEqual(stored, { ...event(), id: idAt(1), timestamp: "2026-01-01T00:00:01.000Z", seq: 1 });
    assert.deepEqual(await feed(log.db), [stored]);
    assert.equal(typeof stored.seq, "number");
  },

  async "all that an event may hold comes back"(log) {
    const data = {
      text: "Grüße, 世界 🎉 'quoted' \"twice\"\n\u2028",
      list: [1, 2.5, -1e300, 2 ** 53, null, true],
      deep: { a: { b: [] } },
    };
    const full = event({
      ...{ id: idAt(1), timestamp: "2026-01-01T00:00:01.123456789Z", actor: "user:ä", idempotencyKey: "key" },
      ...{ data, meta: { request: "r", n: 1 }, vclock: { [ALPHA]: 1 } },
    });
    const stored = await add(log, full);
    assert.deepEqual(stored, { ...full, seq: 1 });
    for (const [i, value] of [null, false, 0, "", [], {}].entries()) {
      await add(log, event({ id: idAt(2 + i), data: value }));
      assert.deepEqual((await getEvent(log.db, idAt(2 + i)))!.data, value);
    }
    assert.deepEqual(await getEvent(log.db, idAt(1)), stored);
  },

  async "a batch has contiguous seqs, in the order given"(log) {
    await add(log, event({ id: idAt(1) }));
    const batch = [5, 3, 4].map((n) => event({ id: idAt(n), data: n }));
    const stored = await addAll(log, batch);
    assert.deepEqual(seqs(stored), [2, 3, 4]);
    assert.deepEqual(ids(stored), ids(batch as { id: string }[]));
    assert.deepEqual(await addAll(log, []), []);
  },

  async "a batch of 1,000 is stored whole"(log) {
    const batch = Array.from({ length: 1000 }, (_, i) => event({ id: idAt(i), data: { i } }));
    const stored = await addAll(log, batch);
    assert.equal(stored.length, 1000);
    assert.deepEqual(await feed(log.db, { limit: 2000 }), stored);
  },

  async "a retry with the same id stores nothing twice"(log) {
    const first = await addAll(log, [event({ id: idAt(1) }), event({ id: idAt(2) })]);
    await addAll(log, [event({ id: idAt(1) }), event({ id: idAt(2) }), event({ id: idAt(3) })]);
    const all = await feed(log.db);
    assert.deepEqual(all.slice(0, 2), first);
    assert.deepEqual(ids(all), [idAt(1), idAt(2), idAt(3)]);
  },

  async "a retry with the same idempotency key stores nothing twice"(log) {
    const first = await add(log, event({ id: idAt(1), idempotencyKey: "k", data: 1 }));
    await addAll(log, [event({ id: idAt(2), cortexId: BETA, idempotencyKey: "k", data: 1 })]);
    assert.deepEqual(await feed(log.db), [first]);
  },

  async "a table of another name with the app's own actions is a log of its own"(log) {
    const table = createEventsTable<{ publish: { url: string } }, "other">("other");
    const stored = await add(log, event({ action: "publish", data: { url: "/" } }), { table });
    assert.deepEqual(await forTrace(log.db, "trace", { table }), [stored]);
    assert.deepEqual(await feed(log.db), []);
  },

  async "the table refuses UPDATE, DELETE and REPLACE"(log) {
    const stored = await add(log, event({ id: idAt(1) }));
    const columns = "id, action, trace_id, cortex_id, origin, timestamp";
    const values = `'${idAt(1)}', 'update', 't', '${ALPHA}', 'o', '2026-01-01T00:00:00Z'`;
    for (const statement of [
      "update events set origin = 'x'",
      "delete from events",
      `insert or replace into events (${columns}) values (${values})`,
    ]) {
      assert.match(messagesOf(await errorOf(() => log.run(statement))), /append-only/, statement);
    }
    assert.deepEqual(await feed(log.db), [stored]);
  },

  async "the table refuses a row that is no event"(log) {
    const columns = "id, action, trace_id, cortex_id, origin, timestamp, data";
    const good = [`'${idAt(1)}'`, "'update'", "'t'", `'${ALPHA}'`, "'o'", "'2026-01-01T00:00:00Z'", "'{}'"];
    const insert = (row: string[]) => log.run(`insert into events (${columns}) values (${row.join(", ")})`);
    for (const [i, bad] of ["'x'", "'!'", "''", "'x'", "''", "'noon'", "'{'"].entries()) {
      assert.match(messagesOf(await errorOf(() => insert(good.with(i, bad)))), /constraint|CHECK/i);
    }
    await insert(good);
    assert.equal((await feed(log.db)).length, 1);
  },

  async "a database without the table is told so"(log) {
    const table = createEventsTable("nowhere");
    assert.equal((await errorOf(async () => feed(log.db, { table: table as any }))).code, "NOT_MIGRATED");
  },

  async "what is no event is refused before any SQL"(log) {
    const codes: [unknown, string][] = [
      [{ ...event(), id: "x" }, "INVALID_ID"],
      [{ ...event(), action: "!" }, "INVALID_ACTION"],
      [{ ...event(), data: 1n }, "INVALID_DATA"],
      [{ ...event(), more: 1 }, "UNKNOWN_FIELD"],
    ];
    for (const [input, code] of codes) assert.equal((await errorOf(() => add(log, input as any))).code, code);
    assert.deepEqual(await feed(log.db), []);
  },
};
