import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import {
  append,
  appendQuery,
  ConflictError,
  createEventsTable,
  events,
  feed,
  forTrace,
  getEvent,
  InputError,
  latest,
  type NewEvent,
  newULID,
  openCortex,
  type StoredEvent,
  ulidFactory,
  ulidTime,
} from "drizzle-event-log";
import { migrationsFolder } from "drizzle-event-log/migrations/folder";
import * as schema from "drizzle-event-log/schema";
import { generateSQLiteDrizzleJson, generateSQLiteMigration } from "drizzle-kit/api";
import { eq, sql } from "drizzle-orm";
import { getTableConfig, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { describe, expect, test } from "vitest";
import {
  ALPHA,
  add,
  addAll,
  BETA,
  drivers,
  errorOf,
  event,
  everything,
  ids,
  inputErrorOf,
  type Libsql,
  openLibsql,
  openSqlite,
  thrownBy,
} from "./fixture.js";

const notes = sqliteTable("notes", { id: integer("id").primaryKey(), body: text("body").notNull() });
const createNotes = "create table notes (id integer primary key, body text not null)";

/** Runs `write` in a transaction that commits whatever it throws, and answers with what it threw. */
async function swallowed(db: Libsql, write: (tx: Parameters<typeof append>[0]) => unknown) {
  let error: unknown;
  await db.transaction(async (tx) => {
    error = await errorOf(() => write(tx));
  });
  return error;
}

describe("one event", () => {
  test("append answers with the stored event: its seq, id and timestamp filled in", async () => {
    const { db } = await openLibsql();
    const beta = await add(db, event({ cortexId: BETA, vclock: { [BETA]: 1 } }));
    const first = await add(db, event({ data: { a: 1 }, vclock: { [BETA]: 1, [ALPHA]: 1 } }));
    expect(first).toEqual({
      seq: beta.seq + 1,
      id: first.id,
      action: "update",
      traceId: "trace",
      cortexId: ALPHA,
      origin: "alpha",
      timestamp: new Date(ulidTime(first.id)).toISOString(),
      data: { a: 1 },
      vclock: { [ALPHA]: 1, [BETA]: 1 },
    });
    expect(await getEvent(db, first.id)).toEqual(first);
    expect((await add(db, event())).seq).toBe(3);
  });

  test("a missing timestamp is the time of the id, also of an id from elsewhere", async () => {
    const { db } = await openLibsql();
    const id = ulidFactory({ now: () => Date.UTC(2001, 1, 3, 4, 5, 6, 7) })();
    const stored = await add(db, event({ id }));
    expect(stored.timestamp).toBe("2001-02-03T04:05:06.007Z");
    expect((await getEvent(db, id))!.timestamp).toBe(stored.timestamp);
  });

  test("a given id and timestamp are kept to the letter", async () => {
    const { db } = await openLibsql();
    const given = event({ id: newULID(), timestamp: "1999-12-31T23:59:59.123456789Z" });
    expect(await add(db, given)).toEqual({ seq: 1, ...given });
  });

  test("who, about what and for which request are stored where they are told", async () => {
    const { db } = await openLibsql();
    const told = { actor: "user 7", meta: { request: "r-1", deep: [{ a: null }] }, idempotencyKey: "key 1" };
    const stored = await add(db, event(told));
    expect(stored).toMatchObject(told);
    expect(await getEvent(db, stored.id)).toEqual(stored);
    const alone = [{ actor: "a" }, { meta: {} }, { idempotencyKey: "k" }];
    for (const one of alone) {
      const { seq, id, timestamp, ...rest } = await add(db, event(one));
      expect(rest).toEqual({ ...event(), ...one });
      expect(await getEvent(db, id)).toEqual({ seq, id, timestamp, ...rest });
    }
  });

  test("data null is stored as null, and absent data stays absent", async () => {
    const { db } = await openLibsql();
    const withNull = await add(db, event({ data: null }));
    const without = await add(db, event());
    expect(withNull).toHaveProperty("data", null);
    expect(without).not.toHaveProperty("data");
    expect(await getEvent(db, withNull.id)).toHaveProperty("data", null);
    expect(await getEvent(db, without.id)).not.toHaveProperty("data");
  });

  test("changing the input afterwards changes neither the log nor the answer", async () => {
    const { db } = await openLibsql();
    const clock: Record<string, number> = { [ALPHA]: 1 };
    const input = event({ id: newULID(), data: { list: [1] }, vclock: clock });
    const stored = await add(db, input);
    (input.data as { list: number[] }).list.push(2);
    clock[ALPHA] = 2;
    expect((await getEvent(db, stored.id))!.data).toEqual({ list: [1] });
    expect(stored).toEqual(await getEvent(db, stored.id));
  });

  test.each([
    ["digits", "01234567890123456789012345"],
    ["zeros", "00000000000000000000000000"],
    ["an exponent", "00000000000000000000000E10"],
    ["the greatest", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"],
  ])("a clock works for every cortex id: %s", async (_, cortexId) => {
    const input = event({ cortexId, vclock: { [cortexId]: 1 } });
    const { db } = await openLibsql();
    const sync = openSqlite();
    expect(sync.db.transaction((tx) => append(tx, input)).vclock).toEqual({ [cortexId]: 1 });
    expect((await add(db, input)).vclock).toEqual({ [cortexId]: 1 });
  });
});

describe("the transaction", () => {
  test("what a getter answers is read once: what was checked is what is stored", async () => {
    const { db } = await openLibsql();
    let reads = 0;
    const data = {
      get changing() {
        return reads++ === 0 ? "checked" : "a lone \ud800";
      },
    };
    const stored = await db.transaction((tx) => append(tx, event({ data })));
    expect(reads).toBe(1);
    expect(stored.data).toEqual({ changing: "checked" });
    expect(await latest(db)).toEqual([stored]);
  });

  test("a throw after append and update leaves neither (libsql)", async () => {
    const { db } = await openLibsql();
    await db.run(createNotes);
    await db.insert(notes).values({ id: 1, body: "before" });
    const failure = new Error("the app changed its mind");
    const run = db.transaction(async (tx) => {
      await append(tx, event());
      await tx.update(notes).set({ body: "after" }).where(eq(notes.id, 1));
      throw failure;
    });
    await expect(run).rejects.toBe(failure);
    expect(await everything(db)).toEqual([]);
    expect(await db.select().from(notes)).toEqual([{ id: 1, body: "before" }]);
  });

  test("a throw after append and update leaves neither (better-sqlite3)", () => {
    const { db } = openSqlite();
    db.run(createNotes);
    db.insert(notes).values({ id: 1, body: "before" }).run();
    const failure = new Error("the app changed its mind");
    const run = () =>
      db.transaction((tx) => {
        append(tx, event());
        tx.update(notes).set({ body: "after" }).where(eq(notes.id, 1)).run();
        throw failure;
      });
    expect(run).toThrow(failure);
    expect(feed(db)).toEqual([]);
    expect(db.select().from(notes).all()).toEqual([{ id: 1, body: "before" }]);
  });

  test("an async callback on a synchronous driver appends nothing after the transaction is over", async () => {
    const { db } = openSqlite();
    let late: Promise<unknown> | undefined;
    const run = () =>
      db.transaction((tx) => {
        late = Promise.resolve().then(() => append(tx, event()));
        return late;
      });
    expect(run).toThrow();
    expect(await errorOf(() => late)).toMatchObject({ code: "NOT_A_TRANSACTION" });
    expect(feed(db)).toEqual([]);
  });

  test("event and update are committed together, on both drivers", async () => {
    const { db } = await openLibsql();
    await db.run(createNotes);
    await db.transaction(async (tx) => {
      await tx.insert(notes).values({ id: 1, body: "new" });
      await append(tx, event({ action: "create" }));
    });
    expect([await everything(db), await db.select().from(notes)].map((list) => list.length)).toEqual([1, 1]);

    const sync = openSqlite();
    sync.db.run(createNotes);
    sync.db.transaction((tx) => {
      tx.insert(notes).values({ id: 1, body: "new" }).run();
      append(tx, event({ action: "create" }));
    });
    expect([feed(sync.db), sync.db.select().from(notes).all()].map((list) => list.length)).toEqual([1, 1]);
  });

  test("on better-sqlite3 every answer is a plain value", () => {
    const { db } = openSqlite();
    const stored = db.transaction((tx) => append(tx, event({ data: [1] })));
    expect(stored).toMatchObject({ seq: 1, data: [1] });
    const batch = db.transaction((tx) => append(tx, [event(), event()]));
    expect(batch.map(({ seq }) => seq)).toEqual([2, 3]);
    expect(getEvent(db, stored.id)).toEqual(stored);
    expect(forTrace(db, "trace")).toEqual([stored, ...batch]);
    expect(latest(db, { limit: 1 })).toEqual(batch.slice(1));
  });

  test("on better-sqlite3 a conflict is thrown, and the transaction rolls back", () => {
    const { db } = openSqlite();
    const first = db.transaction((tx) => append(tx, event()));
    const run = () =>
      db.transaction((tx) => {
        append(tx, event());
        append(tx, { ...first, origin: "other" });
      });
    expect(run).toThrow(ConflictError);
    expect(feed(db)).toEqual([first]);
  });

  test("a rolled back savepoint takes its events with it, and no others", async () => {
    const { db } = await openLibsql();
    const kept = await db.transaction(async (tx) => {
      const outer = await append(tx, event());
      await errorOf(() =>
        tx.transaction(async (inner) => {
          await append(inner, event());
          inner.rollback();
        }),
      );
      return outer;
    });
    expect(await everything(db)).toEqual([kept]);
  });

  test("a seq that rolled back is not a gap: the next event takes it", async () => {
    const { db } = await openLibsql();
    await add(db, event());
    await errorOf(() =>
      db.transaction(async (tx) => {
        await append(tx, event());
        tx.rollback();
      }),
    );
    expect((await add(db, event())).seq).toBe(2);
  });

  test("a plain database is refused at run time, before any SQL", async () => {
    const libsql = await openLibsql();
    const sync = openSqlite();
    for (const tx of [libsql.db, sync.db, undefined, null, {}, "tx"]) {
      const error = inputErrorOf(() => append(tx as never, event()));
      expect(error).toMatchObject({ code: "NOT_A_TRANSACTION", field: "tx" });
    }
    expect([...libsql.statements, ...sync.statements]).toEqual([]);
    expect(await everything(libsql.db)).toEqual([]);
    expect(feed(sync.db)).toEqual([]);
  });
});

describe("a batch", () => {
  test("is stored in the order given, with contiguous seqs, even when the ids are not in order", async () => {
    const { db } = await openLibsql();
    await add(db, event());
    const batch = Array.from({ length: 50 }, (_, i) => event({ id: newULID(), data: i })).reverse();
    const stored = await addAll(db, batch);
    expect(stored).toEqual(batch.map((given, i) => ({ ...stored[i], ...given, seq: i + 2 })));
    expect(await feed(db, { after: 1 })).toEqual(stored);
  });

  test("is all or nothing: one conflict stores none of it, even when the error is swallowed", async () => {
    const { db } = await openLibsql();
    const taken = await add(db, event({ data: 1 }));
    const error = await swallowed(db, (tx) => append(tx, [event(), { ...taken, data: 2 }, event()]));
    expect(error).toMatchObject({ code: "ID_CONFLICT" });
    expect(await everything(db)).toEqual([taken]);
  });

  test("is all or nothing: one invalid event stores none of it", async () => {
    const { db } = await openLibsql();
    const error = await swallowed(db, (tx) => append(tx, [event(), event({ action: "no!" }), event()]));
    expect(error).toMatchObject({ code: "INVALID_ACTION", field: "events[1].action" });
    expect(await everything(db)).toEqual([]);
  });

  test("of none is no work and an empty answer", async () => {
    const { db } = await openLibsql();
    expect(await addAll(db, [])).toEqual([]);
    expect(openSqlite().db.transaction((tx) => append(tx, []))).toEqual([]);
    expect(await everything(db)).toEqual([]);
  });

  test("with a hole is refused", () => {
    const { db } = openSqlite();
    const holed = [event(), event()];
    delete holed[0];
    const error = db.transaction((tx) => thrownBy(() => append(tx, holed)));
    expect(error).toBeInstanceOf(InputError);
    expect(error).toMatchObject({ code: "INVALID_EVENT", field: "events[0].event" });
  });

  test("holding an event twice stores it once and answers for both", async () => {
    const { db } = await openLibsql();
    const twice = event({ id: newULID(), data: { a: 1, b: 2 }, vclock: { [ALPHA]: 1 } });
    const [first, other, again] = await addAll(db, [twice, event(), { ...twice, data: { b: 2, a: 1 } }]);
    expect(again).toEqual(first);
    expect(ids(await everything(db))).toEqual([first!.id, other!.id]);
  });

  test("holding two events under one id is refused", async () => {
    const { db } = await openLibsql();
    const one = event({ id: newULID(), data: 1 });
    const error = await swallowed(db, (tx) => append(tx, [one, { ...one, data: 2 }]));
    expect(error).toBeInstanceOf(ConflictError);
    expect(error).toMatchObject({ code: "ID_CONFLICT", id: one.id, existingId: one.id });
    expect(await everything(db)).toEqual([]);
  });

  test("of stored and new events answers in order and stores only the new", async () => {
    const { db } = await openLibsql();
    const [a, b] = await addAll(db, [event(), event()]);
    const answer = await addAll(db, [event(), b!, event(), a!]);
    expect(answer.map(({ seq }) => seq)).toEqual([3, 2, 4, 1]);
    expect(await everything(db)).toEqual([a, b, answer[0], answer[2]]);
  });

  test("of 10,000 events is stored whole, in one statement, and can be retried whole", async () => {
    const { db, statements } = await openLibsql();
    const batch = Array.from({ length: 10_000 }, (_, i) =>
      event({ id: newULID(), traceId: `trace-${i % 7}`, data: { i }, vclock: { [ALPHA]: i + 1 } }),
    );
    const stored = await addAll(db, batch);
    expect(statements.filter(({ sql }) => sql.startsWith("insert")).length).toBe(1);
    expect(stored.map(({ seq }) => seq)).toEqual(batch.map((_, i) => i + 1));
    expect(await everything(db)).toEqual(stored);
    expect(await addAll(db, batch)).toEqual(stored);
    expect((await everything(db)).length).toBe(10_000);
  });
});

describe("a retry", () => {
  const original = event({
    ...{ id: newULID(), data: { a: [1, { b: null }], c: "x" }, vclock: { [ALPHA]: 1 } },
    ...{ actor: "user-7", meta: { request: "r-1" }, idempotencyKey: "key-1" },
  });

  test("with the same id and content answers with the stored event and stores nothing", async () => {
    const { db } = await openLibsql();
    const stored = await add(db, original);
    await add(db, event());
    expect(await add(db, original)).toEqual(stored);
    expect(await add(db, stored)).toEqual(stored);
    expect((await everything(db)).length).toBe(2);
  });

  test("is the same whatever the order of keys in data and vclock", async () => {
    const { db } = await openLibsql();
    await add(db, event({ cortexId: BETA, vclock: { [BETA]: 1 } }));
    const stored = await add(db, { ...original, vclock: { [ALPHA]: 1, [BETA]: 1 } });
    const reordered = {
      ...original,
      data: { c: "x", a: [1, { b: null }] },
      vclock: { [BETA]: 1, [ALPHA]: 1 },
    };
    expect(await add(db, reordered)).toEqual(stored);
    expect((await everything(db)).length).toBe(2);
  });

  test("in the transaction that stored it answers with it too", async () => {
    const { db } = await openLibsql();
    const [first, again] = await db.transaction(async (tx) => [
      await append(tx, original),
      await append(tx, original),
    ]);
    expect(again).toEqual(first);
  });

  test("alongside the original in one transaction stores it once", async () => {
    const { db } = await openLibsql();
    const both = db.transaction((tx) => Promise.all([append(tx, original), append(tx, original)]));
    const [first, again] = await both;
    expect(again).toEqual(first);
    expect(await everything(db)).toEqual([first]);
  });

  const other: [string, Record<string, unknown>][] = [
    ["action", { action: "trash" }],
    ["traceId", { traceId: "other" }],
    ["cortexId", { cortexId: BETA, vclock: { [BETA]: 1 } }],
    ["origin", { origin: "other" }],
    ["timestamp", { timestamp: "2020-01-01T00:00:00Z" }],
    ["data", { data: { a: [1, { b: null }], c: "y" } }],
    ["data (an array's order)", { data: { a: [{ b: null }, 1], c: "x" } }],
    ["data (one key more)", { data: { a: [1, { b: null }], c: "x", d: 1 } }],
    ["data (null)", { data: null }],
    ["data (absent)", { data: undefined }],
    ["vclock", { vclock: { [ALPHA]: 2 } }],
    ["vclock (one entry more)", { vclock: { [ALPHA]: 1, [BETA]: 1 } }],
    ["vclock (absent)", { vclock: undefined }],
    ["actor", { actor: "other" }],
    ["actor (absent)", { actor: undefined }],
    ["meta", { meta: { request: "other" } }],
    ["meta (one key more)", { meta: { request: "r-1", more: null } }],
    ["meta (absent)", { meta: undefined }],
    ["idempotencyKey", { idempotencyKey: "other" }],
    ["idempotencyKey (absent)", { idempotencyKey: undefined }],
  ];
  test.each(other)("with another %s is refused and changes nothing, even if swallowed", async (_, over) => {
    const { db } = await openLibsql();
    const stored = await add(db, original);
    const error = await swallowed(db, (tx) => append(tx, { ...original, ...over } as NewEvent));
    expect(error).toBeInstanceOf(ConflictError);
    expect(error).toMatchObject({ code: "ID_CONFLICT", id: original.id, existingId: original.id });
    expect(await everything(db)).toEqual([stored]);
  });

  test("of data null against absent data is a conflict, both ways", async () => {
    const { db } = await openLibsql();
    const withNull = await add(db, event({ data: null }));
    const { data: _, ...without } = await add(db, event());
    const stripped = Object.fromEntries(Object.entries(withNull).filter(([key]) => key !== "data"));
    for (const input of [stripped as unknown as NewEvent, { ...without, data: null }]) {
      expect(await errorOf(() => add(db, input))).toMatchObject({ code: "ID_CONFLICT" });
    }
  });
});

describe("a fork", () => {
  test("against the log is refused, names the event in the place, and changes nothing", async () => {
    const { db } = await openLibsql();
    const stored = await add(db, event({ vclock: { [ALPHA]: 1 } }));
    const rival = event({ id: newULID(), vclock: { [ALPHA]: 1, [BETA]: 1 } });
    const error = await swallowed(db, (tx) => append(tx, [event(), rival]));
    expect(error).toBeInstanceOf(ConflictError);
    expect(error).toMatchObject({ code: "FORK", id: rival.id, existingId: stored.id });
    expect(await everything(db)).toEqual([stored]);
  });

  test("is refused for an event whose id is yet to be made", async () => {
    const { db } = await openLibsql();
    const stored = await add(db, event({ vclock: { [ALPHA]: 1 } }));
    const error = await errorOf(() => add(db, event({ vclock: { [ALPHA]: 1 } })));
    expect(error).toMatchObject({ code: "FORK", existingId: stored.id });
  });

  test("inside one batch is refused", async () => {
    const { db } = await openLibsql();
    const [a, b] = [newULID(), newULID()];
    const clock = { vclock: { [ALPHA]: 1 } };
    const error = await swallowed(db, (tx) =>
      append(tx, [event({ id: a, ...clock }), event({ id: b, ...clock })]),
    );
    expect(error).toMatchObject({ code: "FORK", id: b, existingId: a });
    expect(await everything(db)).toEqual([]);
  });

  test("against a retried event of the same batch is refused", async () => {
    const { db } = await openLibsql();
    const stored = await add(db, event({ vclock: { [ALPHA]: 1 } }));
    const rival = event({ id: newULID(), vclock: { [ALPHA]: 1 } });
    const error = await errorOf(() => addAll(db, [stored, rival]));
    expect(error).toMatchObject({ code: "FORK", id: rival.id, existingId: stored.id });
  });

  test("is none when cortex or counter differ, or there is no clock", async () => {
    const { db } = await openLibsql();
    const clocks = [{ [ALPHA]: 1 }, { [ALPHA]: 2 }, undefined, undefined];
    await addAll(
      db,
      clocks.map((vclock) => event({ vclock })),
    );
    await add(db, event({ cortexId: BETA, vclock: { [BETA]: 1, [ALPHA]: 2 } }));
    expect((await everything(db)).length).toBe(5);
  });

  test("the message of a conflict holds ids and nothing else of the event", async () => {
    const { db } = await openLibsql();
    const secret = event({ id: newULID(), traceId: "s3cr3t", origin: "s3cr3t", data: "s3cr3t" });
    await add(db, { ...secret, vclock: { [ALPHA]: 1 } });
    const errors = [
      await errorOf(() => add(db, { ...secret, data: "s3cr3t too" })),
      await errorOf(() => add(db, { ...secret, id: newULID(), vclock: { [ALPHA]: 1 } })),
    ] as ConflictError[];
    expect(errors.map(({ code }) => code)).toEqual(["ID_CONFLICT", "FORK"]);
    for (const error of errors) expect(error.message + JSON.stringify(error)).not.toContain("s3cr3t");
  });
});

describe("appendQuery in db.batch", () => {
  test("stores events and the app's own write together", async () => {
    const { db } = await openLibsql();
    await db.run(createNotes);
    const [stored] = await db.batch([
      appendQuery(db, [event({ data: null }), event({ data: [1] })]),
      db.insert(notes).values({ id: 1, body: "new" }),
    ]);
    const log = await everything(db);
    expect(stored).toEqual(log.map(({ seq, id }) => ({ seq, id })));
    expect(log.map(({ data }) => data)).toEqual([null, [1]]);
    expect(await db.select().from(notes)).toEqual([{ id: 1, body: "new" }]);
  });

  test("stores what append stores", async () => {
    const [batch, plain] = [await openLibsql(), await openLibsql()];
    const told = { actor: "é\n", meta: { a: "\u0001" }, idempotencyKey: '"' };
    const input = [event({ id: newULID(), data: { a: "é\n\u0001" }, ...told }), event({ id: newULID() })];
    await batch.db.batch([appendQuery(batch.db, input)]);
    await addAll(plain.db, input);
    const rows = (db: Libsql) => db.select().from(events);
    expect(await rows(batch.db)).toEqual(await rows(plain.db));
  });

  test("leaves out an event that is already stored, and stores the rest", async () => {
    const { db } = await openLibsql();
    const stored = await add(db, event({ data: { a: 1 } }));
    const fresh = event({ id: newULID() });
    const [answer] = await db.batch([appendQuery(db, [stored, fresh, fresh])]);
    expect(answer).toEqual([{ seq: 2, id: fresh.id }]);
    expect(ids(await everything(db))).toEqual([stored.id, fresh.id]);
    expect(await db.batch([appendQuery(db, stored)])).toEqual([[]]);
  });

  test("a conflict fails the whole batch and nothing is stored", async () => {
    const { db } = await openLibsql();
    await db.run(createNotes);
    const stored = await add(db, event({ data: 1 }));
    const clocked = await add(db, event({ vclock: { [ALPHA]: 1 } }));
    const conflicts = [
      { ...stored, origin: "other" },
      { ...stored, data: null },
      { ...clocked, vclock: undefined } as unknown as NewEvent,
    ];
    for (const conflict of conflicts) {
      const batch = db.batch([
        appendQuery(db, event()),
        db.insert(notes).values({ id: 1, body: "new" }),
        appendQuery(db, [event(), conflict]),
      ]);
      await expect(batch).rejects.toThrow(/SQLITE_CONSTRAINT/);
    }
    expect(await everything(db)).toEqual([stored, clocked]);
    expect(await db.select().from(notes)).toEqual([]);
  });

  test("refuses bad and contradictory events before any SQL", async () => {
    const { db, statements } = await openLibsql();
    const one = event({ id: newULID() });
    expect(inputErrorOf(() => appendQuery(db, event({ action: "" }))).code).toBe("INVALID_ACTION");
    expect(thrownBy(() => appendQuery(db, [one, { ...one, origin: "x" }]))).toMatchObject({
      code: "ID_CONFLICT",
    });
    const clocked = event({ vclock: { [ALPHA]: 1 } });
    const refused = { code: "INVALID_VCLOCK", field: "vclock" };
    expect(thrownBy(() => appendQuery(db, clocked))).toMatchObject(refused);
    expect(thrownBy(() => appendQuery(db, [one, clocked]))).toMatchObject({
      ...refused,
      field: "events[1].vclock",
    });
    expect(statements).toEqual([]);
  });

  test("does nothing until it is run", async () => {
    const { db, statements } = await openLibsql();
    const query = appendQuery(db, event());
    await sleep(0);
    expect(statements).toEqual([]);
    expect(await query).toMatchObject([{ seq: 1 }]);
    expect((await everything(db)).length).toBe(1);
  });

  test("of none stores nothing", async () => {
    const { db } = await openLibsql();
    expect(await db.batch([appendQuery(db, [])])).toEqual([[]]);
  });
});

describe("another table", () => {
  const other = createEventsTable<"publish">("other");

  async function openOther() {
    const opened = await openLibsql();
    const [empty, wanted] = await Promise.all([
      generateSQLiteDrizzleJson({}),
      generateSQLiteDrizzleJson({ other }),
    ]);
    for (const statement of await generateSQLiteMigration(empty, wanted))
      await opened.client.execute(statement);
    return opened;
  }

  test("names its indexes and checks after itself", () => {
    const { name, indexes, checks } = getTableConfig(other);
    expect(name).toBe("other");
    const named = indexes.map(({ config }) => config.name);
    expect(named).toEqual(
      expect.arrayContaining([
        "other_id_unique",
        "other_trace_id_id_index",
        "other_cortex_id_counter_unique",
        "other_idempotency_key_cortex_id_unique",
        "other_actor_index",
        "other_branched_index",
      ]),
    );
    for (const index of named) expect(index).toMatch(/^other_/);
    for (const { name } of checks) expect(name).toMatch(/^other_[a-z_]+_check$/);
  });

  test("holds a log of its own in the same database, for every function", async () => {
    const { db } = await openOther();
    const options = { table: other };
    const input = { ...event(), action: "publish" as const };
    const stored: StoredEvent<"publish"> = await db.transaction((tx) => append(tx, input, options));
    await db.batch([appendQuery(db, { ...input, id: newULID() }, options)]);
    const both = await feed(db, options);
    expect(both.length).toBe(2);
    expect(both[0]).toEqual(stored);
    expect(await forTrace(db, "trace", options)).toEqual(both);
    expect(await getEvent(db, stored.id, options)).toEqual(stored);
    expect(await latest(db, { ...options, limit: 2 })).toEqual(both.toReversed());
    expect(await everything(db)).toEqual([]);
    expect(await getEvent(db, stored.id)).toBeUndefined();
  });

  test("has the same checks and the same unique places", async () => {
    const { db, client } = await openOther();
    const input = { ...event({ vclock: { [ALPHA]: 1 } }), action: "publish" as const };
    const options = { table: other };
    await db.transaction((tx) => append(tx, input, options));
    const fork = errorOf(() => db.transaction((tx) => append(tx, input, options)));
    expect(await fork).toMatchObject({ code: "FORK" });
    const rest = "trace_id, cortex_id, origin, timestamp, proof, vclock, counter";
    const copy = (columns: string) =>
      client.execute(`insert into other (id, action, ${rest}) select ${columns}, ${rest} from other`);
    await expect(copy("id, action")).rejects.toThrow("UNIQUE");
    await expect(copy(`'${newULID()}', action`)).rejects.toThrow("UNIQUE");
    await expect(copy(`'${newULID()}', 'no!'`)).rejects.toThrow("other_action_check");
  });

  test.each(["", "1st", "a b", "a-b", "a.b", 'a"b', "é", "a\n", null, 7])(
    "a bad name is refused: %j",
    (name) => {
      const error = inputErrorOf(() => createEventsTable(name as string));
      expect(error).toMatchObject({ code: "INVALID_TABLE_NAME", field: "name" });
    },
  );
});

describe("the table itself", () => {
  const row = {
    id: newULID(),
    action: "create",
    trace_id: "trace",
    cortex_id: ALPHA,
    origin: "alpha",
    timestamp: "2026-01-01T00:00:00Z",
    data: "{}",
    vclock: `{"${ALPHA}":1}`,
    counter: 1,
    proof: `${"0f".repeat(32)}.${"a9".repeat(16)}`,
  };
  const local = { counter: null, vclock: null, proof: null };
  const insert = (over: object): [string, any[]] => {
    const full = { ...row, ...over };
    const names = Object.keys(full);
    return [`insert into events (${names}) values (${names.map(() => "?")})`, Object.values(full)];
  };
  const garbage: [check: string, over: object][] = [
    ["events_id_check", { id: row.id.slice(1) }],
    ["events_id_check", { id: `${row.id}0` }],
    ["events_id_check", { id: row.id.toLowerCase() }],
    ["events_id_check", { id: `8${row.id.slice(1)}` }],
    ["events_id_check", { id: "" }],
    ["events.id", { id: null }],
    ["events_cortex_id_check", { cortex_id: "short", ...local }],
    ["events_cortex_id_check", { cortex_id: ALPHA.toLowerCase(), ...local }],
    ["events.cortex_id", { cortex_id: null, ...local }],
    ["events_action_check", { action: "" }],
    ["events_action_check", { action: "1st" }],
    ["events_action_check", { action: "_x" }],
    ["events_action_check", { action: "a b" }],
    ["events_action_check", { action: "a\n" }],
    ["events_action_check", { action: "créer" }],
    ["events_action_check", { action: "a".repeat(129) }],
    ["events.action", { action: null }],
    ["events_trace_id_check", { trace_id: "" }],
    ["events_trace_id_check", { trace_id: "x".repeat(256) }],
    ["events_trace_id_check", { trace_id: "😀".repeat(256) }],
    ["events_origin_check", { origin: "" }],
    ["events_origin_check", { origin: "x".repeat(256) }],
    ["events_origin_check", { origin: "😀".repeat(256) }],
    ["events_actor_check", { actor: "" }],
    ["events_actor_check", { actor: "x".repeat(256) }],
    ["events_actor_check", { actor: "😀".repeat(256) }],
    ["events_meta_check", { meta: "" }],
    ["events_meta_check", { meta: "{" }],
    ["events_meta_check", { meta: "[]" }],
    ["events_meta_check", { meta: "null" }],
    ["events_meta_check", { meta: JSON.stringify({ a: "x".repeat(2 ** 14 - 7) }) }],
    ["events_meta_check", { meta: JSON.stringify({ a: "é".repeat(2 ** 13 - 3) }) }],
    ["events_idempotency_key_check", { idempotency_key: "" }],
    ["events_idempotency_key_check", { idempotency_key: "x".repeat(256) }],
    ["events_idempotency_key_check", { idempotency_key: "😀".repeat(256) }],
    ["the seq is given", { seq: 1 }],
    ["the seq is given", { seq: 0 }],
    ["the seq is given", { seq: -5 }],
    ["the seq is given", { seq: 2 ** 53 }],
    // The one that the trigger takes for a seq that is yet to be given.
    ["events_seq_check", { seq: -1 }],
    ["events_timestamp_check", { timestamp: "2026-01-01" }],
    ["events_timestamp_check", { timestamp: "2026-01-01T00:00:00+00:00" }],
    ["events_timestamp_check", { timestamp: "2026-01-01t00:00:00z" }],
    ["events_data_check", { data: "{" }],
    ["events_data_check", { data: "" }],
    ["events_vclock_check", { ...local, vclock: "nope" }],
    ["events_branched_check", { branched: 0 }],
    ["events_branched_check", { branched: 2 }],
    ["events_counter_check", { counter: 2 }],
    ["events_counter_check", { counter: null }],
    ["events_counter_check", { vclock: null }],
    ["events_counter_check", { vclock: `{"${BETA}":1}` }],
    ["events_proof_check", { proof: null }],
    ["events_proof_check", { vclock: null, counter: null }],
    ["events_proof_check", { proof: "" }],
    ["events_proof_check", { proof: row.proof.slice(1) }],
    ["events_proof_check", { proof: row.proof.slice(0, -1) }],
    ["events_proof_check", { proof: row.proof.replace("f", "F") }],
    ["events_proof_check", { proof: row.proof.replace("9", "g") }],
    ["events_proof_check", { proof: row.proof.replace(".", "0") }],
    ["events_proof_check", { proof: `${row.proof}.` }],
    ["events_proof_check", { proof: `${row.proof}0` }],
    ["events_proof_check", { proof: `${row.proof}.a.b` }],
    ["events_proof_check", { proof: `${row.proof}.a=` }],
    ["events_proof_check", { proof: `${row.proof}.${"a".repeat(5001)}` }],
  ];

  test.each(garbage)("%s refuses raw SQL with %j", (constraint, over) => {
    const { client } = openSqlite();
    const [text, values] = insert(over);
    expect(() => client.prepare(text).run(...values)).toThrow(constraint);
    expect(client.prepare("select count(*) as n from events").get()).toEqual({ n: 0 });
  });

  const good: [name: string, over: object][] = [
    ["names of 255 letters", { trace_id: "x".repeat(255), origin: "x".repeat(255), actor: "x".repeat(255) }],
    ["names of 255 emoji", { trace_id: "😀".repeat(255), origin: "😀".repeat(255), actor: "😀".repeat(255) }],
    ["a key of 255 emoji", { idempotency_key: "😀".repeat(255) }],
    ["an action of 128 characters", { action: `a${"/".repeat(127)}` }],
    ["an action with every character", { action: "Az09_.:/-" }],
    ["a proof with a signature", { proof: `${row.proof}.${"-_Az09".repeat(833)}aa` }],
    ["meta of 16 KiB", { meta: JSON.stringify({ a: "x".repeat(2 ** 14 - 8) }) }],
    ["meta of 16 KiB in two bytes a character", { meta: JSON.stringify({ a: "é".repeat(2 ** 13 - 4) }) }],
  ];
  test.each(good)("takes in SQL what append takes: %s", (_, over) => {
    const { client, db } = openSqlite();
    const [text, values] = insert(over);
    client.prepare(text).run(...values);
    const [stored] = feed(db);
    const { db: other } = openSqlite();
    const { seq, ...event } = stored!;
    expect(other.transaction((tx) => append(tx, event))).toEqual(stored);
  });

  test("the greatest seq of SQLite is not taken from plain SQL: it would be the log's last event", () => {
    const { client, db } = openSqlite();
    const [text, values] = insert({ seq: 2n ** 63n - 1n });
    expect(() => client.prepare(text).run(...values)).toThrow("the seq is given");
    expect(db.transaction((tx) => append(tx, event())).seq).toBe(1);
  });

  test("the order of arrival ends at the last seq that JavaScript knows, and the log is unharmed", () => {
    const { client, db } = openSqlite();
    db.transaction((tx) => append(tx, event()));
    client.prepare("update sqlite_sequence set seq = ? where name = 'events'").run(2 ** 53 - 2);
    const last = db.transaction((tx) => append(tx, event()));
    expect(last.seq).toBe(Number.MAX_SAFE_INTEGER);
    const { cause } = thrownBy(() => db.transaction((tx) => append(tx, event()))) as Error;
    expect((cause as Error).message).toContain("events_seq_check");
    expect(feed(db).map(({ seq }) => seq)).toEqual([1, Number.MAX_SAFE_INTEGER]);
    expect(feed(db, { after: last })).toEqual([]);
  });

  test("every check has a case here, and the row they spoil is a good one", () => {
    const { client, db } = openSqlite();
    const [text, values] = insert({});
    client.prepare(text).run(...values);
    expect(feed(db)).toMatchObject([{ id: row.id, data: {}, vclock: { [ALPHA]: 1 } }]);
    const covered = new Set(garbage.map(([constraint]) => constraint));
    for (const { name } of getTableConfig(events).checks) expect(covered).toContain(name);
  });

  const open = () => {
    const { client, db } = openSqlite();
    const run = (over: object, verb = "insert") => {
      const [text, values] = insert(over);
      return client.prepare(text.replace("insert", verb)).run(...values);
    };
    run({ idempotency_key: "key" });
    return { client, run, log: () => feed(db) };
  };

  const rivals: [string, object][] = [
    ["seq", { seq: 1, id: newULID(), ...local }],
    ["id", local],
    ["place", { id: newULID() }],
    ["cortex and key", { id: newULID(), ...local, idempotency_key: "key" }],
  ];
  test.each(rivals)("a second row of the same %s is refused, also by INSERT OR REPLACE", (_, over) => {
    const { run, log } = open();
    const before = log();
    for (const verb of ["insert", "insert or replace", "replace"]) {
      expect(() => run({ origin: "rival", ...over }, verb)).toThrow(/append-only|UNIQUE/);
    }
    expect(log()).toEqual(before);
  });

  test.each([
    "update events set origin = 'rewritten'",
    "update events set seq = seq + 1",
    "delete from events",
    "delete from events where id = 'none' or 1",
  ])("the log only grows: %s", (statement) => {
    const { client, log } = open();
    const before = log();
    expect(() => client.exec(statement)).toThrow("append-only");
    expect(log()).toEqual(before);
  });

  test.each(drivers)("an event that a trigger passes over is not answered, on %s", async (_, open) => {
    const db = (await open()).db as Libsql;
    const trigger = sql.raw(`create trigger quiet before insert on events when new.origin = 'noise'
      begin select raise(ignore); end`);
    await db.run(trigger);
    const noise = () => event({ origin: "noise" });
    const cortex = openCortex({ id: BETA, origin: "noise" });
    const kept = await add(db, event());
    const writes: ((tx: Parameters<typeof append>[0]) => unknown)[] = [
      (tx) => append(tx, noise()),
      (tx) => append(tx, event({ origin: "noise", idempotencyKey: "key" })),
      (tx) => append(tx, [event(), noise()]),
      (tx) => append(tx, [noise(), event()]),
      (tx) => cortex.append(tx, { action: "update", traceId: "t" }),
    ];
    for (const write of writes) {
      const error = await errorOf(() => db.transaction(write as never));
      expect(error).toMatchObject({ name: "MigrationError", code: "LOG_DIFFERS" });
    }
    expect(await everything(db)).toEqual([kept]);
  });

  test("the shipped migrations are the schema", async () => {
    const folder = `${migrationsFolder()}/meta`;
    const read = (file: string) => JSON.parse(readFileSync(`${folder}/${file}`, "utf8"));
    const last = read("_journal.json").entries.at(-1).idx;
    const shipped = read(`${String(last).padStart(4, "0")}_snapshot.json`);
    const wanted = await generateSQLiteDrizzleJson({ ...schema });
    expect(await generateSQLiteMigration(shipped, wanted)).toEqual([]);
  });
});
