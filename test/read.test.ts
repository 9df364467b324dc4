import { deepStrictEqual } from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Action,
  append,
  CursorError,
  type FeedOptions,
  feed,
  forTrace,
  getEvent,
  heads,
  isULID,
  latest,
  MigrationError,
  type NewEvent,
  newULID,
  openCortex,
  pages,
  type StoredEvent,
  since,
  stateAt,
  type TraceOptions,
  tail,
  ulidFactory,
} from "drizzle-event-log";
import { sql } from "drizzle-orm";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import {
  ALPHA,
  add,
  addAll,
  BETA,
  drivers,
  errorOf,
  event,
  ids,
  type Libsql,
  openLibsql,
  openSqlite,
  pretendToHold,
  seeded,
  thrownBy,
} from "./fixture.js";

/** All pages; refuses to go round for ever. */
async function allPages(
  db: Parameters<typeof pages>[0],
  options: FeedOptions = {},
): Promise<StoredEvent[][]> {
  const all: StoredEvent[][] = [];
  for await (const page of pages(db, options)) {
    if (all.push(page) > 1000) throw new Error("paging does not end");
  }
  return all;
}

const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);

describe("the seed's own cases", () => {
  test("append, then the history of the trace in order", async () => {
    const { db } = await openLibsql();
    const actions: Action[] = ["create", "update", "archive", "unarchive", "trash", "recover", "purge"];
    const stored: StoredEvent[] = [];
    for (const action of actions) {
      stored.push(await add(db, event({ action })));
      await add(db, event({ action, traceId: "another" }));
    }
    const history = await forTrace(db, "trace");
    expect(history).toEqual(stored);
    expect(history.map(({ action }) => action)).toEqual(actions);
    expect(ids(history)).toEqual(ids(history).toSorted());
  });

  test("three pages through since", async () => {
    const { db } = await openLibsql();
    const stored = await addAll(
      db,
      Array.from({ length: 5 }, () => event()),
    );
    const first = await since(db, "", 2);
    const second = await since(db, first[1]!.id, 2);
    const third = await since(db, second[1]!.id, 2);
    expect([first, second, third]).toEqual([stored.slice(0, 2), stored.slice(2, 4), stored.slice(4)]);
    expect(await since(db, third[0]!.id, 2)).toEqual([]);
  });

  test("a trace without events has an empty history", async () => {
    const { db } = await openLibsql();
    await add(db, event());
    expect(await forTrace(db, "nothing here")).toEqual([]);
    expect(forTrace(openSqlite().db, "nothing here")).toEqual([]);
  });

  test("ULIDs are well-formed, unique and in order", () => {
    const made = Array.from({ length: 1000 }, () => newULID());
    expect(made.every(isULID)).toBe(true);
    expect(new Set(made).size).toBe(1000);
    expect(made).toEqual(made.toSorted());
  });
});

describe("forTrace", () => {
  async function open() {
    const { db } = await openLibsql();
    const stored = await addAll(
      db,
      Array.from({ length: 10 }, (_, i) => event({ data: i })),
    );
    return { db, stored, id: (i: number) => stored[i]!.id };
  }

  test("gives the whole history by default, however long", async () => {
    const { db } = await openLibsql();
    const stored = await addAll(
      db,
      Array.from({ length: 3000 }, () => event()),
    );
    expect(await forTrace(db, "trace")).toEqual(stored);
  });

  test("limit counts from the end that the order starts at", async () => {
    const { db, stored } = await open();
    expect(await forTrace(db, "trace", { limit: 3 })).toEqual(stored.slice(0, 3));
    expect(await forTrace(db, "trace", { limit: 3, order: "desc" })).toEqual(stored.slice(7).toReversed());
    expect(await forTrace(db, "trace", { limit: 100 })).toEqual(stored);
  });

  test("after and before leave out the event they name, and go together", async () => {
    const { db, stored, id } = await open();
    const read = (options: TraceOptions) => forTrace(db, "trace", options);
    expect(await read({ after: id(2) })).toEqual(stored.slice(3));
    expect(await read({ before: id(2) })).toEqual(stored.slice(0, 2));
    expect(await read({ after: id(2), before: id(6) })).toEqual(stored.slice(3, 6));
    const between: TraceOptions = { after: id(2), before: id(6), order: "desc", limit: 2 };
    expect(await read(between)).toEqual([stored[5], stored[4]]);
    expect(await read({ after: id(6), before: id(2) })).toEqual([]);
  });

  test("takes cursors that are no event's id", async () => {
    const { db, stored } = await open();
    expect(await forTrace(db, "trace", { after: "0".repeat(26) })).toEqual(stored);
    expect(await forTrace(db, "trace", { before: `7${"Z".repeat(25)}` })).toEqual(stored);
  });

  test("an event that arrives late stands at its own time", async () => {
    const { db, stored } = await open();
    const id = ulidFactory({ now: () => 1_000_000 })();
    const late = await add(db, event({ id, cortexId: BETA }));
    expect(await forTrace(db, "trace")).toEqual([late, ...stored]);
  });
});

describe("uncommitted events", () => {
  const folder = mkdtempSync(join(tmpdir(), "event-log-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("are seen through the transaction that wrote them, by every read", async () => {
    const { db } = await openLibsql();
    const committed = await add(db, event());
    await db.transaction(async (tx) => {
      const own = await append(tx, event());
      const both = [committed, own];
      expect(await forTrace(tx, "trace")).toEqual(both);
      expect(await since(tx, "", 10)).toEqual(both);
      expect(await feed(tx)).toEqual(both);
      expect(await latest(tx, { limit: 1 })).toEqual([own]);
      expect(await getEvent(tx, own.id)).toEqual(own);
      for await (const page of pages(tx)) expect(page).toEqual(both);
    });
  });

  test("are not seen by others until they are committed", async () => {
    const url = `file:${join(folder, "log.db")}`;
    const [writer, reader] = [await openLibsql(url), await openLibsql(url)];
    const committed = await add(writer.db, event());
    const own = await writer.db.transaction(async (tx) => {
      const stored = await append(tx, event());
      expect(await forTrace(tx, "trace")).toEqual([committed, stored]);
      expect(await forTrace(reader.db, "trace")).toEqual([committed]);
      expect(await feed(reader.db)).toEqual([committed]);
      expect(await getEvent(reader.db, stored.id)).toBeUndefined();
      return stored;
    });
    expect(await forTrace(reader.db, "trace")).toEqual([committed, own]);
    reader.client.close();
    writer.client.close();
  });
});

describe.each(drivers)("a database on %s that was not migrated", (_, open) => {
  const reads: [name: string, read: (db: Libsql) => unknown][] = [
    ["feed", (db) => feed(db)],
    ["feed after an event", (db) => feed(db, { after: { seq: 1, id: ALPHA } })],
    ["forTrace", (db) => forTrace(db, "trace")],
    ["getEvent", (db) => getEvent(db, ALPHA)],
    ["latest", (db) => latest(db)],
    ["heads", (db) => heads(db, "trace")],
    ["pages", (db) => pages(db).next()],
    ["append", (db) => db.transaction((tx) => append(tx, event()))],
    ["append of a batch", (db) => db.transaction((tx) => append(tx, [event(), event()]))],
    [
      "a cortex's append",
      (db) => {
        const cortex = openCortex({ id: ALPHA, origin: "alpha" });
        return db.transaction((tx) => cortex.append(tx, { action: "update", traceId: "trace" }));
      },
    ],
  ];
  test.each(reads)("%s says what to do, in one line and without the data", async (_name, read) => {
    for (const old of [false, true]) {
      const db = (await open()).db as Libsql;
      await db.run(sql`drop table events`);
      // As version 0.1 had it.
      if (old) await db.run(sql`create table events (seq integer primary key, id text, action text)`);
      const error = await errorOf(() => read(db));
      expect(error).toBeInstanceOf(MigrationError);
      expect(error).toMatchObject({ code: "NOT_MIGRATED" });
      const { message, cause } = error as Error;
      expect(message).toMatch(/^The database has (no such|table).*run this package's migrations first/);
      expect(message).not.toMatch(/select|insert|\n/);
      expect(cause).toBeDefined();
    }
  });
});

describe("since", () => {
  test("reads from the beginning with an empty id, in order of ids whatever the order of arrival", async () => {
    const { db } = await openLibsql();
    const batch = Array.from({ length: 6 }, () => event({ id: newULID() }));
    const stored = await addAll(db, batch.toReversed());
    expect(await since(db, "", 100)).toEqual(stored.toReversed());
  });
});

describe("feed", () => {
  async function open() {
    const { db } = await openLibsql();
    const stored = await addAll(
      db,
      Array.from({ length: 24 }, (_, i) =>
        event({
          action: (["create", "update", "trash"] as const)[i % 3]!,
          traceId: `trace-${i % 4}`,
          cortexId: i % 2 === 0 ? ALPHA : BETA,
          ...(i % 5 > 0 && { actor: `user-${i % 5}` }),
        }),
      ),
    );
    return { db, stored };
  }

  test("gives events in the order of arrival, late ones last, so that a follower misses none", async () => {
    const { db, stored } = await open();
    const cursor = stored.at(-1)!.seq;
    const late = await add(db, event({ id: ulidFactory({ now: () => 0 })() }));
    expect(await feed(db, { after: cursor })).toEqual([late]);
    expect((await since(db, "", 1))[0]).toEqual(late);
  });

  test("an event for a cursor is refused by a log that holds another in its place, or none", async () => {
    const { db, stored } = await open();
    const replaced = await openLibsql();
    const filters = [{}, { actions: ["purge"] as const }, { traceId: "trace-1" }, { actor: "user-1" }];
    for (const filter of filters) {
      for (const after of [
        { ...stored[6]!, id: newULID() },
        { seq: 25, id: newULID() },
      ]) {
        const error = await errorOf(() => feed(db, { ...filter, after }));
        expect(error).toBeInstanceOf(CursorError);
        expect(error).toMatchObject({ code: "LOG_REPLACED", seq: after.seq });
      }
      const elsewhere = errorOf(() => feed(replaced.db, { ...filter, after: stored[6]! }));
      expect(await elsewhere).toBeInstanceOf(CursorError);
      expect(await feed(db, { ...filter, after: stored.at(-1)! })).toEqual([]);
    }
  });

  test("pages are 1,000 events by default", async () => {
    const { db } = await openLibsql();
    const stored = await addAll(
      db,
      Array.from({ length: 1001 }, () => event()),
    );
    expect(await feed(db)).toEqual(stored.slice(0, 1000));
  });

  const filters: [string, FeedOptions, (e: StoredEvent) => boolean][] = [
    ["an action", { actions: ["update"] }, (e) => e.action === "update"],
    ["several actions", { actions: ["create", "trash"] }, (e) => e.action !== "update"],
    ["an action twice", { actions: ["trash", "trash"] }, (e) => e.action === "trash"],
    ["no action", { actions: [] }, () => false],
    ["an action that no event has", { actions: ["purge"] }, () => false],
    ["a trace", { traceId: "trace-1" }, (e) => e.traceId === "trace-1"],
    ["a cortex", { cortexId: BETA }, (e) => e.cortexId === BETA],
    ["an actor", { actor: "user-1" }, (e) => e.actor === "user-1"],
    ["an actor that did nothing", { actor: "user-0" }, () => false],
    [
      "an actor and all others",
      { actions: ["update", "create"], traceId: "trace-1", cortexId: BETA, actor: "user-1" },
      (e) => e.action !== "trash" && e.traceId === "trace-1" && e.cortexId === BETA && e.actor === "user-1",
    ],
    [
      "all of these",
      { actions: ["update", "trash"], traceId: "trace-1", cortexId: BETA },
      (e) => e.action !== "create" && e.traceId === "trace-1" && e.cortexId === BETA,
    ],
    ["a quote in a trace id", { traceId: "' or 1 --" }, () => false],
    ["nothing", {}, () => true],
  ];
  test.each(filters)("filters by %s, alone and after a cursor", async (_, options, keep) => {
    const { db, stored } = await open();
    const expected = stored.filter(keep);
    expect(await feed(db, options)).toEqual(expected);
    expect(await feed(db, { ...options, after: 7 })).toEqual(expected.filter(({ seq }) => seq > 7));
    expect(await feed(db, { ...options, after: stored[6]! })).toEqual(expected.filter(({ seq }) => seq > 7));
    expect(await feed(db, { ...options, limit: 2 })).toEqual(expected.slice(0, 2));
    expect((await allPages(db, { ...options, limit: 2 })).flat()).toEqual(expected);
  });
});

describe("pages", () => {
  test.each([1, 2, 3, 5, 6, 100])("of %i give the whole log once, in order, none empty", async (limit) => {
    const { db } = await openLibsql();
    const stored = await addAll(
      db,
      Array.from({ length: 6 }, () => event()),
    );
    const all = await allPages(db, { limit });
    const sizes = all.map((page) => page.length);
    expect(all.flat()).toEqual(stored);
    expect(Math.max(...sizes)).toBe(Math.min(limit, 6));
    expect(Math.min(...sizes)).toBeGreaterThan(0);
  });

  test("of an empty log are none", async () => {
    expect(await allPages((await openLibsql()).db)).toEqual([]);
  });

  test("start after a seq, and take in what is appended while they are read", async () => {
    const { db } = await openLibsql();
    await addAll(db, [event(), event(), event()]);
    const seqs: number[] = [];
    for await (const page of pages(db, { after: 1, limit: 1 })) {
      seqs.push(...page.map(({ seq }) => seq));
      expect(seqs.length).toBeLessThan(10);
      if (seqs.length === 1) await add(db, event());
    }
    expect(seqs).toEqual([2, 3, 4]);
  });

  test("go on behind their last event, whatever the caller makes of the page", async () => {
    const { db } = await openLibsql();
    await addAll(db, [event(), event(), event(), event()]);
    for (const spoil of [(page: StoredEvent[]) => page.reverse(), (page: StoredEvent[]) => page.splice(0)]) {
      const seqs: number[] = [];
      for await (const page of pages(db, { limit: 2 })) {
        seqs.push(...page.map(({ seq }) => seq));
        expect(seqs.length).toBeLessThan(10);
        spoil(page);
      }
      expect(seqs).toEqual([1, 2, 3, 4]);
    }
  });

  test("work on a synchronous driver", async () => {
    const { db } = openSqlite();
    const stored = db.transaction((tx) => append(tx, [event(), event(), event()]));
    expect((await allPages(db, { limit: 2 })).flat()).toEqual(stored);
  });

  test("give timers and other tasks a turn between pages", async () => {
    for (const { db } of [await openLibsql(), openSqlite()]) {
      const batch = Array.from({ length: 20 }, () => event());
      await (db as Libsql).transaction((tx) => append(tx, batch));
      let turns = 0;
      let running = true;
      const count = () => {
        turns += 1;
        if (running) setImmediate(count);
      };
      setImmediate(count);
      const seen: number[] = [];
      for await (const _ of pages(db, { limit: 1 })) {
        if (seen.push(turns) > 20) break;
      }
      running = false;
      // A later page saw later turns: without a turn between them all pages see one number.
      expect(new Set(seen).size).toBe(20);
    }
  });
});

describe("latest and get", () => {
  test("latest gives what arrived last, newest first, a hundred by default", async () => {
    const { db } = await openLibsql();
    const stored = await addAll(
      db,
      Array.from({ length: 120 }, () => event()),
    );
    const late = await add(db, event({ id: ulidFactory({ now: () => 0 })() }));
    expect(await latest(db)).toEqual([...stored, late].toReversed().slice(0, 100));
    expect(await latest(db, { limit: 2 })).toEqual([late, stored.at(-1)]);
    expect(await latest((await openLibsql()).db)).toEqual([]);
  });

  test("latest goes on before the last event of its page, and is empty only at the end", async () => {
    const { db } = await openLibsql();
    const stored = await addAll(
      db,
      Array.from({ length: 25 }, () => event()),
    );
    const seen: StoredEvent[] = [];
    for (let page = await latest(db, { limit: 10 }); page.length > 0; ) {
      seen.push(...page);
      if (seen.length > 100) throw new Error("paging does not end");
      page = await latest(db, { limit: 10, before: page.at(-1)!.seq });
    }
    expect(seen).toEqual(stored.toReversed());
    expect(await latest(db, { before: 1 })).toEqual([]);
    expect(await latest(db, { before: Number.MAX_SAFE_INTEGER, limit: 1 })).toEqual([stored.at(-1)]);
  });

  test("get gives the event with this id, or undefined", async () => {
    const { db } = await openLibsql();
    const [, stored] = await addAll(db, [
      event(),
      event({ data: { deep: [1] }, vclock: { [ALPHA]: 1 } }),
      event(),
    ]);
    expect(await getEvent(db, stored!.id)).toEqual(stored);
    expect(await getEvent(db, newULID())).toBeUndefined();
    expect(getEvent(openSqlite().db, newULID())).toBeUndefined();
  });
});

describe("large events", () => {
  const MIB = 2 ** 20;
  const SIZE = 30;

  /** Events of 1 MiB but every fourth, which is small, of one trace and one actor. */
  async function openLarge(driver: "libsql" | "better-sqlite3") {
    const { db } = driver === "libsql" ? await openLibsql() : (openSqlite() as unknown as { db: Libsql });
    const big = "x".repeat(MIB - 2);
    const cortex = openCortex({ id: ALPHA, origin: "alpha" });
    for (let i = 0; i < SIZE; i += 10) {
      const batch = Array.from({ length: 10 }, (_, j) => ({
        ...{ action: "update" as const, traceId: "trace", actor: "user-7" },
        data: (i + j) % 4 === 3 ? i + j : big,
      }));
      await db.transaction((tx) => cortex.append(tx, batch));
    }
    return db;
  }
  const bytes = (page: readonly StoredEvent[]) => JSON.stringify(page).length;
  const all = Array.from({ length: SIZE }, (_, i) => i + 1);
  const seqs = (list: readonly StoredEvent[]) => list.map(({ seq }) => seq);

  describe.each(["libsql", "better-sqlite3"] as const)("on %s", (driver) => {
    test("a page ends at 16 MiB or so, and holds one event at least", async () => {
      const db = await openLarge(driver);
      const reads: [name: string, read: (last: StoredEvent | undefined, limit: number) => unknown][] = [
        ["feed", (last, limit) => feed(db, { after: last ?? 0, limit })],
        ["feed of an actor", (last, limit) => feed(db, { after: last ?? 0, limit, actor: "user-7" })],
        ["feed after a seq", (last, limit) => feed(db, { after: last?.seq ?? 0, limit })],
        ["since", (last, limit) => since(db, last?.id ?? "", limit)],
        ["forTrace", (last, limit) => forTrace(db, "trace", { ...(last && { after: last.id }), limit })],
        ["latest", (last, limit) => latest(db, { ...(last && { before: last.seq }), limit })],
        [
          "forTrace, newest first",
          (last, limit) => forTrace(db, "trace", { ...(last && { before: last.id }), limit, order: "desc" }),
        ],
      ];
      for (const [name, read] of reads) {
        for (const limit of name === "feed" ? [1, 7, 1000, 50_000] : [1000]) {
          const seen: StoredEvent[] = [];
          for (;;) {
            const page = (await read(seen.at(-1), limit)) as StoredEvent[];
            if (page.length === 0) break;
            expect(page.length).toBeLessThanOrEqual(limit);
            expect(bytes(page)).toBeLessThan(18 * MIB);
            seen.push(...page);
          }
          expect(
            seqs(seen).sort((a, b) => a - b),
            `${name}, ${limit}`,
          ).toEqual(all);
        }
      }
    });

    test("pages and tail go on until a page is empty", async () => {
      const db = await openLarge(driver);
      for (const options of [{}, { limit: 3 }, { actor: "user-7" }, { traceId: "trace" }, { after: 0 }]) {
        expect(seqs((await allPages(db, options)).flat())).toEqual(all);
      }
      const seen: number[] = [];
      for await (const page of tail(db)) {
        seen.push(...seqs(page));
        if (seen.length >= SIZE) break;
      }
      expect(seen).toEqual(all);
    });

    test("whole histories are read, in pieces", async () => {
      const db = await openLarge(driver);
      expect(seqs(await forTrace(db, "trace"))).toEqual(all);
      expect(seqs(await forTrace(db, "trace", { order: "desc" }))).toEqual(all.toReversed());
      expect(seqs(await heads(db, "trace"))).toEqual([SIZE]);
      const count = (state: number) => state + 1;
      expect(await stateAt(db, "trace", { seq: SIZE - 1 }, { update: count }, 0 as number)).toBe(SIZE - 1);
    });
  });

  test("an event of more than a page is a page of its own", async () => {
    const { db } = openSqlite();
    const data = "x".repeat(20 * MIB);
    db.transaction((tx) =>
      append(tx, [event(), event({ data }), event({ data }), event()], { maxDataBytes: 2 ** 25 }),
    );
    const pages = await allPages(db);
    expect(pages.flat().map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    for (const page of pages) expect(page.filter(({ data }) => data).length).toBeLessThanOrEqual(1);
    expect(latest(db, { limit: 2 }).length).toBeGreaterThan(0);
    expect(getEvent(db, pages[0]![0]!.id)).toEqual(pages[0]![0]);
  });

  test("events whose size is in meta and the clock are bounded, too", async () => {
    const { db } = openSqlite();
    const clocks = Array.from({ length: 255 }, () => newULID());
    const known = Object.fromEntries(clocks.map((id) => [id, Number.MAX_SAFE_INTEGER]));
    const meta = { a: "x".repeat(2 ** 14 - 8) };
    const traceId = "😀".repeat(255);
    const log = Array.from({ length: 1200 }, (_, i) =>
      event({ traceId, meta, vclock: { ...known, [ALPHA]: i + 1 } }),
    );
    pretendToHold(db as unknown as Libsql, known);
    db.transaction((tx) => append(tx, log));
    const pages = await allPages(db, { limit: 16_384 });
    expect(pages.flat()).toHaveLength(1200 + clocks.length);
    for (const page of pages) expect(bytes(page)).toBeLessThan(64 * MIB);
    expect(forTrace(db, traceId)).toHaveLength(1200);
  });
});

describe("for any log", () => {
  // Ids of few times, so that order of ids and order of arrival differ and ids lie close together.
  const anEvent = fc
    .record({
      time: fc.integer({ min: 0, max: 3 }),
      random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      traceId: fc.constantFrom("a", "b", "B"),
      cortexId: fc.constantFrom(ALPHA, BETA),
      action: fc.constantFrom<Action>("create", "update", "trash"),
    })
    .map(({ time, random, ...rest }) => {
      const randomness = seeded(Math.floor(random * 2 ** 32));
      return event({ ...rest, id: ulidFactory({ now: () => time, randomness })() });
    });
  const aLog = fc.uniqueArray(fc.array(anEvent, { maxLength: 12 }), { maxLength: 5 }).map((batches) => {
    const seen = new Set<string>();
    return batches.map((batch) => batch.filter(({ id }) => !seen.has(id!) && seen.add(id!)));
  });
  const aPageSize = fc.integer({ min: 1, max: 13 });

  const walk = (read: (last: StoredEvent | undefined) => StoredEvent[], limit: number) => {
    const all: StoredEvent[] = [];
    for (;;) {
      const page = read(all.at(-1));
      if (page.length > limit) throw new Error(`a page of ${page.length} for a limit of ${limit}`);
      all.push(...page);
      if (all.length > 1000) throw new Error("paging does not end");
      if (page.length < limit) return all;
    }
  };

  test("paging with any page size, forward or backward, gives the whole read", () => {
    const holds = (batches: NewEvent[][], limit: number) => {
      const { db, client } = openSqlite();
      const arrived = batches.flatMap((batch) => db.transaction((tx) => append(tx, batch)));
      const whole = arrived.toSorted(byId);
      const fed = walk((last) => feed(db, { limit, after: last?.seq ?? 0 }), limit);
      deepStrictEqual(fed, arrived);
      deepStrictEqual(
        walk((last) => since(db, last?.id ?? "", limit), limit),
        whole,
      );
      for (const traceId of ["a", "b", "B"]) {
        const history = whole.filter((e) => e.traceId === traceId);
        deepStrictEqual(forTrace(db, traceId), history);
        const page = (last: StoredEvent | undefined, key: "after" | "before") => ({
          ...(last && { [key]: last.id }),
          limit,
        });
        deepStrictEqual(
          walk((last) => forTrace(db, traceId, page(last, "after")), limit),
          history,
        );
        deepStrictEqual(
          walk((last) => forTrace(db, traceId, { ...page(last, "before"), order: "desc" }), limit),
          history.toReversed(),
        );
        const filter: FeedOptions = { traceId, actions: ["create", "trash"], cortexId: ALPHA };
        deepStrictEqual(
          walk((last) => feed(db, { ...filter, limit, after: last?.seq ?? 0 }), limit),
          arrived.filter((e) => e.traceId === traceId && e.action !== "update" && e.cortexId === ALPHA),
        );
      }
      deepStrictEqual(latest(db, { limit }), arrived.toReversed().slice(0, limit));
      client.close();
    };
    fc.assert(fc.property(aLog, aPageSize, holds), { numRuns: 150 });
  });

  const text = fc.string({ unit: "binary" }).filter((s) => s.isWellFormed() && !s.includes("\0"));
  const aValue = fc
    .jsonValue({ stringUnit: "binary", maxDepth: 6 })
    .filter((value) => storable(JSON.stringify(value)))
    .map((value) => JSON.parse(JSON.stringify(value)) as unknown);
  const aULID = fc
    .tuple(fc.integer({ min: 0, max: 2 ** 48 - 1 }), fc.integer())
    .map(([time, seed]) => ulidFactory({ now: () => time, randomness: seeded(seed) })());
  const aName = text.filter((s) => s.length > 0 && s.length < 256);
  const aCounter = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(2 ** 53 - 1, 2 ** 31, 2 ** 32));
  type ClockParts = [cortexId: string, entries: [string, number][], own: number];
  const aClock: fc.Arbitrary<ClockParts> = fc.tuple(
    aULID,
    fc.array(fc.tuple(aULID, aCounter), { maxLength: 20 }),
    aCounter,
  );

  test("any data, names and clock come back as they were, on both drivers", async () => {
    const libsql = await openLibsql();
    const sqlite = openSqlite();
    const refused = new Error("roll back");
    const holds = async (data: unknown, clock: ClockParts, traceId: string, origin: string) => {
      const [cortexId, entries, own] = clock;
      const vclock = Object.fromEntries([...entries, [cortexId, own]]);
      const input = event({ id: newULID(), data, cortexId, vclock, traceId, origin });
      const { [cortexId]: _, ...held } = vclock;
      if (own > 1) held[cortexId] = own - 1;
      const check = (stored: StoredEvent, ...reads: (StoredEvent | undefined)[]) => {
        for (const read of reads) {
          const { seq: _, timestamp: __, ...rest } = read!;
          deepStrictEqual(rest, { ...input });
          deepStrictEqual(read, stored);
        }
      };
      // Rolled back, so that no two runs meet in one place.
      const run = libsql.db.transaction(async (tx) => {
        await pretendToHold(tx, held);
        const stored = await append(tx, input);
        check(stored, await getEvent(tx, stored.id), ...(await forTrace(tx, traceId)));
        throw refused;
      });
      if ((await errorOf(() => run)) !== refused) await run;
      const runSync = () =>
        sqlite.db.transaction((tx) => {
          pretendToHold(tx as unknown as Libsql, held);
          const stored = append(tx, input);
          check(stored, getEvent(tx, stored.id), ...forTrace(tx, traceId));
          throw refused;
        });
      if (thrownBy(runSync) !== refused) runSync();
    };
    await fc.assert(fc.asyncProperty(aValue, aClock, aName, aName, holds), { numRuns: 300 });
  });
});

/** No -0 (JSON.stringify has dropped it), NUL or lone surrogate in this JSON text. */
function storable(json: string): boolean {
  return !/\\u0000|\\ud[89a-f]/i.test(json);
}
