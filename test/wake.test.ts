import { execFileSync } from "node:child_process";
import SQLite from "better-sqlite3";
import { append, newULID } from "drizzle-event-log";
import { openLibsql, writeTogether, writeTransaction } from "drizzle-event-log/libsql";
import { migrateEvents } from "drizzle-event-log/migrations";
import { sql } from "drizzle-orm";
import { describe, expect, test, vi } from "vitest";
import { BETA, errorOf, event } from "./fixture.js";
import { cleanUps, follow, newFile } from "./followed-tail.js";

vi.mock("../src/real-time.js", () => import("./fakeable-time.js"));

type Db = Awaited<ReturnType<typeof opened>>["db"];

/** A file opened by `openLibsql`, and how often the log was asked. */
async function opened(file = newFile()) {
  const asked: string[] = [];
  const logger = {
    logQuery: (text: string) => void (/order by seq asc limit/.test(text) && asked.push(text)),
  };
  const db = await openLibsql(`file:${file}`, { logger });
  cleanUps.push(() => db.$client.close());
  await migrateEvents(db);
  return { file, db, asked };
}

const insert = (over: string) => sql`insert into events (id, action, trace_id, cortex_id, origin, timestamp)
  values (${newULID()}, 'create', ${over}, ${BETA}, 'plain', '2026-01-01T00:00:00Z')`;

describe("a tail on a file of openLibsql", () => {
  const ways: Record<string, (db: Db) => unknown> = {
    "db.transaction": (db) => db.transaction((tx) => append(tx, event())),
    writeTransaction: (db) => writeTransaction(db, (tx) => append(tx, event())),
    writeTogether: (db) => writeTogether(db, (tx) => append(tx, event())),
    "a plain statement": (db) => db.run(insert("plain")),
    "a batch": (db) => db.batch([db.run(insert("a")) as never]),
    "a script": (db) =>
      db.$client.executeMultiple(`insert into events (id, action, trace_id, cortex_id, origin, timestamp)
        values ('${newULID()}', 'create', 'script', '${BETA}', 'plain', '2026-01-01T00:00:00Z')`),
  };

  test.each(Object.entries(ways))("is woken at once by a commit of %s", async (_, write) => {
    const { db } = await opened();
    const { next, soon } = follow(db);
    const pending = next();
    expect(await soon(pending)).toBe("waiting");
    await write(db);
    expect(await soon(pending)).toEqual([1]);
  });

  test("is woken at once by a commit of another client of the file in this process", async () => {
    const { file, db } = await opened();
    const other = await opened(file);
    const { next, soon } = follow(db);
    const pending = next();
    expect(await soon(pending)).toBe("waiting");
    await ways["db.transaction"]!(other.db);
    expect(await soon(pending)).toEqual([1]);
  });

  test("is not woken by a transaction that is rolled back", async () => {
    const { db, asked } = await opened();
    const { next, soon } = follow(db);
    const pending = next();
    expect(await soon(pending)).toBe("waiting");
    const before = asked.length;
    await errorOf(() =>
      db.transaction(async (tx) => {
        await append(tx, event());
        throw new Error("no");
      }),
    );
    expect(await soon(pending)).toBe("waiting");
    expect(asked).toHaveLength(before);
  });

  test("sees another process's commit at its next look, and asks the log only then", async () => {
    const { file, db, asked } = await opened();
    const { next, soon, pass } = follow(db);
    const pending = next();
    expect(await soon(pending)).toBe("waiting");
    const before = asked.length;
    for (let look = 0; look < 5; look++) await pass();
    expect(await soon(pending)).toBe("waiting");
    expect(asked).toHaveLength(before);
    const program = `
      const db = new (require("better-sqlite3"))(process.argv[1]);
      db.prepare("insert into events (id, action, trace_id, cortex_id, origin, timestamp) values (?, ?, ?, ?, ?, ?)")
        .run(process.argv[2], "create", "trace", process.argv[3], "other process", "2026-01-01T00:00:00Z");`;
    execFileSync(process.execPath, ["-e", program, file, newULID(), BETA]);
    expect(await soon(pending)).toBe("waiting");
    await pass();
    expect(await soon(pending)).toEqual([1]);
  });

  test("looks every 100 ms unless it is told otherwise", async () => {
    const { file, db } = await opened();
    const { next, soon, pass } = follow(db, { interval: undefined as never });
    const pending = next();
    expect(await soon(pending)).toBe("waiting");
    const other = new SQLite(file);
    cleanUps.push(() => other.close());
    const place = [newULID(), "create", "trace", BETA, "other", "2026-01-01T00:00:00Z"];
    other
      .prepare(
        "insert into events (id, action, trace_id, cortex_id, origin, timestamp) values (?, ?, ?, ?, ?, ?)",
      )
      .run(...place);
    await pass(99);
    expect(await soon(pending)).toBe("waiting");
    await pass(1);
    expect(await soon(pending)).toEqual([1]);
  });

  test("misses nothing that is committed while it reads, without the clock", async () => {
    const { db } = await opened();
    const { next, soon } = follow(db);
    for (let n = 1; n <= 50; n++) {
      const pending = next();
      const write = ways["db.transaction"]!(db);
      expect(await soon(pending)).toEqual([n]);
      await write;
    }
  });

  test("leaves no timer when its signal aborts", async () => {
    const { db } = await opened();
    const { next, soon, stop } = follow(db);
    const pending = next();
    expect(await soon(pending)).toBe("waiting");
    expect(vi.getTimerCount()).toBe(1);
    stop.abort();
    expect(await soon(pending)).toBe("done");
    expect(vi.getTimerCount()).toBe(0);
    await ways["a plain statement"]!(db);
    expect(await soon(next())).toBe("done");
    expect(vi.getTimerCount()).toBe(0);
  });

  test("is told at its next look that its client was closed, also while another has the file open", async () => {
    const { file, db } = await opened();
    await opened(file);
    const { next, soon, pass } = follow(db);
    const pending = errorOf(next);
    expect(await soon(pending)).toBe("waiting");
    db.$client.close();
    await pass();
    expect(await pending).toMatchObject({ cause: { code: "CLIENT_CLOSED" } });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("goes on when its client was opened anew", async () => {
    const { db } = await opened();
    const { next, soon, pass } = follow(db);
    const pending = next();
    expect(await soon(pending)).toBe("waiting");
    db.$client.close();
    await db.$client.reconnect();
    await pass(); // It has another connection's version.
    expect(await soon(pending)).toBe("waiting");
    await ways["db.transaction"]!(db);
    expect(await soon(pending)).toEqual([1]);
  });
});

test("a tail on a database in memory looks every 100 ms", async () => {
  const db = await openLibsql(":memory:");
  await migrateEvents(db);
  const { next, soon, pass } = follow(db, { interval: undefined as never });
  const pending = next();
  expect(await soon(pending)).toBe("waiting");
  await db.transaction((tx) => append(tx, event()));
  await pass(100);
  expect(await soon(pending)).toEqual([1]);
});
