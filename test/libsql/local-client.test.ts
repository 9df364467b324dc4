import { execFileSync } from "node:child_process";
import { existsSync, renameSync, statSync, symlinkSync, unlinkSync, utimesSync } from "node:fs";
import { dirname } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@libsql/client";
import BetterSqlite3 from "better-sqlite3";
import { tail } from "drizzle-event-log";
import { DeadlineError, LibsqlFileError, openLibsql, writeTransaction } from "drizzle-event-log/libsql";
import { sql } from "drizzle-orm";
import { describe, expect, test, vi } from "vitest";
import { Connection } from "../../src/libsql/connection.js";
import { openNative } from "../../src/libsql/native.js";
import { errorOf } from "../fixture.js";
import { add, bodies, cleanUps, gate, hold, newFile, notes, opened, seenBy } from "./local-file.js";

const insert = (body: string) => ({ sql: "insert into notes (body) values (?)", args: [body] });

describe("what writes", () => {
  test("runs in the order of the calls, whatever it is", async () => {
    const { db, file } = await opened();
    const client = db.$client;
    const first = await client.transaction();
    await first.execute(insert("0"));
    const all = [
      client.execute(insert("1")),
      client.batch([insert("2"), insert("3")]),
      client.executeMultiple("insert into notes (body) values ('4'); insert into notes (body) values ('5')"),
      db.transaction((tx) => add("6")(tx)),
      client.migrate([insert("7")]),
      db.insert(notes).values({ body: "8" }).run(),
      writeTransaction(db, add("9")),
      client.execute("pragma user_version = 3"),
    ];
    expect(await seenBy(file)).toEqual([]);
    await first.commit();
    await Promise.all(all);
    expect(await seenBy(file)).toEqual([..."0123456789"]);
  });

  test("shares one queue with every other client of the file, also through a symlink", async () => {
    const { db, file } = await opened();
    const link = `${newFile()}.link`;
    symlinkSync(file, link);
    const others = [await openLibsql(`file:${link}`), await openLibsql({ url: `file:${file}`, deadline: 0 })];
    for (const other of others) cleanUps.push(() => other.$client.close());
    const first = await db.$client.transaction();
    await first.execute(insert("first"));
    const second = others[0]!.insert(notes).values({ body: "second" });
    const third = db.insert(notes).values({ body: "third" });
    // It is not another process that is in the way, but this one.
    const refused = await errorOf(() => others[1]!.insert(notes).values({ body: "late" }));
    expect((refused as Error).cause).toMatchObject({ code: "DEADLINE", behind: true, cause: undefined });
    await first.commit();
    await Promise.all([second, third]);
    expect(await seenBy(file)).toEqual(["first", "second", "third"]);
  });

  test("goes on when one of several clients of the file is closed", async () => {
    const { db, file } = await opened();
    const other = await openLibsql(`file:${file}`);
    await db.transaction(async (tx) => {
      await add("a")(tx);
      other.$client.close();
      await add("b")(tx);
    });
    await db.insert(notes).values({ body: "c" });
    expect(await seenBy(file)).toEqual(["a", "b", "c"]);
  });

  test("waits for another process without blocking the event loop", async () => {
    const { db, file } = await opened();
    const release = await hold(file);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const all = [
      db.insert(notes).values({ body: "0" }).run(),
      db.$client.batch([insert("1")], "write"),
      db.$client.executeMultiple("insert into notes (body) values ('2')"),
      db.transaction((tx) => add("3")(tx)),
      db.$client.migrate([insert("4")]),
    ];
    let settled = false;
    const waiting = Promise.all(all).finally(() => {
      settled = true;
    });
    await sleep(300);
    delay.disable();
    expect(settled).toBe(false);
    // SQLite's own wait would have been a block of at least the time that the lock was held.
    expect(delay.max / 1e6).toBeLessThan(200);
    await release();
    await waiting;
    expect(await seenBy(file)).toEqual([..."01234"]);
  });

  test.each<[string, (db: Awaited<ReturnType<typeof opened>>["db"]) => Promise<unknown>]>([
    ["an insert", (db) => db.$client.execute(insert("late"))],
    ["a batch", (db) => db.$client.batch([insert("late")])],
    ["a script", (db) => db.$client.executeMultiple("insert into notes (body) values ('late')")],
    ["a transaction", (db) => db.$client.transaction()],
    ["a migration", (db) => db.$client.migrate([insert("late")])],
  ])("%s that does not get the lock by the deadline fails, and writes nothing", async (_, write) => {
    const { db, file } = await opened(undefined, { deadline: 40 });
    const release = await hold(file);
    const refused = await errorOf(() => write(db));
    expect(refused).toBeInstanceOf(DeadlineError);
    expect(refused).toMatchObject({ deadline: 40, behind: false, cause: { code: "SQLITE_BUSY" } });
    await release();
    await db.insert(notes).values({ body: "after" });
    expect(await seenBy(file)).toEqual(["after"]);
  });

  test("through db in the function of a transaction waits for itself, and is told so at the deadline", async () => {
    const { db, file } = await opened(undefined, { deadline: 40 });
    const refused = await errorOf(() =>
      db.transaction(async (tx) => {
        await add("outer")(tx);
        await db.$client.execute(insert("inner"));
      }),
    );
    expect(refused).toBeInstanceOf(DeadlineError);
    expect(refused).toMatchObject({ behind: true, message: expect.stringContaining("use `tx`") });
    await db.insert(notes).values({ body: "after" });
    expect(await seenBy(file)).toEqual(["after"]);
  });
});

describe("a statement that is refused outside a transaction", () => {
  test("stays open nowhere: what comes later on its connection is committed", async () => {
    const { db, file } = await opened();
    const release = await hold(file);
    const waiting = db.run("pragma user_version = 7");
    await sleep(50);
    await release();
    await waiting;
    for (const body of ["a", "b"]) await db.$client.execute(insert(body));
    await db.transaction((tx) => add("c")(tx));
    expect(await seenBy(file)).toEqual(["a", "b", "c"]);
    expect((await db.$client.execute("pragma user_version")).rows[0]![0]).toBe(7);
  });

  // All at once: an open statement may be collected at any time.
  test("costs its connection, not what comes later", () => {
    const file = newFile();
    const [connection, rival, other] = Array.from({ length: 3 }, () => {
      const it = new Connection(() => openNative(file, undefined));
      cleanUps.push(() => it.discard());
      return it;
    }) as [Connection, Connection, Connection];
    const insert = (n: number) => connection.run("insert into t values (?)", [n], "number");
    rival.exec("pragma journal_mode = wal; create table t (a); begin immediate");
    expect(() => insert(1)).toThrow(/SQLITE_BUSY/);
    rival.exec("rollback");
    insert(2);
    expect(other.run("select a from t", [], "number").rows).toEqual([{ a: 2 }]);
  });
});

describe("what reads", () => {
  test("neither waits for a transaction nor sees what it has not committed", async () => {
    const { db } = await opened();
    await db.transaction(async (tx) => {
      await add("a")(tx);
      expect(await bodies(db)).toEqual([]);
      expect(await db.batch([db.select().from(notes), db.select().from(notes)])).toEqual([[], []]);
      expect((await tx.select().from(notes)).map(({ body }) => body)).toEqual(["a"]);
    });
    expect(await bodies(db)).toEqual(["a"]);
  });

  test("in one transaction sees one state, from its beginning", async () => {
    const { db } = await opened();
    await db.insert(notes).values({ body: "a" });
    const snapshot = await db.$client.transaction("read");
    await db.insert(notes).values({ body: "b" });
    const count = async () => (await snapshot.execute("select count(*) from notes")).rows[0]![0];
    expect([await count(), await count()]).toEqual([1, 1]);
    expect(await errorOf(() => snapshot.execute(insert("c")))).toMatchObject({ code: "SQLITE_READONLY" });
    await snapshot.commit();
    expect(await bodies(db)).toEqual(["a", "b"]);
  });

  test("sees what others have committed, also after an EXPLAIN", async () => {
    const { db, file } = await opened();
    await db.$client.execute("explain select * from notes");
    expect(await bodies(db)).toEqual([]); // An open EXPLAIN would hold this state of the database.
    const other = createClient({ url: `file:${file}` });
    await other.execute(insert("theirs"));
    other.close();
    expect(await bodies(db)).toEqual(["theirs"]);
  });

  test("but writes in truth, goes to the writer", async () => {
    const { db, file } = await opened();
    const write = "with x (b) as (select ?) insert into notes (body) select b from x";
    for (const body of ["a", "b"]) await db.$client.execute({ sql: write, args: [body] });
    await db.$client.batch([{ sql: write, args: ["c"] }]);
    await db.$client.execute("/* a comment */ -- another\n insert into notes (body) values ('d')");
    expect(await seenBy(file)).toEqual(["a", "b", "c", "d"]);
  });

  test("about the connection's own writes, tables and databases, asks the writer", async () => {
    const { db } = await opened();
    const client = db.$client;
    const one = async (text: string) => (await client.execute(text)).rows[0]?.[0];
    await client.execute(insert("a"));
    expect(await one("select last_insert_rowid()")).toBe(1);
    expect(await one("select changes()")).toBe(1);
    await client.execute("create temp table notes (id integer, body text)");
    await client.execute("insert into notes values (7, 'temporary')");
    expect([await one("select body from notes"), await one("select body from main.notes")]).toEqual([
      "temporary",
      "a",
    ]);
    await client.execute("drop table temp.notes");
    await client.execute({ sql: "attach ? as other", args: [newFile()] });
    await client.execute("create table other.things (a)");
    expect(await one("select count(*) from other.things")).toBe(0);
    await client.execute("detach other");
    expect(await errorOf(() => one("select count(*) from other.things"))).toMatchObject({
      code: "SQLITE_ERROR",
    });
  });

  test("has the settings that a PRAGMA gave the client", async () => {
    const { db } = await opened();
    await db.insert(notes).values({ body: "Big" });
    const isLike = async () => (await db.$client.execute("select body like 'bIG' from notes")).rows[0]![0];
    expect(await isLike()).toBe(1);
    await db.run("pragma case_sensitive_like = 1");
    expect(await isLike()).toBe(0);
    // Within a transaction it is none: SQLite itself ignores some there.
    await db.batch([db.run("pragma case_sensitive_like = 0"), db.insert(notes).values({ body: "x" })]);
    const snapshots = await Promise.all([1, 2].map(() => db.$client.transaction("read")));
    for (const snapshot of snapshots) {
      expect((await snapshot.execute("select body like 'bIG' from notes")).rows[0]![0]).toBe(0);
      snapshot.close();
    }
  });
});

test.each(["select 1", "insert into notes (body) values ('a')"])(
  "%s, again and again, leaves turns of the event loop",
  async (text) => {
    const { db } = await opened();
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const end = performance.now() + 300;
    while (performance.now() < end) await db.$client.execute(text);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(1);
  },
);

test("after a long commit of a transaction, no other statement runs in that turn of the event loop", async () => {
  const { db } = await opened();
  const transaction = await db.$client.transaction();
  await transaction.execute(insert("a"));
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  let [time, turns] = [performance.now(), 0];
  vi.spyOn(performance, "now").mockImplementation(() => time);
  vi.spyOn(Connection.prototype, "commit").mockImplementationOnce(function (this: Connection) {
    time += 20;
    this.commit();
  });
  setImmediate(() => turns++);
  await transaction.commit();
  await db.run(sql`insert into notes (body) values ('b')`);
  expect(turns).toBe(1);
});

describe("a kept statement", () => {
  test("does not keep the arguments of its last run", async () => {
    const { db } = await opened();
    const of = async (args: any) => [
      ...Array.from((await db.$client.execute({ sql: "select ?, ?", args })).rows[0]!),
    ];
    expect(await of(["a", "b"])).toEqual(["a", "b"]);
    expect(await of(["c"])).toEqual(["c", null]);
    expect(await of([])).toEqual([null, null]);
    const named = async (args: any) =>
      Array.from((await db.$client.execute({ sql: "select :a, :b", args })).rows[0]!);
    expect(await named({ a: 1, b: 2 })).toEqual([1, 2]);
    expect(await named([3])).toEqual([3, null]);
    expect(await named({ b: 4 })).toEqual([null, 4]);
  });

  test("that failed harms nothing that comes later", async () => {
    const { db, file } = await opened();
    const text = "insert into notes (id, body) values (?, ?)";
    for (const [id, body] of [[1, "a"], [1, "b"], [2, null], [2, "c"]]) // biome-ignore format: a table
      await db.$client.execute({ sql: text, args: [id!, body!] }).catch(() => {});
    expect(await seenBy(file)).toEqual(["a", "c"]);
  });

  test("returns what it inserted, and holds no lock then", async () => {
    const { db, file } = await opened();
    await db
      .insert(notes)
      .values([{ body: "a" }, { body: "b" }])
      .returning();
    const release = await hold(file);
    await release();
    expect(await seenBy(file)).toEqual(["a", "b"]);
  });

  test.each([
    ["an anonymous parameter", "select ?, :a"],
    ["a gap before a numbered one", "select ?2, :a"],
  ])("refuses named arguments for %s, where the binding aborts", async (_, text) => {
    const { db } = await opened();
    const refused = await errorOf(() => db.$client.execute({ sql: text, args: { a: 1 } }));
    expect(refused).toMatchObject({ code: "SQLITE_RANGE" });
    const quoted = await db.$client.execute({
      sql: 'select :a, \'?\', "?" /* ? */ from (select 1 as "?")',
      args: { a: 1 },
    });
    expect(Array.from(quoted.rows[0]!)).toEqual([1, "?", 1]);
  });

  test("gives a row id above 2^53 exactly", async () => {
    const { db } = await opened();
    const { lastInsertRowid } = await db.$client.execute("insert into notes values (9007199254740993, 'a')");
    expect(lastInsertRowid).toBe(9007199254740993n);
  });
});

describe("a transaction that nobody ends", () => {
  test("gives its place back, and its later statements are refused", async () => {
    const { db, file } = await opened(undefined, { idleLimit: 30 });
    const forgotten = await db.$client.transaction();
    await forgotten.execute(insert("forgotten"));
    await db.insert(notes).values({ body: "a" });
    for (const late of [() => forgotten.execute(insert("late")), () => forgotten.commit()]) {
      const refused = await errorOf(late);
      expect(refused).toBeInstanceOf(LibsqlFileError);
      expect(refused).toMatchObject({ code: "TRANSACTION_EXPIRED" });
    }
    expect(await seenBy(file)).toEqual(["a"]);
  });

  test("keeps its place as long as it does something", async () => {
    const { db, file } = await opened(undefined, { idleLimit: 150 });
    const busy = await db.$client.transaction();
    for (let i = 0; i < 10; i++) {
      await busy.execute(insert(`${i}`));
      await sleep(30);
    }
    await busy.commit();
    expect(await seenBy(file)).toHaveLength(10);
  });

  test("keeps its place where that is wanted", async () => {
    const { db, file } = await opened(undefined, { idleLimit: false });
    const patient = await db.$client.transaction();
    await patient.execute(insert("a"));
    await sleep(60);
    await patient.commit();
    expect(await seenBy(file)).toEqual(["a"]);
  });

  test("was rolled back by SQLite, writes nothing on its own", async () => {
    const { db, file } = await opened();
    const tx = await db.$client.transaction();
    await tx.execute("insert into notes values (1, 'a')");
    await errorOf(() => tx.execute("insert or rollback into notes values (1, 'b')"));
    expect(await errorOf(() => tx.execute(insert("c")))).toMatchObject({ code: "TRANSACTION_CLOSED" });
    expect(await errorOf(() => tx.commit())).toMatchObject({ code: "TRANSACTION_CLOSED" });
    await db.insert(notes).values({ body: "d" });
    expect(await seenBy(file)).toEqual(["d"]);
  });
});

describe("close", () => {
  test("refuses what waits in the queue, and rolls back what is open", async () => {
    const { db, file } = await opened();
    const { opened: never } = gate();
    let begun = () => {};
    const hasBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const open = db.transaction(async (tx) => {
      await add("open")(tx);
      begun();
      await Promise.race([never, sleep(50)]);
      await add("late")(tx);
    });
    const waiting = errorOf(() => db.$client.execute(insert("waiting")));
    await hasBegun;
    db.$client.close();
    expect(await waiting).toMatchObject({ code: "CLIENT_CLOSED" });
    await db.$client.reconnect();
    expect(await errorOf(() => open)).toBeInstanceOf(Error);
    expect(await seenBy(file)).toEqual([]);
    await db.insert(notes).values({ body: "after" });
    expect(await seenBy(file)).toEqual(["after"]);
  });

  test("refuses what waits for another process, and it is never written", async () => {
    const { db, file } = await opened();
    const release = await hold(file);
    const waiting = [
      errorOf(() => db.$client.execute(insert("a"))),
      errorOf(() => writeTransaction(db, add("b"))),
    ];
    await sleep(20);
    db.$client.close();
    for (const refused of await Promise.all(waiting))
      expect(refused).toMatchObject({ code: "CLIENT_CLOSED" });
    await release();
    await sleep(20);
    expect(await seenBy(file)).toEqual([]);
  });

  test("refuses every call after it, and opens nothing", async () => {
    const { db } = await opened();
    const client = db.$client;
    client.close();
    client.close();
    expect(client.closed).toBe(true);
    const calls = [
      () => client.execute("select 1"),
      () => client.batch(["select 1"]),
      () => client.migrate([]),
      () => client.executeMultiple("select 1"),
      () => client.transaction(),
      () => client.transaction("read"),
      () => writeTransaction(db, async () => {}),
    ];
    for (const call of calls) expect(await errorOf(call)).toMatchObject({ code: "CLIENT_CLOSED" });
  });

  test("ends a snapshot", async () => {
    const { db } = await opened();
    const snapshot = await db.$client.transaction("read");
    db.$client.close();
    expect(snapshot.closed).toBe(true);
    expect(await errorOf(() => snapshot.execute("select 1"))).toMatchObject({ code: "TRANSACTION_CLOSED" });
  });
});

describe.each([
  ["deleted", (file: string) => unlinkSync(file)],
  [
    "replaced",
    (file: string) => {
      renameSync(file, `${file}.old`);
      symlinkSync(`${file}.old`, file);
      unlinkSync(file);
      createClient({ url: `file:${file}` }).close();
    },
  ],
])("a file that was %s", (_, change) => {
  test("fails the write that would be lost, and all later ones, until the client is reconnected", async () => {
    const { db, file } = await opened();
    const other = await openLibsql(`file:${file}`);
    cleanUps.push(() => other.$client.close());
    await db.insert(notes).values({ body: "a" });
    change(file);
    for (const write of [
      () => db.$client.execute(insert("b")),
      () => db.$client.batch([insert("c")], "write"),
      () => writeTransaction(db, add("d")),
      () => db.$client.execute("select 1"),
    ]) {
      const refused = await errorOf(write);
      expect(refused).toBeInstanceOf(LibsqlFileError);
      expect(refused).toMatchObject({ code: "FILE_REPLACED" });
    }
    createClient({ url: `file:${file}` }).close();
    await db.$client.reconnect(); // While another client still has the old one open.
    await db.run(sql`create table notes (id integer primary key, body text not null)`);
    await db.insert(notes).values({ body: "new" });
    expect(await seenBy(file)).toEqual(["new"]);
  });

  test("is not taken for the new one by a reader, and none is made", async () => {
    const { db, file } = await opened();
    change(file);
    const wasThere = existsSync(file);
    const snapshots = Array.from({ length: 3 }, () => db.$client.transaction("read"));
    const refused = await Promise.all(snapshots.map((snapshot) => errorOf(() => snapshot)));
    // Those that were open already may still read.
    expect(refused.at(-1)).toMatchObject({ code: "FILE_REPLACED" });
    expect(existsSync(file)).toBe(wasThere);
  });

  test("fails the commit of a transaction that was open", async () => {
    const { db, file } = await opened();
    const refused = await errorOf(() =>
      db.transaction(async (tx) => {
        await add("a")(tx);
        change(file);
      }),
    );
    expect(refused).toMatchObject({ code: "FILE_REPLACED" });
  });
});

/** What another process finds in the file. */
function foundIn(file: string): string[] {
  const program = `const rows = new (require("better-sqlite3"))(process.argv[1]).prepare("select body from notes").all();
    console.log(JSON.stringify(rows.map(({ body }) => body)));`;
  return JSON.parse(execFileSync(process.execPath, ["-e", program, file], { encoding: "utf8" }));
}

describe.each<[how: string, remove: (file: string) => void]>([
  ["by hand", (file) => unlinkSync(`${file}-wal`)],
  [
    "by another SQLite in this process, which closes the file",
    (file) => {
      const other = new BetterSqlite3(file);
      other.prepare("select body from notes").all();
      other.close();
    },
  ],
])("a -wal that is removed %s", (how, remove) => {
  const writes: Record<string, (db: Awaited<ReturnType<typeof opened>>["db"]) => Promise<unknown>> = {
    "a statement": (db) => db.$client.execute(insert("c")),
    "a batch": (db) => db.$client.batch([insert("c")], "write"),
    "a script": (db) => db.$client.executeMultiple("insert into notes (body) values ('c')"),
    "a transaction": (db) => writeTransaction(db, add("c")),
    "a pragma": (db) => db.$client.execute("pragma user_version = 7"),
  };

  test.each(Object.entries(writes))("fails %s that would be lost, and all after it", async (_name, write) => {
    const { db, file } = await opened();
    await db.insert(notes).values({ body: "a" });
    await sleep(30); // Then the directory is no longer a new one.
    await db.insert(notes).values({ body: "b" });
    remove(file);
    expect(await errorOf(() => write(db))).toMatchObject({ code: "WAL_REMOVED" });
    const isRefused = async (call: () => unknown) =>
      expect(await errorOf(call)).toMatchObject({ code: "WAL_REMOVED" });
    await isRefused(() => writeTransaction(db, add("c")));
    await isRefused(() => db.$client.execute("select 1"));
    await db.$client.reconnect();
    await isRefused(() => db.$client.execute("select 1"));
    db.$client.close();
    await isRefused(() => db.$client.reconnect());
    await isRefused(() => openLibsql(`file:${file}`));
    // What was removed by hand is with this process.
    if (how !== "by hand") expect(foundIn(file)).toEqual(["a", "b"]);
  });

  test("is found also where the directory looks as if nothing had happened since", async () => {
    const { db, file } = await opened();
    // As on a file system that counts whole seconds, within one of them.
    const setTime = () => utimesSync(dirname(file), 1000, 1000);
    setTime();
    await db.insert(notes).values({ body: "a" });
    await sleep(30);
    await db.insert(notes).values({ body: "b" });
    remove(file);
    setTime();
    expect(await errorOf(() => db.transaction(add("c")))).toMatchObject({ code: "WAL_REMOVED" });
  });

  test("fails the commit of a transaction that was open", async () => {
    const { db, file } = await opened();
    await db.insert(notes).values({ body: "a" });
    const refused = await errorOf(() =>
      db.transaction(async (tx) => {
        await add("b")(tx);
        remove(file);
      }),
    );
    expect(refused).toMatchObject({ code: "WAL_REMOVED" });
    if (how !== "by hand") expect(foundIn(file)).toEqual(["a"]);
  });

  test("is noticed by a tail that waits", async () => {
    const { db, file } = await opened();
    const following = tail(db, { interval: 10 }).next();
    await sleep(30);
    remove(file);
    expect(await errorOf(() => following)).toMatchObject({ cause: { code: "WAL_REMOVED" } });
  });
});

test("a -wal that goes because the app itself changes the journal mode is not missed", async () => {
  const file = newFile();
  const { $client } = await openLibsql(`file:${file}`);
  cleanUps.push(() => $client.close());
  await $client.execute("create table notes (id integer primary key, body text not null)");
  await $client.execute("pragma journal_mode = delete");
  await $client.execute(insert("a"));
  expect(existsSync(`${file}-wal`)).toBe(false);
  await $client.executeMultiple("pragma journal_mode = wal");
  await $client.execute(insert("b"));
  expect(await seenBy(file)).toEqual(["a", "b"]);
});

test("the log is truncated when it has grown, and no reader holds it", async () => {
  const { db, file } = await opened(undefined, { walLimit: 1_000_000 });
  const size = () => statSync(`${file}-wal`).size;
  const fill = () =>
    db.$client.batch(
      Array.from({ length: 500 }, () => insert("x".repeat(8000))),
      "write",
    );
  const reader = await db.$client.transaction("read");
  await fill();
  await fill();
  expect(size()).toBeGreaterThan(5_000_000);
  reader.close();
  for (let i = 0; i < 3; i++) await db.insert(notes).values({ body: "a" });
  expect(size()).toBeLessThanOrEqual(1_000_000);
});

test.each([undefined, null, 42, {}, { url: undefined }, new URL("file:///tmp/app.db")])(
  "a URL that is no text is refused with a word on what one is: %o",
  async (url) => {
    const refused = await errorOf(() => openLibsql(url as never));
    expect(refused).toMatchObject({ name: "InputError", code: "INVALID_URL", field: "url" });
    expect((refused as Error).message).toContain('such as "file:app.db"');
  },
);

test.each(["file:", "file://", "file://localhost", "FILE:", "file:?tls=0", "file:a%00.db", "file:a\0.db"])(
  "a URL that names no file is refused, before SQLite makes one that goes again: %j",
  async (url) => {
    const refused = await errorOf(() => openLibsql(url));
    expect(refused).toMatchObject({ name: "InputError", code: "INVALID_URL", message: "url names no file." });
  },
);

test("options that make no sense are refused", async () => {
  const url = `file:${newFile()}`;
  for (const options of [
    { deadline: -1 },
    { deadline: 2 ** 31 },
    { idleLimit: Number.NaN },
    { walLimit: -1 },
  ])
    expect(await errorOf(() => openLibsql({ url, ...options }))).toMatchObject({ name: "InputError" });
});
