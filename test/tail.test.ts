import { execFileSync } from "node:child_process";
import { getEventListeners } from "node:events";
import { copyFileSync } from "node:fs";
import {
  append,
  type Cursor,
  CursorError,
  feed,
  InputError,
  MigrationError,
  newULID,
  openCortex,
  pages,
  type StoredEvent,
  type TailOptions,
  tail,
} from "drizzle-event-log";
import { openLibsql as openSafely, writeTransaction } from "drizzle-event-log/libsql";
import { migrateEvents } from "drizzle-event-log/migrations";
import { sql } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import {
  ALPHA,
  BETA,
  drivers,
  errorOf,
  event,
  inputErrorOf,
  type Libsql,
  openLibsql,
  openSqlite,
} from "./fixture.js";
import { cleanUps, follow, INTERVAL, newFile, seqs } from "./followed-tail.js";

vi.mock("../src/real-time.js", () => import("./fakeable-time.js"));

const add = (db: Libsql, ...over: Parameters<typeof event>[0][]) =>
  db.transaction((tx) => append(tx, over.map(event)));

/** The log as the migrations make it, anew: empty, its seqs from 1 again. */
async function replaceLog(db: Libsql): Promise<void> {
  await db.run(sql`drop table events`);
  await migrateEvents(db);
}

/** The database, but at one of its answers, the nth. */
function busyAt(db: Libsql, nth: number): Libsql {
  let asked = 0;
  const values = (...args: Parameters<Libsql["values"]>) => {
    asked++;
    if (asked === nth) throw Object.assign(new Error("database is locked"), { code: "SQLITE_BUSY" });
    return db.values(...args);
  };
  return new Proxy(db, {
    get: (_, key) => (key === "values" ? values : Reflect.get(db, key)),
  });
}

describe.each(drivers)("tail on %s", (_, open) => {
  const opened = async () => (await open()) as unknown as Awaited<ReturnType<typeof openLibsql>>;

  test("yields what is there page by page, and then what comes, as it comes", async () => {
    const { db } = await opened();
    await add(db, {}, {}, {}, {}, {});
    const { next, soon, pass } = follow(db, { limit: 2 });
    expect([await next(), await next(), await next()]).toEqual([[1, 2], [3, 4], [5]]);
    const pending = next();
    expect(await soon(pending)).toBe("waiting");
    await add(db, {}, {}, {});
    expect(await soon(pending)).toBe("waiting");
    await pass(INTERVAL - 1);
    expect(await soon(pending)).toBe("waiting");
    await pass(1);
    expect(await pending).toEqual([6, 7]);
    expect(await next()).toEqual([8]);
  });

  test("starts with an empty log, asks at every interval, and yields no empty page", async () => {
    const { db, statements } = await opened();
    const { next, soon, pass } = follow(db);
    const pending = next();
    for (let asked = 1; asked < 5; asked++) {
      expect(await soon(pending)).toBe("waiting");
      expect(statements).toHaveLength(asked);
      await pass();
    }
    await add(db, {});
    await pass();
    expect(await pending).toEqual([1]);
  });

  test("starts after a seq or after an event", async () => {
    const { db } = await opened();
    const stored = await add(db, {}, {}, {});
    for (const after of [2, stored[1]!, { seq: 2, id: stored[1]!.id }]) {
      expect(await follow(db, { after }).next()).toEqual([3]);
    }
  });

  test("goes on behind the last event of a page, whatever the caller makes of it", async () => {
    const { db } = await opened();
    await add(db, {}, {}, {}, {});
    for (const spoil of [(page: StoredEvent[]) => page.reverse(), (page: StoredEvent[]) => page.splice(0)]) {
      const seen: number[] = [];
      for await (const page of tail(db, { limit: 2 })) {
        seen.push(...seqs(page));
        if (seen.length >= 4) break;
        spoil(page);
      }
      expect(seen).toEqual([1, 2, 3, 4]);
    }
  });

  test("does not begin when the signal has aborted before", async () => {
    const { db, statements } = await opened();
    await add(db, {});
    statements.length = 0;
    const { next } = follow(db, { signal: AbortSignal.abort() });
    expect(await next()).toBe("done");
    expect(statements).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("ends at once when the signal aborts while it waits, and leaves no timer and no listener", async () => {
    const { db } = await opened();
    const { next, soon, stop, pass } = follow(db);
    const pending = next();
    expect(await soon(pending)).toBe("waiting");
    expect(vi.getTimerCount()).toBe(1);
    expect(getEventListeners(stop.signal, "abort")).toHaveLength(1);
    await pass();
    expect(await soon(pending)).toBe("waiting");
    expect(getEventListeners(stop.signal, "abort")).toHaveLength(1);
    stop.abort();
    expect(await pending).toBe("done");
    expect(vi.getTimerCount()).toBe(0);
    expect(getEventListeners(stop.signal, "abort")).toHaveLength(0);
  });

  test("ends between two pages when the signal aborts there", async () => {
    const { db } = await opened();
    await add(db, {}, {}, {});
    const { next, stop } = follow(db, { limit: 1 });
    expect(await next()).toEqual([1]);
    stop.abort();
    expect(await next()).toBe("done");
    expect(vi.getTimerCount()).toBe(0);
  });

  test("ends where the caller leaves the loop, and leaves no timer", async () => {
    const { db } = await opened();
    await add(db, {}, {}, {});
    const { iterator, next } = follow(db, { limit: 2 });
    for await (const page of iterator) {
      expect(seqs(page)).toEqual([1, 2]);
      break;
    }
    expect(await next()).toBe("done");
    expect(vi.getTimerCount()).toBe(0);
  });

  test("waits while the database is busy, at whichever look that is, and misses nothing", async () => {
    const { db } = await opened();
    await add(db, ...Array.from({ length: 10 }, (_, i) => ({ action: i % 2 ? "update" : "create" })));
    for (let look = 1; look <= 6; look++) {
      const page = tail(busyAt(db, look), { actions: ["update"], limit: 2, interval: 1 });
      const found: number[] = [];
      while (found.length < 5) found.push(...seqs((await page.next()).value!));
      expect(found).toEqual([2, 4, 6, 8, 10]);
      await page.return();
    }
  });

  test("with a filter that nothing fits goes on behind what it has passed over", async () => {
    const { db, statements } = await opened();
    const firsts = () =>
      statements.filter(({ sql }) => /order by seq asc limit/.test(sql)).map(({ params }) => params[0]);
    await add(db, ...Array.from({ length: 300 }, () => ({})));
    statements.length = 0;
    const { next, soon, pass } = follow(db, { traceId: "wanted", limit: 10 });
    const pending = next();
    expect(await soon(pending)).toBe("waiting");
    expect(firsts()).toEqual([0]);
    await pass();
    expect(await soon(pending)).toBe("waiting");
    expect(firsts()).toEqual([0, 300]);
    await add(db, ...Array.from({ length: 20 }, () => ({})));
    await pass();
    expect(await soon(pending)).toBe("waiting");
    await pass();
    expect(await soon(pending)).toBe("waiting");
    expect(firsts()).toEqual([0, 300, 300, 320]);
    await add(db, {}, { traceId: "wanted" }, {});
    await pass();
    expect(await pending).toEqual([322]);
    const later = next();
    expect(await soon(later)).toBe("waiting");
    await pass();
    expect(await soon(later)).toBe("waiting");
    // Behind the page it found, up to an empty one; and from then on behind what that passed over.
    expect(firsts().slice(4)).toEqual([320, 322, 323]);
  });

  test("with every kind of filter misses nothing and yields nothing else", async () => {
    const { db } = await opened();
    const options = { actions: ["create" as const], traceId: "a", cortexId: BETA, limit: 2 };
    const fit = { action: "create", traceId: "a", cortexId: BETA };
    await add(db, fit, {}, fit, {}, fit);
    const { next, soon, pass } = follow(db, options);
    expect([await next(), await next()]).toEqual([[1, 3], [5]]);
    const pending = next();
    expect(await soon(pending)).toBe("waiting");
    await add(
      db,
      {},
      { ...fit, traceId: "b" },
      { ...fit, cortexId: ALPHA },
      { ...fit, action: "trash" },
      fit,
    );
    await pass();
    expect(await pending).toEqual([10]);
  });

  test.each([
    ["INVALID_INTERVAL", { interval: -1 }],
    ["INVALID_INTERVAL", { interval: 0.5 }],
    ["INVALID_INTERVAL", { interval: Number.NaN }],
    ["INVALID_INTERVAL", { interval: 2 ** 31 }],
    ["INVALID_SIGNAL", { signal: {} }],
    ["INVALID_ACTOR", { actor: "" }],
    ["INVALID_LIMIT", { limit: 0 }],
    ["INVALID_CURSOR", { after: -1 }],
    ["INVALID_CURSOR", { after: { seq: 0, id: ALPHA } }],
    ["INVALID_CURSOR", { after: { seq: 1, id: "x" } }],
    ["INVALID_TRACE_ID", { traceId: "" }],
    ["INVALID_CORTEX_ID", { cortexId: "x" }],
    ["INVALID_ACTION", { actions: "create" }],
  ])("refuses with %s at the first step: %j", async (code, options) => {
    const { db, statements } = await opened();
    const refused = await errorOf(() => tail(db, options as TailOptions).next());
    expect(refused).toBeInstanceOf(InputError);
    expect(refused).toMatchObject({ code });
    expect(statements.filter(({ sql }) => sql.includes("order by seq asc limit"))).toEqual([]);
  });

  describe("a cursor of seq and id", () => {
    const filters: TailOptions[] = [
      {},
      { traceId: "none" },
      { cortexId: BETA },
      { actions: ["purge"] },
      { actions: [] },
    ];
    const readers = (db: Libsql) =>
      [
        (options: TailOptions) => feed(db, options),
        (options: TailOptions) => pages(db, options).next(),
        (options: TailOptions) => tail(db, { ...options, interval: 0 }).next(),
      ] as const;

    test("passes where the log holds that event, whatever the filter", async () => {
      const { db } = await opened();
      const [, cursor] = await add(db, {}, {}, { action: "purge", cortexId: BETA });
      for (const filter of filters.slice(2, 4)) {
        expect(seqs(await feed(db, { ...filter, after: cursor! }))).toEqual([3]);
        for await (const page of pages(db, { ...filter, after: cursor! })) expect(seqs(page)).toEqual([3]);
      }
      for (const filter of filters) {
        const next = await feed(db, { ...filter, after: cursor!, limit: 1 });
        expect(seqs(next)).toEqual(filter.traceId || filter.actions?.length === 0 ? [] : [3]);
      }
      expect(await feed(db, { after: (await feed(db, { after: 2 }))[0]! })).toEqual([]);
    });

    test("is refused where the log holds another event or none there, whatever the filter", async () => {
      const { db } = await opened();
      const [first, second] = await add(db, {}, {}, {});
      const wrong: Cursor[] = [
        { seq: 2, id: first!.id },
        { seq: 2, id: newULID() },
        { seq: 1, id: second!.id },
        { seq: 4, id: newULID() },
        { seq: 2 ** 52, id: first!.id },
      ];
      for (const after of wrong) {
        for (const filter of filters) {
          for (const read of readers(db)) {
            const refused = await errorOf(() => read({ ...filter, after }));
            expect(refused).toBeInstanceOf(CursorError);
            expect(refused).toMatchObject({ code: "LOG_REPLACED", seq: after.seq });
          }
        }
      }
    });

    test("that is none is an InputError before any SQL", async () => {
      const { db, statements } = await opened();
      for (const after of [
        null,
        {},
        { seq: 1 },
        { id: ALPHA },
        { seq: 0, id: ALPHA },
        { seq: "1", id: ALPHA },
      ]) {
        expect(inputErrorOf(() => feed(db, { after: after as never })).code).toBe("INVALID_CURSOR");
      }
      expect(statements).toEqual([]);
    });
  });

  test("a tail that goes on notices that the log was replaced under it", async () => {
    const { db } = await opened();
    await add(db, {}, {});
    const { next, soon, pass } = follow(db);
    expect(await next()).toEqual([1, 2]);
    const pending = errorOf(next);
    expect(await soon(pending)).toBe("waiting");
    await replaceLog(db);
    await add(db, {}, {});
    await pass();
    expect(await pending).toBeInstanceOf(CursorError);
  });

  test("a tail under which the table is gone says that the migrations have to run", async () => {
    const { db } = await opened();
    await add(db, {}, {});
    const { next, soon, pass } = follow(db);
    expect(await next()).toEqual([1, 2]);
    const pending = errorOf(next);
    expect(await soon(pending)).toBe("waiting");
    await db.run(sql`drop table events`);
    await pass();
    const error = await pending;
    expect(error).toBeInstanceOf(MigrationError);
    expect(error).toMatchObject({ code: "NOT_MIGRATED" });
  });
});

test("a transaction that is open in memory holds up a tail, and does not end it", async () => {
  const { db } = await openLibsql();
  const following = tail(db, { interval: 1 }).next();
  await db.transaction(async (tx) => {
    await append(tx, event());
    await new Promise((resolve) => setTimeout(resolve, 20));
  });
  expect(seqs((await following).value!)).toEqual([1]);
});

test("tail sees what another connection and another process append", async () => {
  const file = newFile();
  const { client, db } = await openLibsql(`file:${file}`);
  cleanUps.push(() => client.close());
  const other = await openLibsql(`file:${file}`);
  cleanUps.push(() => other.client.close());
  const { next, soon, pass } = follow(db);
  const first = next();
  expect(await soon(first)).toBe("waiting");
  await add(other.db, {}, {});
  await pass();
  expect(await first).toEqual([1, 2]);

  const second = next();
  expect(await soon(second)).toBe("waiting");
  const program = `

    const db = new (require("better-sqlite3"))(process.argv[1]);
    db.prepare("insert into events (id, action, trace_id, cortex_id, origin, timestamp) values (?, ?, ?, ?, ?, ?)")
      .run(process.argv[2], "create", "trace", process.argv[3], "other process", "2026-01-01T00:00:00Z");
    db.close();`;
  execFileSync(process.execPath, ["-e", program, file, newULID(), BETA]);
  await pass();
  expect(await second).toEqual([3]);
});

test("a consumer of a log restored from an older backup is told so, where a bare seq skips events", () => {
  const file = newFile();
  const backup = `${file}.backup`;
  const write = (...traceIds: string[]) => {
    const { client, db } = openSqlite(file);
    const cortex = openCortex({ id: ALPHA, origin: "alpha" });
    const stored = db.transaction((tx) =>
      cortex.append(
        tx,
        traceIds.map((traceId) => ({ action: "create" as const, traceId })),
      ),
    );
    client.close();
    return stored;
  };
  write("a", "b", "c");
  copyFileSync(file, backup);
  const cursor = write("lost 1", "lost 2").at(-1)!;
  copyFileSync(backup, file);

  // Nothing new yet: the log is shorter than the cursor.
  const restored = openSqlite(file);
  expect(feed(restored.db, { after: cursor.seq })).toEqual([]);
  expect(() => feed(restored.db, { after: cursor })).toThrow(CursorError);
  restored.client.close();

  write("new 1", "new 2", "new 3");
  const { client, db } = openSqlite(file);
  cleanUps.push(() => client.close());
  expect(() => feed(db, { after: cursor })).toThrow(CursorError);
  expect(() => feed(db, { after: cursor, traceId: "new 3" })).toThrow(CursorError);
  // The control.
  expect(feed(db, { after: cursor.seq }).map(({ traceId }) => traceId)).toEqual(["new 3"]);
  // An event from before the backup is a cursor still.
  const third = feed(db, { limit: 3 }).at(-1)!;
  expect(feed(db, { after: third }).map(({ traceId }) => traceId)).toEqual(["new 1", "new 2", "new 3"]);
});

describe("a projection that keeps its cursor in the transaction of its effect", () => {
  const counts = sqliteTable("counts", { traceId: text("trace_id").primaryKey(), events: integer("events") });
  const cursors = sqliteTable("cursors", {
    name: text("name").primaryKey(),
    seq: integer("seq"),
    id: text("id"),
  });
  const EVENTS = 7;
  class Killed extends Error {}

  async function opened() {
    const file = newFile();
    (await openLibsql(`file:${file}`)).client.close();
    const db = await openSafely(`file:${file}`);
    cleanUps.push(() => db.$client.close());
    await db.run(sql`create table counts (trace_id text primary key, events integer not null)`);
    await db.run(sql`create table cursors (name text primary key, seq integer, id text)`);
    const cortex = openCortex({ id: ALPHA, origin: "alpha" });
    const input = Array.from({ length: EVENTS }, (_, i) => ({
      ...{ action: "update" as const, traceId: `t${i % 3}` },
    }));
    await writeTransaction(db, (tx) => cortex.append(tx, input));
    return db;
  }

  /** As the guide has it; `point` is called between any two steps, and may throw. */
  async function consume(db: Awaited<ReturnType<typeof opened>>, point: () => void) {
    const [cursor] = await db.select().from(cursors);
    const after = cursor ? { seq: cursor.seq!, id: cursor.id! } : 0;
    if (cursor?.seq === EVENTS) return;
    point();
    for await (const page of tail(db, { after, limit: 2, interval: 0 })) {
      point();
      await writeTransaction(db, async (tx) => {
        for (const { traceId } of page as StoredEvent[]) {
          const row = { traceId, events: 1 };
          const more = { target: counts.traceId, set: { events: sql`events + 1` } };
          await tx.insert(counts).values(row).onConflictDoUpdate(more);
          point();
        }
        const { seq, id } = page.at(-1)!;
        const row = { name: "counts", seq, id };
        await tx.insert(cursors).values(row).onConflictDoUpdate({ target: cursors.name, set: { seq, id } });
        point();
      });
      point();
      if (page.at(-1)!.seq === EVENTS) return;
    }
  }

  /** Starts it again after every kill, until it is through; answers with the number of points passed. */
  async function runThrough(db: Awaited<ReturnType<typeof opened>>, killedAt: (passed: number) => boolean) {
    let passed = 0;
    for (;;) {
      const ended = await errorOf(() =>
        consume(db, () => {
          passed++;
          if (killedAt(passed)) throw new Killed();
        }),
      );
      if (!(ended instanceof Killed)) {
        if (ended) throw ended;
        return passed;
      }
    }
  }

  const result = async (db: Awaited<ReturnType<typeof opened>>) =>
    (await db.select().from(counts).orderBy(counts.traceId)).map(({ events }) => events);

  test("applies each event once, at whatever point it is killed", async () => {
    const points = await runThrough(await opened(), () => false);
    expect(points).toBeGreaterThan(EVENTS * 2);
    for (let kill = 1; kill <= points; kill++) {
      const db = await opened();
      await runThrough(db, (passed) => passed === kill);
      expect(await result(db), `killed at point ${kill}`).toEqual([3, 2, 2]);
      db.$client.close();
    }
  });

  test("applies each event once, however often it is killed", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 30 }), async (kills) => {
        const db = await opened();
        await runThrough(db, (passed) => kills.includes(passed));
        expect(await result(db)).toEqual([3, 2, 2]);
        db.$client.close();
      }),
      { numRuns: 15 },
    );
  });
});
