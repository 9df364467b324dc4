import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { createClient } from "@libsql/client";
import { feed, InputError, openCortex } from "drizzle-event-log";
import {
  DeadlineError,
  type LibsqlDatabase,
  type LibsqlTransaction,
  openLibsql,
  writeTransaction,
} from "drizzle-event-log/libsql";
import { sql } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { describe, expect, expectTypeOf, test } from "vitest";
import { ALPHA, errorOf } from "../fixture.js";
import { add, bodies, cleanUps, gate, hold, newFile, notes, opened, seenBy } from "./local-file.js";

describe("openLibsql", () => {
  test("gives the writer and every reader WAL, synchronous FULL and no wait that blocks", async () => {
    const { db } = await opened();
    const look = async (execute: (sql: string) => Promise<{ rows: any[] }>) => {
      const values = [];
      for (const pragma of ["journal_mode", "synchronous", "busy_timeout"])
        values.push((await execute(`pragma ${pragma}`)).rows[0]![0]);
      return values;
    };
    const held = await Promise.all(Array.from({ length: 6 }, () => db.$client.transaction("read")));
    for (const reader of held) {
      expect(await look((sql) => reader.execute(sql))).toEqual(["wal", 2, 0]);
      reader.close();
    }
    expect(await look((sql) => db.$client.execute(sql))).toEqual(["wal", 2, 0]);
    const inTransaction = await db.$client.transaction();
    expect(await look((sql) => inTransaction.execute(sql))).toEqual(["wal", 2, 0]);
    await inTransaction.commit();
  });

  test("keeps the journal mode of a file for all who open it", async () => {
    const { file } = await opened();
    const other = createClient({ url: `file:${file}` });
    cleanUps.push(() => other.close());
    expect((await other.execute("pragma journal_mode")).rows[0]![0]).toBe("wal");
  });

  test("opens a private database in memory", async () => {
    const { db } = await opened(":memory:");
    await writeTransaction(db, add("a"));
    expect(await bodies(db)).toEqual(["a"]);
    const other = await openLibsql(":memory:");
    expect(await errorOf(() => bodies(other))).toBeInstanceOf(Error);
  });

  test("takes a client's config, but for a timeout, which would block", async () => {
    const db = await openLibsql({ url: `file:${newFile()}`, timeout: 7, intMode: "bigint" });
    cleanUps.push(() => db.$client.close());
    expect((await db.$client.execute("pragma busy_timeout")).rows[0]![0]).toBe(0n);
    expect((await db.$client.execute("pragma journal_mode")).rows[0]![0]).toBe("wal");
  });

  test("passes drizzle's config on: schema, logger and casing", async () => {
    const queries: string[] = [];
    const notes = sqliteTable("notes", { noteId: integer().primaryKey(), body: text() });
    const db = await openLibsql(":memory:", {
      schema: { notes },
      casing: "snake_case",
      logger: { logQuery: (query) => void queries.push(query) },
    });
    expectTypeOf(db).toEqualTypeOf<LibsqlDatabase<{ notes: typeof notes }>>();
    await db.run(sql`create table notes (note_id integer primary key, body text)`);
    await db.insert(notes).values({ noteId: 1, body: "a" });
    expect(await db.query.notes.findMany()).toEqual([{ noteId: 1, body: "a" }]);
    expect(queries.some((query) => query.includes('"note_id"'))).toBe(true);
    await writeTransaction(db, (tx) => tx.insert(notes).values({ noteId: 2 }));
    expect(await writeTransaction(db, (tx) => tx.query.notes.findMany())).toHaveLength(2);
  });

  test("waits for one that keeps the file from changing its journal mode", async () => {
    const file = newFile();
    const release = await hold(file, "create table t (a); begin exclusive");
    let settled = false;
    const opening = openLibsql(`file:${file}`).finally(() => {
      settled = true;
    });
    await sleep(150);
    expect(settled).toBe(false);
    await release();
    const db = await opening;
    cleanUps.push(() => db.$client.close());
    expect((await db.$client.execute("pragma journal_mode")).rows[0]![0]).toBe("wal");
  });

  test("fails at once on what cannot be opened", async () => {
    expect(await errorOf(() => openLibsql("file:/no/such/directory/app.db"))).toBeInstanceOf(Error);
    expect(await errorOf(() => openLibsql("nonsense:"))).toBeInstanceOf(Error);
  });
});

describe.each(["file", "memory"])("writeTransaction on a %s", (where) => {
  const open = () => opened(where === "file" ? undefined : ":memory:");

  test("runs the calls in their order, one at a time", async () => {
    const { db } = await open();
    const log: string[] = [];
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        writeTransaction(db, async (tx) => {
          log.push(`${i} begins`);
          for (let pause = 0; pause < (20 - i) % 4; pause++) await turn();
          await add(`${i}`)(tx);
          log.push(`${i} ends`);
        }),
      ),
    );
    expect(log).toEqual(Array.from({ length: 20 }, (_, i) => [`${i} begins`, `${i} ends`]).flat());
    expect(await bodies(db)).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`));
  });

  test("stores all of 100 at once, each event in its place", async () => {
    const { db } = await open();
    const cortex = openCortex({ id: ALPHA, origin: "alpha" });
    const stored = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        writeTransaction(db, (tx) => cortex.append(tx, { action: "create", traceId: `t${i}` })),
      ),
    );
    expect(stored.map(({ traceId, seq }) => [traceId, seq])).toEqual(stored.map((_, i) => [`t${i}`, i + 1]));
    expect(stored.map(({ vclock }) => vclock![ALPHA])).toEqual(stored.map((_, i) => i + 1));
    expect(await feed(db)).toEqual(stored);
  });

  test("answers with what the function answers", async () => {
    const { db } = await open();
    const answer = { any: Symbol("thing") };
    expect(await writeTransaction(db, async () => answer)).toBe(answer);
    expect(await writeTransaction(db, async () => {})).toBeUndefined();
    const typed = writeTransaction(db, async () => 7 as const);
    expectTypeOf(typed).toEqualTypeOf<Promise<7>>();
    expect(await typed).toBe(7);
  });

  test("rolls back what throws, and throws it on; those behind it go on", async () => {
    const { db } = await open();
    const stop = new Error("stop");
    const outcomes = await Promise.allSettled(
      Array.from({ length: 9 }, (_, i) =>
        writeTransaction(db, async (tx) => {
          await add(`${i}`)(tx);
          if (i % 3 === 1) throw stop;
          if (i % 3 === 2) tx.rollback();
        }),
      ),
    );
    outcomes.forEach((outcome, i) => {
      expect(outcome.status).toBe(i % 3 === 0 ? "fulfilled" : "rejected");
      if (i % 3 === 1) expect((outcome as PromiseRejectedResult).reason).toBe(stop);
    });
    expect(await bodies(db)).toEqual(["0", "3", "6"]);
  });

  test("does not try again what failed for another reason than a busy database", async () => {
    const { db } = await open();
    let runs = 0;
    const refused = await errorOf(() =>
      writeTransaction(db, async (tx) => {
        runs++;
        await tx.insert(notes).values([
          { id: 1, body: "a" },
          { id: 1, body: "b" },
        ]);
      }),
    );
    expect((refused as Error).cause).toMatchObject({ code: "SQLITE_CONSTRAINT" });
    expect(runs).toBe(1);
    expect(await bodies(db)).toEqual([]);
  });

  test("called inside itself ends with a DeadlineError, and the client goes on", async () => {
    const { db } = await open();
    let inner = 0;
    const nested = writeTransaction(db, async (tx) => {
      await add("outer")(tx);
      await writeTransaction(db, async () => void inner++, { deadline: 30 });
    });
    const refused = await errorOf(() => nested);
    expect(refused).toBeInstanceOf(DeadlineError);
    expect(refused).toMatchObject({ code: "DEADLINE", deadline: 30 });
    expect(inner).toBe(0);
    await writeTransaction(db, add("after"));
    expect(await bodies(db)).toEqual(["after"]);
  });

  test("that waits in the queue past its deadline never runs, and those behind it do", async () => {
    const { db } = await open();
    const { open: release, opened: released } = gate();
    const ran: number[] = [];
    const first = writeTransaction(db, () => released);
    const late = errorOf(() => writeTransaction(db, async () => void ran.push(2), { deadline: 20 }));
    const behind = writeTransaction(db, async () => void ran.push(3));
    expect(await late).toBeInstanceOf(DeadlineError);
    expect(ran).toEqual([]);
    release();
    await Promise.all([first, behind]);
    expect(ran).toEqual([3]);
  });

  test("leaves the queue with the signal's reason; those behind it go on in their order", async () => {
    const { db } = await open();
    const { open: release, opened: released } = gate();
    const ran: number[] = [];
    const stop = new AbortController();
    const reason = new Error("enough");
    const first = writeTransaction(db, async (tx) => {
      await released;
      await add("first")(tx);
    });
    const run = (i: number, signal?: AbortSignal) =>
      writeTransaction(db, async () => void ran.push(i), signal ? { signal } : {});
    const aborted = errorOf(() => run(2, stop.signal));
    const behind = [run(3), run(4)];
    stop.abort(reason);
    expect(await aborted).toBe(reason);
    // Long enough for a jump of the queue to meet the lock, and to take the connection from the first.
    await sleep(250);
    expect(ran).toEqual([]);
    release();
    await Promise.all([first, ...behind]);
    expect(ran).toEqual([3, 4]);
    expect(await bodies(db)).toEqual(["first"]);
  });

  test("with a signal that has aborted before does not run", async () => {
    const { db } = await open();
    const reason = new Error("enough");
    let runs = 0;
    const run = () => writeTransaction(db, async () => void runs++, { signal: AbortSignal.abort(reason) });
    expect(await errorOf(run)).toBe(reason);
    expect(runs).toBe(0);
    await writeTransaction(db, add("after"));
    expect(await bodies(db)).toEqual(["after"]);
  });

  test("is not cut short by its signal or its deadline once it runs", async () => {
    const { db } = await open();
    const stop = new AbortController();
    await writeTransaction(
      db,
      async (tx) => {
        stop.abort();
        await sleep(250);
        await add("whole")(tx);
      },
      { signal: stop.signal, deadline: 200 },
    );
    expect(await bodies(db)).toEqual(["whole"]);
  });

  test("with a deadline of 0 runs if the database is free", async () => {
    const { db } = await open();
    await writeTransaction(db, add("now"), { deadline: 0 });
    expect(await bodies(db)).toEqual(["now"]);
  });

  test.each([Number.NaN, -1, 0.5, Number.POSITIVE_INFINITY, "10", null])(
    "refuses a deadline of %s, and does not run",
    async (deadline) => {
      const { db } = await open();
      let runs = 0;
      const run = () =>
        writeTransaction(db, async () => void runs++, { deadline: deadline as unknown as number });
      const refused = await errorOf(run);
      expect(refused).toBeInstanceOf(InputError);
      expect(refused).toMatchObject({ code: "INVALID_DEADLINE", field: "deadline" });
      expect(runs).toBe(0);
    },
  );

  test("keeps no timer and no listener behind", async () => {
    const { db } = await open();
    const { signal } = new AbortController();
    let listeners = 0;
    const [on, off] = [signal.addEventListener, signal.removeEventListener];
    signal.addEventListener = (...args: unknown[]) => {
      listeners++;
      on.apply(signal, args as never);
    };
    signal.removeEventListener = (...args: unknown[]) => {
      listeners--;
      off.apply(signal, args as never);
    };
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    await Promise.all(["a", "b", "c"].map((body) => writeTransaction(db, add(body), { signal })));
    expect(listeners).toBe(0);
    expect(timers()).toBeLessThanOrEqual(before);
  });

  test("keeps its own data when the function meets a busy database of another client", async () => {
    const { db } = await open();
    await writeTransaction(db, add("kept"));
    const other = await opened(undefined, { deadline: 20 });
    const release = await hold(other.file);
    const refused = await errorOf(() =>
      writeTransaction(db, () => other.db.$client.transaction("write"), { deadline: 0 }),
    );
    expect(refused).toBeInstanceOf(Error);
    await release();
    expect(await bodies(db)).toEqual(["kept"]);
  });
});

test.each<[string, any, string]>([
  ["options of null", null, "INVALID_OPTIONS"],
  ["a number as options", 10, "INVALID_OPTIONS"],
  ["a deadline above what a timer takes", { deadline: 2 ** 31 }, "INVALID_DEADLINE"],
  ["a signal that is none", { signal: { aborted: false } }, "INVALID_SIGNAL"],
  ["a signal of null", { signal: null }, "INVALID_SIGNAL"],
])("writeTransaction refuses %s", async (_, options, code) => {
  const { db } = await opened();
  const refused = await errorOf(() => writeTransaction(db, async () => {}, options));
  expect(refused).toBeInstanceOf(InputError);
  expect(refused).toMatchObject({ code });
});

test("an error that is its own cause hangs nothing", async () => {
  const loop = new Error("loop");
  loop.cause = loop;
  for (const url of [undefined, ":memory:"]) {
    const { db } = await opened(url);
    expect(await errorOf(() => writeTransaction(db, () => Promise.reject(loop)))).toBe(loop);
  }
});

describe("while another process holds the file", () => {
  test("a write waits, then succeeds", async () => {
    const { db, file } = await opened();
    const release = await hold(file);
    let runs = 0;
    let settled = false;
    const waiting = writeTransaction(db, async (tx) => {
      runs++;
      await add("a")(tx);
    }).finally(() => {
      settled = true;
    });
    await sleep(250);
    expect([settled, runs]).toEqual([false, 0]);
    await release();
    await waiting;
    expect(runs).toBe(1);
    expect(await seenBy(file)).toEqual(["a"]);
  });

  test("those of two clients of one process all succeed", async () => {
    const { db, file } = await opened();
    const other = await openLibsql(`file:${file}`);
    cleanUps.push(() => other.$client.close());
    const wanted = Array.from({ length: 40 }, (_, i) => `${i}`);
    await Promise.all(
      wanted.map((body, i) =>
        writeTransaction(i % 2 ? db : other, async (tx) => {
          await add(body)(tx);
          await turn();
        }),
      ),
    );
    expect((await seenBy(file)).sort()).toEqual(wanted.sort());
  });

  test("a function that throws what another client was refused with is not run again", async () => {
    const { db, file } = await opened();
    const rival = createClient({ url: `file:${file}` });
    cleanUps.push(() => rival.close());
    let runs = 0;
    const write = async (tx: LibsqlTransaction) => {
      runs++;
      await add(`run ${runs}`)(tx);
      // This transaction holds the lock, so the rival is refused with a true SQLITE_BUSY.
      await rival.transaction("write");
    };
    expect(await errorOf(() => writeTransaction(db, write))).toMatchObject({ code: "SQLITE_BUSY" });
    expect([runs, await seenBy(file)]).toEqual([1, []]);
  });

  test("the deadline ends the waiting with the refusal as cause; the client is healthy afterwards", async () => {
    const { db, file } = await opened();
    const release = await hold(file);
    let runs = 0;
    const write = async (tx: LibsqlTransaction) => {
      runs++;
      await add("late")(tx);
    };
    const refused = await errorOf(() => writeTransaction(db, write, { deadline: 50 }));
    expect(refused).toBeInstanceOf(DeadlineError);
    expect(refused).toMatchObject({ code: "DEADLINE", deadline: 50, cause: { code: "SQLITE_BUSY" } });
    expect((refused as Error).message).not.toContain("late");
    expect(runs).toBe(0);
    await release();
    expect(await seenBy(file)).toEqual([]);
    // A connection that was refused would answer OK to these, and commit none.
    for (let i = 0; i < 10; i++) await db.insert(notes).values({ body: `auto ${i}` });
    expect(await seenBy(file)).toEqual(Array.from({ length: 10 }, (_, i) => `auto ${i}`));
  });

  test("the signal ends the waiting with its reason; the ones behind go on", async () => {
    const { db, file } = await opened();
    const release = await hold(file);
    const stop = new AbortController();
    const reason = new Error("enough");
    const aborted = errorOf(() => writeTransaction(db, add("aborted"), { signal: stop.signal }));
    const behind = writeTransaction(db, add("behind"));
    await sleep(150);
    stop.abort(reason);
    expect(await aborted).toBe(reason);
    await release();
    await behind;
    expect(await seenBy(file)).toEqual(["behind"]);
  });

  test("a transaction that somebody else has open on the client outlives the waiting of a write", async () => {
    const { db, file } = await opened();
    await writeTransaction(db, add("a"));
    const reading = await db.$client.transaction("read");
    expect((await reading.execute("select count(*) from notes")).rows[0]![0]).toBe(1);
    const release = await hold(file);
    const refused = await errorOf(() => writeTransaction(db, add("late"), { deadline: 150 }));
    expect(refused).toBeInstanceOf(DeadlineError);
    expect((await reading.execute("select count(*) from notes")).rows[0]![0]).toBe(1);
    await reading.commit();
    await release();
    expect(await bodies(db)).toEqual(["a"]);
  });

  test("a read goes on", async () => {
    const { db, file } = await opened();
    await writeTransaction(db, add("a"));
    const release = await hold(file);
    const waiting = writeTransaction(db, add("b"));
    expect(await bodies(db)).toEqual(["a"]);
    await release();
    await waiting;
    expect(await bodies(db)).toEqual(["a", "b"]);
  });
});

test("in memory a write waits for a transaction that somebody else has open on the client", async () => {
  const { db } = await opened(":memory:");
  const foreign = await db.$client.transaction("write");
  let settled = false;
  const waiting = writeTransaction(db, add("mine")).finally(() => {
    settled = true;
  });
  await sleep(60);
  expect(settled).toBe(false);
  await foreign.execute("insert into notes (body) values ('theirs')");
  await foreign.commit();
  await waiting;
  expect(await bodies(db)).toEqual(["theirs", "mine"]);
});

test("in memory a transaction that is never closed ends the waiting at the deadline, nothing lost", async () => {
  const { db } = await opened(":memory:");
  await writeTransaction(db, add("kept"));
  const foreign = await db.$client.transaction("write");
  const refused = await errorOf(() => writeTransaction(db, add("late"), { deadline: 30 }));
  expect(refused).toBeInstanceOf(DeadlineError);
  expect(refused).toMatchObject({ cause: { code: "TRANSACTION_ACTIVE" } });
  await foreign.rollback();
  expect(await bodies(db)).toEqual(["kept"]);
});
