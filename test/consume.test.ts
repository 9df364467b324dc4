import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import SQLite from "better-sqlite3";
import {
  append,
  type ConsumeOptions,
  ConsumerError,
  CursorError,
  consume,
  createConsumersTable,
  createEventsTable,
  feed,
  InputError,
  lag,
  MigrationError,
  newULID,
  resetConsumer,
  type StoredEvent,
} from "drizzle-event-log";
import { openLibsql, writeTogether, writeTransaction } from "drizzle-event-log/libsql";
import { migrateEvents } from "drizzle-event-log/migrations";
import { sql } from "drizzle-orm";
import { drizzle as drizzleSync } from "drizzle-orm/better-sqlite3";
import { drizzle } from "drizzle-orm/libsql";
import { integer, sqliteTable } from "drizzle-orm/sqlite-core";
import { afterEach, describe, expect, expectTypeOf, test } from "vitest";
import { ALPHA, addAll, BETA, errorOf, event, type Libsql, thrownBy } from "./fixture.js";

const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0).reverse()) cleanUp();
});

function newFile(): string {
  const directory = mkdtempSync(join(tmpdir(), "event-log-consume-"));
  cleanUps.push(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "app.db");
}

/** What a consumer has applied: a row for each time. */
const applied = sqliteTable("applied", { seq: integer("seq").notNull() });

const openers = {
  openLibsql: async (file: string) => {
    const db = await openLibsql(`file:${file}`);
    cleanUps.push(() => db.$client.close());
    return db as unknown as Libsql;
  },
  "openLibsql in memory": async () => (await openLibsql(":memory:")) as unknown as Libsql,
  "createClient, by writeTransaction": async (file: string) => {
    const client = createClient({ url: `file:${file}` });
    cleanUps.push(() => client.close());
    return drizzle({ client }) as Libsql;
  },
  "better-sqlite3": async (file: string) => {
    const client = new SQLite(file);
    cleanUps.push(() => client.close());
    client.pragma("journal_mode = wal");
    return drizzleSync(client) as unknown as Libsql;
  },
};
type Driver = keyof typeof openers;
const names = Object.keys(openers) as Driver[];

/** Opens a log with a table of the app's beside it. */
async function opened(driver: Driver, file = newFile()) {
  const db = await openers[driver](file);
  await migrateEvents(db);
  await db.run(sql`create table if not exists applied (seq integer not null)`);
  return { db, file };
}

const BY_DRIVER: Partial<Record<Driver, (db: any) => ConsumeOptions>> = {
  "createClient, by writeTransaction": (db) => ({ transaction: (work) => writeTransaction(db, work) }),
};

/** The options that every consumer here has: no pause is longer than a millisecond. */
function options(driver: Driver, db: Libsql): ConsumeOptions {
  return { interval: 1, backoff: () => 0, ...BY_DRIVER[driver]?.(db) };
}

const isSync = (db: Libsql) => Reflect.get(db, "resultKind") === "sync";

/** A function that notes each event as applied, in the way of its driver; `fail` may throw for one. */
function noting(db: Libsql, fail?: (event: StoredEvent) => void) {
  const one = (tx: any, event: StoredEvent) => {
    fail?.(event);
    return tx.insert(applied).values({ seq: event.seq }).run();
  };
  return isSync(db)
    ? (tx: any, events: StoredEvent[]) => {
        for (const event of events) one(tx, event);
      }
    : async (tx: any, events: StoredEvent[]) => {
        for (const event of events) await one(tx, event);
      };
}

const appliedSeqs = async (db: Libsql) => {
  const rows = (await db.values(sql`select seq from applied order by rowid`)) as [number][];
  return rows.map((row) => Number(row[0]));
};

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

/** Consumes until it has come to this seq. */
async function consumeTo(
  db: Libsql,
  seq: number,
  given: ConsumeOptions,
  handle: (tx: any, events: StoredEvent[]) => unknown = noting(db),
  name = "notes",
) {
  const stop = new AbortController();
  const running = consume(db, name, handle, { ...given, signal: stop.signal });
  running.catch(() => stop.abort());
  while (!stop.signal.aborted && ((await lag(db, name, given))?.seq ?? -1) < seq) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  stop.abort();
  await running;
}

describe.each(names)("consume on %s", (driver) => {
  const open = async (events = 0) => {
    const { db, file } = await opened(driver);
    if (events > 0)
      await addAll(
        db,
        Array.from({ length: events }, () => event()),
      );
    return { db, file, given: options(driver, db) };
  };

  test("applies each event once, in order, a page per transaction, and goes on where it left off", async () => {
    const { db, given } = await open(25);
    const pages: number[] = [];
    const note = noting(db);
    const handle = (tx: any, events: StoredEvent[]) => {
      pages.push(events.length);
      return note(tx, events);
    };
    await consumeTo(db, 25, { ...given, limit: 10 }, handle);
    expect(pages).toEqual([10, 10, 5]);
    await addAll(db, [event(), event()]);
    await consumeTo(db, 27, given, handle);
    expect(pages.slice(3)).toEqual([2]);
    expect(await appliedSeqs(db)).toEqual(upTo(27));
  });

  test("is awake: it applies what comes while it runs", async () => {
    const { db, given } = await open();
    const stop = new AbortController();
    const running = consume(db, "notes", noting(db), { ...given, signal: stop.signal });
    for (let n = 1; n <= 5; n++) {
      await addAll(db, [event()]);
      while ((await lag(db, "notes"))?.seq !== n) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    stop.abort();
    expect(await running).toBeUndefined();
    expect(await appliedSeqs(db)).toEqual(upTo(5));
  });

  test("three at once, under one name: each event once", async () => {
    const { db, given } = await open(60);
    const each = { ...given, limit: 4 };
    await Promise.all([1, 2, 3].map(() => consumeTo(db, 60, each)));
    expect(await appliedSeqs(db)).toEqual(upTo(60));
  });

  test("two of other names: each applies all", async () => {
    const { db, given } = await open(5);
    await consumeTo(db, 5, given, noting(db), "a");
    await consumeTo(db, 5, given, noting(db), "b");
    expect(await appliedSeqs(db)).toEqual([...upTo(5), ...upTo(5)]);
    expect(await lag(db)).toEqual([
      { name: "a", seq: 5, behind: 0, skipped: 0 },
      { name: "b", seq: 5, behind: 0, skipped: 0 },
    ]);
  });

  test("what fails is rolled back with all it wrote, and tried again", async () => {
    const { db, given } = await open(10);
    let failures = 0;
    const fail = ({ seq }: StoredEvent) => {
      if (seq === 7 && failures++ < 4) throw new Error("not yet");
    };
    await consumeTo(db, 10, given, noting(db, fail));
    expect(failures).toBe(5);
    expect(await appliedSeqs(db)).toEqual(upTo(10));
  });

  test("its place is that of the events, whatever the function makes of them", async () => {
    const { db, given } = await open(4);
    const note = noting(db);
    const spoil = (events: StoredEvent[]) => {
      for (const one of events) Object.assign(one, { seq: one.seq + 1, id: newULID() });
      events.reverse();
    };
    await consumeTo(db, 4, { ...given, limit: 2 }, (tx, events) => {
      const outcome: unknown = note(tx, events);
      return outcome instanceof Promise ? outcome.then(() => spoil(events)) : spoil(events);
    });
    expect(await appliedSeqs(db)).toEqual(upTo(4));
    const failing = (_tx: any, events: StoredEvent[]) => {
      spoil(events);
      throw new Error("no");
    };
    const error = await errorOf(() => consume(db, "other", failing, { ...given, retries: 0 }));
    expect(error).toMatchObject({ code: "POISON", seq: 1, id: (await feed(db))[0]!.id });
  });

  test("stops before the event at which it fails, having applied all before it, and says which it is", async () => {
    const { db, given } = await open(40);
    const cause = new Error("poison");
    const calls: number[] = [];
    const fail = ({ seq }: StoredEvent) => {
      if (seq !== 23) return;
      calls.push(seq);
      throw cause;
    };
    const error = await errorOf(() => consume(db, "notes", noting(db, fail), { ...given, retries: 2 }));
    expect(error).toBeInstanceOf(ConsumerError);
    const [poison] = await feed(db, { after: 22, limit: 1 });
    expect(error).toMatchObject({ code: "POISON", consumer: "notes", seq: 23, id: poison!.id, cause });
    expect(await appliedSeqs(db)).toEqual(upTo(22));
    expect(await lag(db, "notes")).toEqual({ name: "notes", seq: 22, behind: 18, skipped: 0 });
    // Halving down to it, and then alone: once, and twice more.
    expect(calls.length).toBeLessThanOrEqual(Math.ceil(Math.log2(40)) + 3);
    await consumeTo(db, 40, given);
    expect(await appliedSeqs(db)).toEqual(upTo(40));
  });

  test("pauses longer after each failure of the event, as backoff says, and gives up after so many retries", async () => {
    const { db, given } = await open(1);
    const waits: number[] = [];
    const backoff = (failures: number) => {
      waits.push(failures);
      return 0;
    };
    const handle = noting(db, () => {
      throw new Error("poison");
    });
    await errorOf(() => consume(db, "notes", handle, { ...given, backoff, retries: 3 }));
    expect(waits).toEqual([1, 2, 3]);
    waits.length = 0;
    await errorOf(() => consume(db, "notes", handle, { ...given, backoff, retries: 0 }));
    expect(waits).toEqual([]);
  });

  test("onError may skip an event, which is recorded", async () => {
    const { db, given } = await open(20);
    const told: [unknown, number][] = [];
    const fail = ({ seq }: StoredEvent) => {
      if (seq % 9 === 0) throw new Error(`no ${seq}`);
    };
    const onError = (error: unknown, { seq }: StoredEvent) => {
      told.push([(error as Error).message, seq]);
      return "skip";
    };
    await consumeTo(db, 20, { ...given, retries: 1, onError }, noting(db, fail));
    expect(told).toEqual([
      ["no 9", 9],
      ["no 18", 18],
    ]);
    expect(await appliedSeqs(db)).toEqual(upTo(20).filter((seq) => seq % 9 !== 0));
    expect(await lag(db, "notes")).toEqual({
      name: "notes",
      seq: 20,
      behind: 0,
      skipped: 2,
      lastSkipped: 18,
    });
  });

  test("onError that says anything else stops, and what it throws is thrown", async () => {
    const { db, given } = await open(2);
    const handle = noting(db, () => {
      throw new Error("poison");
    });
    for (const answer of [undefined, "stop", true]) {
      const onError = async () => answer;
      const error = await errorOf(() => consume(db, "notes", handle, { ...given, retries: 0, onError }));
      expect(error).toMatchObject({ code: "POISON", seq: 1 });
    }
    const own = new RangeError("own");
    const onError = () => {
      throw own;
    };
    expect(await errorOf(() => consume(db, "notes", handle, { ...given, retries: 0, onError }))).toBe(own);
    expect(await lag(db, "notes")).toMatchObject({ seq: 0, skipped: 0 });
  });

  test("with a filter applies what fits, and moves past what does not, by and by", async () => {
    const { db, given } = await open();
    await addAll(db, [event({ action: "create" }), event(), event({ action: "create" }), event(), event()]);
    await consumeTo(db, 5, { ...given, actions: ["create"] });
    expect(await appliedSeqs(db)).toEqual([1, 3]);
    expect(await lag(db, "notes")).toMatchObject({ seq: 5, behind: 0 });
    const [last] = await feed(db, { after: 4 });
    expect(((await db.values(sql`select id from consumers`)) as [string][])[0]![0]).toBe(last!.id);
  });

  test("the function gets the payloads of today, and an upcaster that fails is the event's failure", async () => {
    const { db, given } = await open();
    await addAll(
      db,
      [1, 2, 3].map((n) => event({ data: n })),
    );
    const seen: unknown[] = [];
    const handle = (_tx: unknown, events: StoredEvent[]) => {
      seen.push(...events.map(({ data }) => data));
    };
    const update = (data: unknown) => {
      if (data === 3) throw new RangeError("unknown");
      return { n: data };
    };
    const running = () => consume(db, "notes", handle, { ...given, upcasters: { update }, retries: 1 });
    expect(await errorOf(running)).toMatchObject({ code: "POISON", seq: 3, cause: expect.any(RangeError) });
    expect(seen).toEqual([{ n: 1 }, { n: 2 }]);
  });

  test("begins where `from` says, and only if it has not begun before", async () => {
    const { db, given } = await open(6);
    const [, , third] = await feed(db);
    await consumeTo(db, 6, { ...given, from: 4 }, noting(db), "seq");
    await consumeTo(db, 6, { ...given, from: third! }, noting(db), "cursor");
    await consumeTo(db, 6, { ...given, from: "end" }, noting(db), "end");
    expect(await appliedSeqs(db)).toEqual([5, 6, 4, 5, 6]);
    await addAll(db, [event()]);
    await consumeTo(db, 7, { ...given, from: 0 }, noting(db), "end");
    expect((await appliedSeqs(db)).slice(5)).toEqual([7]);
    for (const from of [99, { seq: 2, id: third!.id }]) {
      const error = await errorOf(() => consume(db, "new", noting(db), { ...given, from }));
      expect(error).toBeInstanceOf(CursorError);
    }
    expect(await lag(db, "new")).toBeUndefined();
  });

  test("a consumer that begins at the end has its place before anything comes", async () => {
    const { db, given } = await open(3);
    await consumeTo(db, 3, { ...given, from: "end" });
    await addAll(db, [event()]);
    await consumeTo(db, 4, { ...given, from: "end" });
    expect(await appliedSeqs(db)).toEqual([4]);
  });

  test("what the function appends is applied in a later page", async () => {
    const { db, given } = await open(1);
    const note = noting(db);
    const handle = (tx: any, events: StoredEvent[]) => {
      const more = events[0]!.seq < 4 ? append(tx, event()) : undefined;
      return isSync(db) ? note(tx, events) : Promise.resolve(more).then(() => note(tx, events));
    };
    await consumeTo(db, 4, given, handle);
    expect(await appliedSeqs(db)).toEqual(upTo(4));
  });

  test("does nothing when its signal has aborted before, and ends when it aborts", async () => {
    const { db, given } = await open(3);
    await consume(db, "notes", noting(db), { ...given, signal: AbortSignal.abort() });
    expect(await lag(db)).toEqual([]);
    const stop = new AbortController();
    const note = noting(db);
    const handle = (tx: any, events: StoredEvent[]) => {
      stop.abort();
      return note(tx, events);
    };
    await consume(db, "notes", handle, { ...given, limit: 2, signal: stop.signal });
    // The transaction under way is done.
    expect(await appliedSeqs(db)).toEqual([1, 2]);
    expect(await lag(db, "notes")).toMatchObject({ seq: 2 });
  });

  test("ends at once when its signal aborts while it pauses after a failure", async () => {
    const { db, given } = await open(1);
    const stop = new AbortController();
    const backoff = () => {
      setTimeout(() => stop.abort(), 0);
      return 2 ** 30;
    };
    const handle = noting(db, () => {
      throw new Error("poison");
    });
    await consume(db, "notes", handle, { ...given, backoff, signal: stop.signal });
    expect(await lag(db, "notes")).toMatchObject({ seq: 0 });
  });

  test("notices that the log was replaced", async () => {
    const { db, given } = await open(3);
    await consumeTo(db, 3, given);
    await db.run(sql`drop table events`);
    await db.run(sql`delete from __event_log_migrations`);
    await migrateEvents(db);
    await addAll(
      db,
      Array.from({ length: 5 }, () => event()),
    );
    expect(await errorOf(() => consume(db, "notes", noting(db), given))).toBeInstanceOf(CursorError);
    expect(await appliedSeqs(db)).toEqual(upTo(3));
  });

  test("resetConsumer puts it anywhere in the log, also while it runs", async () => {
    const { db, given } = await open(5);
    const stop = new AbortController();
    const running = consume(db, "notes", noting(db), { ...given, signal: stop.signal });
    const until = async (n: number) => {
      while ((await appliedSeqs(db)).length < n) await new Promise((resolve) => setTimeout(resolve, 1));
    };
    await until(5);
    expect(await resetConsumer(db, "notes")).toBeUndefined();
    await addAll(db, [event()]); // wakes it
    await until(11);
    stop.abort();
    await running;
    expect(await appliedSeqs(db)).toEqual([...upTo(5), ...upTo(6)]);

    const [, second] = await feed(db);
    await resetConsumer(db, "notes", { to: second! });
    expect(await lag(db, "notes")).toMatchObject({ seq: 2, behind: 4 });
    await resetConsumer(db, "notes", { to: 4 });
    expect(await lag(db, "notes")).toMatchObject({ seq: 4 });
    await resetConsumer(db, "another", { to: "end" });
    expect(await lag(db, "another")).toMatchObject({ seq: 6, behind: 0 });
    for (const to of [7, { seq: 2, id: newULID() }]) {
      expect(await errorOf(() => resetConsumer(db, "notes", { to }))).toBeInstanceOf(CursorError);
    }
    expect(await lag(db, "notes")).toMatchObject({ seq: 4 });
  });

  test("what was applied from a place that is not the consumer's any more is rolled back, and applied from the new one", async () => {
    const { db, given } = await open(4);
    await resetConsumer(db, "notes", { to: 2 });
    const note = noting(db);
    let resets = 0;
    const handle = (tx: any, events: StoredEvent[]) => {
      // The reset is rolled back with the rest, as one by another process could not come between.
      const reset = resets++ === 0 ? resetConsumer(tx, "notes", { to: 1 }) : undefined;
      return isSync(db) ? note(tx, events) : Promise.resolve(reset).then(() => note(tx, events));
    };
    await consumeTo(db, 4, given, handle);
    expect(resets).toBe(2);
    expect(await appliedSeqs(db)).toEqual([3, 4]);
  });

  test("a log of another name has consumers of its own", async () => {
    const { db, given } = await open(2);
    const table = createEventsTable("audit");
    await migrateEvents(db, { table });
    await db.transaction((tx) => append(tx, [event(), event(), event()], { table }));
    await consumeTo(db, 3, { ...given, table });
    expect(await appliedSeqs(db)).toEqual(upTo(3));
    expect([await lag(db), await lag(db, undefined, { table })]).toMatchObject([[], [{ seq: 3 }]]);

    const consumers = createConsumersTable("followers");
    await migrateEvents(db, { table: createEventsTable("third"), consumers });
    await consumeTo(db, 2, { ...given, consumers });
    expect(await lag(db, "notes", { consumers })).toMatchObject({ seq: 2 });
  });

  test("without its table says that the migrations have to run", async () => {
    const { db, given } = await open(1);
    await db.run(sql`drop table consumers`);
    const error = await errorOf(() => consume(db, "notes", noting(db), given));
    expect(error).toBeInstanceOf(MigrationError);
    expect(error).toMatchObject({ code: "NOT_MIGRATED" });
  });

  test("a transaction that does not run the work, or hides its answer, is refused", async () => {
    const { db, given } = await open(1);
    const transaction = given.transaction ?? ((work) => db.transaction(work));
    const wrong = {
      "runs nothing": () => undefined,
      "hides the answer": async (work: any) => void (await transaction(work)),
      "is none": (work: any) => work(db),
    };
    for (const [name, transaction] of Object.entries(wrong)) {
      const error = await errorOf(() => consume(db, name, noting(db), { ...given, transaction }));
      expect(error, name).toBeInstanceOf(InputError);
    }
  });
});

describe("consume on a synchronous driver", () => {
  test("refuses an async function, and keeps nothing of what it did", async () => {
    const { db } = await opened("better-sqlite3");
    await addAll(db, [event()]);
    const handle = async (tx: any) => {
      tx.insert(applied).values({ seq: 1 }).run();
    };
    const error = await errorOf(() => consume(db, "notes", handle));
    expect(error).toBeInstanceOf(InputError);
    expect(error).toMatchObject({ code: "INVALID_FUNCTION", field: "handle" });
    expect(await appliedSeqs(db)).toEqual([]);
    expect(await lag(db, "notes")).toMatchObject({ seq: 0 });
  });

  test("lag and resetConsumer answer with values", async () => {
    const db = drizzleSync(new SQLite(":memory:"));
    migrateEvents(db);
    expect(lag(db)).toEqual([]);
    expect(resetConsumer(db, "a")).toBeUndefined();
    expect(lag(db, "a")).toEqual({ name: "a", seq: 0, behind: 0, skipped: 0 });
    db.transaction((tx) => resetConsumer(tx, "b"));
    expect(lag(db).map(({ name }) => name)).toEqual(["a", "b"]);
  });
});

test("shared transactions of writeTogether will do", async () => {
  const { db } = await opened("openLibsql");
  await addAll(
    db,
    Array.from({ length: 30 }, () => event()),
  );
  const transaction = (work: (tx: any) => Promise<unknown>) => writeTogether(db as any, work);
  const given = { ...options("openLibsql", db), limit: 3, transaction };
  await Promise.all([1, 2, 3].map(() => consumeTo(db, 30, given)));
  expect(await appliedSeqs(db)).toEqual(upTo(30));
});

test("in a restored backup it goes on from where it and its effects are there", async () => {
  const { db, file } = await opened("openLibsql");
  await addAll(db, [event(), event()]);
  await consumeTo(db, 2, options("openLibsql", db));
  await db.run(sql`vacuum into ${`${file}.backup`}`);
  await addAll(db, [event(), event()]);
  await consumeTo(db, 4, options("openLibsql", db));
  const { db: backup } = await opened("openLibsql", `${file}.backup`);
  await addAll(backup, [event()]);
  await consumeTo(backup, 3, options("openLibsql", backup));
  expect(await appliedSeqs(backup)).toEqual(upTo(3));
});

test("waits while another process holds the database, and goes on", async () => {
  const file = newFile();
  const { db } = await opened("better-sqlite3", file);
  await addAll(db, [event(), event()]);
  const client = (db as any).$client as SQLite.Database;
  client.pragma("busy_timeout = 0");
  const other = new SQLite(file);
  cleanUps.push(() => other.close());
  other.exec("begin immediate");
  const waits: number[] = [];
  const backoff = (failures: number) => {
    waits.push(failures);
    if (waits.length === 4) other.exec("rollback");
    return 0;
  };
  await consumeTo(db, 2, { interval: 1, backoff, retries: 0 });
  expect(waits).toEqual([1, 2, 3, 4]);
  expect(await appliedSeqs(db)).toEqual([1, 2]);
});

test("a consumer that finds nothing to do writes nothing", async () => {
  const { db, file } = await opened("openLibsql");
  await addAll(db, [event()]);
  const given = options("openLibsql", db);
  await consumeTo(db, 1, given);
  const other = new SQLite(file, { readonly: true });
  cleanUps.push(() => other.close());
  const version = () => other.pragma("data_version", { simple: true });
  const before = version();
  const stop = new AbortController();
  const running = consume(db, "notes", noting(db), { ...given, signal: stop.signal });
  await new Promise((resolve) => setTimeout(resolve, 50));
  stop.abort();
  await running;
  expect(version()).toBe(before);
});

test("bad arguments are rejected before any SQL", async () => {
  const { db } = await opened("openLibsql");
  const handle = () => {};
  const cases: [string, () => Promise<void>][] = [
    ["NOT_A_DATABASE", () => consume({} as any, "a", handle)],
    ["INVALID_NAME", () => consume(db, "", handle)],
    ["INVALID_NAME", () => consume(db, "x".repeat(256), handle)],
    ["INVALID_FUNCTION", () => consume(db, "a", undefined as any)],
    ["INVALID_FUNCTION", () => consume(db, "a", handle, { transaction: 1 as any })],
    ["INVALID_FUNCTION", () => consume(db, "a", handle, { backoff: 1 as any })],
    ["INVALID_FUNCTION", () => consume(db, "a", handle, { onError: "skip" as any })],
    ["INVALID_RETRIES", () => consume(db, "a", handle, { retries: -1 })],
    ["INVALID_RETRIES", () => consume(db, "a", handle, { retries: 1.5 })],
    ["INVALID_LIMIT", () => consume(db, "a", handle, { limit: 0 })],
    ["INVALID_INTERVAL", () => consume(db, "a", handle, { interval: -1 })],
    ["INVALID_SIGNAL", () => consume(db, "a", handle, { signal: {} as any })],
    ["INVALID_CURSOR", () => consume(db, "a", handle, { from: -1 })],
    ["INVALID_CURSOR", () => consume(db, "a", handle, { from: "start" as any })],
    ["INVALID_ACTION", () => consume(db, "a", handle, { actions: "create" as any })],
    ["INVALID_REDUCER", () => consume(db, "a", handle, { upcasters: 1 as any })],
    ["INVALID_TABLE", () => consume(db, "a", handle, { consumers: applied as any })],
    ["INVALID_OPTIONS", () => consume(db, "a", handle, 1 as any)],
  ];
  for (const [code, run] of cases) expect(await errorOf(run), code).toMatchObject({ code });
  expect(thrownBy(() => lag(db, ""))).toMatchObject({ code: "INVALID_NAME" });
  expect(thrownBy(() => resetConsumer(db, ""))).toMatchObject({ code: "INVALID_NAME" });
  expect(thrownBy(() => resetConsumer(db, "a", { to: -1 }))).toMatchObject({ code: "INVALID_CURSOR" });
  expect(await lag(db)).toEqual([]);
});

test("the function is typed by its database and log", async () => {
  const db = await openLibsql(":memory:");
  const table = createEventsTable<{ create: { title: string } }, "typed">("typed");
  const typed = () =>
    consume(
      db,
      "a",
      async (tx, events) => {
        expectTypeOf(tx.insert).toBeFunction();
        expectTypeOf(events[0]!.data).toEqualTypeOf<{ title: string }>();
        await tx.insert(applied).values({ seq: events[0]!.seq });
      },
      { table, transaction: (work) => writeTransaction(db, work) },
    );
  expect(typed).toBeTypeOf("function");
  const sync = drizzleSync(new SQLite(":memory:"));
  const other = () => consume(sync, "a", (tx) => expectTypeOf(tx.all).toBeFunction());
  expect(other).toBeTypeOf("function");
  expect([ALPHA, BETA]).toHaveLength(2);
});
