import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Action,
  append,
  clock,
  createEventsTable,
  type Event,
  feed,
  formatEvent,
  type Mutation,
  openCortex,
  type StoredEvent,
  ulidFactory,
  type VectorClock,
} from "drizzle-event-log";
import {
  type Accepted,
  accept,
  databasePeer,
  missing,
  type PullReport,
  pull,
} from "drizzle-event-log/federation";
import { openLibsql as openWriter, writeTransaction } from "drizzle-event-log/libsql";
import { migrateEvents } from "drizzle-event-log/migrations";
import { sql } from "drizzle-orm";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { ALPHA, BETA, errorOf, event, openLibsql, openSqlite, thrownBy } from "./fixture.js";
import { prover } from "./independent-proof.js";

type Opened = Awaited<ReturnType<typeof openLibsql>>;
type Db = Opened["db"];
type Tx = Parameters<Parameters<Db["transaction"]>[0]>[0];

const DRIVERS = ["libsql", "better-sqlite3"] as const;
const open = async (driver: string): Promise<Opened> =>
  (driver === "libsql" ? await openLibsql() : openSqlite()) as Opened;

const cortexId = (i: number) => `01BX5ZZKBKACTAV9WEVGEMMVS${i}`;
const makeId = ulidFactory();

/** A log and the cortex that writes to it. Their clocks are hours apart: the order of ids is not that of causes. */
async function openNode(i: number, driver: string = "better-sqlite3") {
  const { db, statements } = await open(driver);
  const now = () => Date.now() - i * 3_600_000;
  const cortex = openCortex<Action>({ id: cortexId(i), origin: `node ${i}`, now });
  const write = (...traceIds: string[]) => {
    const mutations = traceIds.map((traceId): Mutation => ({ action: "update", traceId, data: { by: i } }));
    return transaction(db, (tx) => cortex.append(tx, mutations));
  };
  return { db, statements, write };
}

/** On a synchronous driver `work` answers with a value. */
const transaction = async <T>(db: Db, work: (tx: Tx) => T | Promise<T>): Promise<T> =>
  db.transaction(work as (tx: Tx) => Promise<T>);

const take = (db: Db, page: readonly Event[], options = {}) =>
  transaction<Accepted[]>(db, (tx) => accept(tx, page, options));

const everything = async (db: Db, options = {}): Promise<StoredEvent[]> =>
  feed(db, { limit: 1_000_000, ...options });

/** What the log holds, as other logs would hold it. */
const contents = async (db: Db): Promise<string[]> =>
  (await everything(db)).map((one) => formatEvent(one)).sort();

const outcomes = (accepted: readonly Accepted[]) => accepted.map(({ outcome }) => outcome);

const prove = prover();

/** An event of a peer's: complete, its cortex's `counter`th, and after the one that was made last of those before. */
function foreign(id: string, counter: number, over: Record<string, unknown> = {}): Event {
  const { vclock = {}, ...rest } = over;
  const clocked = event({ cortexId: id, vclock: { ...(vclock as VectorClock), [id]: counter } });
  return prove({ ...clocked, id: makeId(), timestamp: "2026-01-01T00:00:00Z", ...rest } as Event);
}

/** As the log answers. */
const bare = ({ proof: _, ...event }: Event) => event;

/** That each event comes after all that it builds on, in a log with this clock. */
function expectCausal(page: readonly Event[], known: VectorClock): void {
  const seen = new Map(Object.entries(known));
  for (const { cortexId, vclock = {} } of page) {
    expect(vclock[cortexId]).toBe((seen.get(cortexId) ?? 0) + 1);
    seen.set(cortexId, vclock[cortexId]!);
    for (const [cause, n] of Object.entries(vclock)) expect(seen.get(cause) ?? 0).toBeGreaterThanOrEqual(n);
  }
}

const who = fc.nat(2);
const limit = fc.integer({ min: 1, max: 5 });
const write = fc.record({ do: fc.constant("write" as const), who, traces: fc.integer({ min: 1, max: 4 }) });
const sync = fc.record({ do: fc.constant("sync" as const), who, from: who, limit });
const steps = fc.array(fc.oneof(write, sync), { maxLength: 25, size: "max" });

describe.each([
  ["three synchronous logs", ["better-sqlite3", "better-sqlite3", "better-sqlite3"], 100],
  ["a synchronous log between two of libsql", ["libsql", "better-sqlite3", "libsql"], 15],
])("random writes and pages, %s", (_, drivers, numRuns) => {
  test("missing and accept, in pages of any size and any interleaving, come to the union", async () => {
    await fc.assert(
      fc.asyncProperty(steps, limit, async (random, last) => {
        const nodes = await Promise.all(drivers.map((driver, i) => openNode(i, driver)));
        const written: StoredEvent[] = [];
        const exchange = async (to: (typeof nodes)[0], from: (typeof nodes)[0], limit: number) => {
          const known = await clock(to.db);
          const page = await missing(from.db, known, { limit });
          expect(page.length).toBeLessThanOrEqual(limit);
          expectCausal(page, known);
          expect(outcomes(await take(to.db, page))).toEqual(page.map(() => "stored"));
          return page.length;
        };
        for (const step of random) {
          const node = nodes[step.who]!;
          if (step.do === "sync") await exchange(node, nodes[step.from]!, step.limit);
          else written.push(...(await node.write(...["a", "b", "c", "d"].slice(0, step.traces))));
        }
        for (let news = true; news; ) {
          news = false;
          // In a ring: what one has comes to the other only through the third.
          for (const [i, node] of nodes.entries()) {
            while ((await exchange(node, nodes[(i + 1) % 3]!, last)) > 0) news = true;
          }
        }
        const union = written.map((one) => formatEvent(one)).sort();
        for (const { db } of nodes) {
          expect(await contents(db)).toEqual(union);
          expectCausal(await everything(db), {});
        }
      }),
      { numRuns },
    );
  });
});

describe.each(DRIVERS)("accept on %s", (driver) => {
  test("the second time every event is a duplicate, with its first seq, and the log is as it was", async () => {
    const { db } = await open(driver);
    const page = [foreign(ALPHA, 1), foreign(ALPHA, 2), foreign(BETA, 1, { vclock: { [ALPHA]: 2 } })];
    const first = await take(db, page);
    expect(first).toEqual(
      page.map((event, i) => ({ event: { ...bare(event), seq: i + 1 }, outcome: "stored", drifted: false })),
    );
    const before = await everything(db);
    expect(await take(db, page)).toEqual(first.map((one) => ({ ...one, outcome: "duplicate" })));
    expect(await take(db, [page[1]!, page[0]!])).toEqual(
      [first[1]!, first[0]!].map((one) => ({ ...one, outcome: "duplicate" })),
    );
    expect(await everything(db)).toEqual(before);
  });

  test("pages may overlap and hold an event twice", async () => {
    const { db } = await open(driver);
    const [one, two, three] = [1, 2, 3].map((n) => foreign(ALPHA, n)) as [Event, Event, Event];
    expect(outcomes(await take(db, [one, one, two]))).toEqual(["stored", "duplicate", "stored"]);
    expect(outcomes(await take(db, [two, three, two]))).toEqual(["duplicate", "stored", "duplicate"]);
    expect((await everything(db)).map(({ id }) => id)).toEqual([one.id, two.id, three.id]);
  });

  test("an empty page is fine", async () => {
    const { db } = await open(driver);
    expect(await take(db, [])).toEqual([]);
  });

  test("an event that is stored as it came has all its fields, and null data apart from none", async () => {
    const { db } = await open(driver);
    const page = [
      foreign(ALPHA, 1, { data: null, timestamp: "2020-02-29T23:59:59.123456789Z", action: "made_up" }),
      foreign(ALPHA, 2, { data: { list: [1, "ü", { deep: null }] } }),
      foreign(ALPHA, 3),
    ];
    await take(db, page);
    expect((await everything(db)).map(({ seq: _, ...one }) => one)).toEqual(page.map(bare));
    expect(await contents(db)).toEqual(page.map((one) => formatEvent(bare(one))).sort());
  });

  test("the seq of a page that came from a log is that log's, and is not taken over", async () => {
    const { db } = await open(driver);
    const page = [{ ...foreign(ALPHA, 1), seq: 77 }];
    expect((await take(db, page)).map(({ event }) => event.seq)).toEqual([1]);
  });

  test("it reports ids that are too far ahead of the clock, and only those", async () => {
    const { db } = await open(driver);
    const now = Date.UTC(2026, 0);
    const at = (ahead: number) => ulidFactory({ now: () => now + ahead })();
    const page = [0, 1000, 1001, 86_400_000].map((ahead, i) => foreign(ALPHA, i + 1, { id: at(ahead) }));
    const accepted = await take(db, page, { now: () => now, maxDrift: 1000 });
    expect(accepted.map(({ drifted }) => drifted)).toEqual([false, false, true, true]);
    const again = await take(db, page, { now: () => now + 86_400_000, maxDrift: 1000 });
    expect(again.map(({ drifted }) => drifted)).toEqual([false, false, false, false]);
  });

  test("two accepts through Promise.all in one transaction take their turns", async () => {
    const { db } = await open(driver);
    const page = [foreign(ALPHA, 1), foreign(ALPHA, 2)];
    const both = await transaction(db, (tx): any => {
      const [a, b] = [accept(tx, page) as unknown, accept(tx, page) as unknown];
      return a instanceof Promise ? Promise.all([a, b]) : [a, b];
    });
    expect(both.map(outcomes)).toEqual([
      ["stored", "stored"],
      ["duplicate", "duplicate"],
    ]);
  });

  const held = foreign(ALPHA, 1, { data: { a: 1 } });
  const next = foreign(ALPHA, 2);
  const refused: [name: string, page: unknown, code: string, more?: object][] = [
    ["the cortex's event before it is absent", [foreign(ALPHA, 3)], "GAP"],
    ["the cortex's first event is absent", [foreign(BETA, 2)], "GAP"],
    [
      "another cortex's event that it counts is absent",
      [foreign(BETA, 1, { vclock: { [ALPHA]: 2 } })],
      "GAP",
    ],
    ["it counts a cortex that is unknown", [foreign(BETA, 1, { vclock: { [cortexId(9)]: 1 } })], "GAP"],
    ["an effect is before its cause", [foreign(BETA, 1, { vclock: { [ALPHA]: 2 } }), next], "GAP"],
    ["the two are in reverse order", [foreign(ALPHA, 3), next], "GAP"],
    ["its counter is as great as can be", [foreign(ALPHA, Number.MAX_SAFE_INTEGER)], "GAP"],
    ["its place is taken in the log", [foreign(ALPHA, 1)], "FORK", { existingId: held.id }],
    ["two in the page have one place", [next, foreign(ALPHA, 2)], "FORK", { existingId: next.id }],
    ["its id is taken, with other data", [{ ...held, data: { a: 2 } }], "ID_CONFLICT"],
    ["its id is taken, with another origin", [{ ...held, origin: "other" }], "ID_CONFLICT"],
    ["its id is taken, with another clock", [{ ...held, vclock: { [ALPHA]: 2 } }], "ID_CONFLICT"],
    ["its id is taken by another cortex", [foreign(BETA, 1, { id: held.id })], "ID_CONFLICT"],
    ["two in the page have one id", [next, { ...next, data: 1 }], "ID_CONFLICT"],
    ["it has no clock", [{ ...next, vclock: undefined }], "NO_CLOCK"],
    ["its clock lacks its own cortex", [{ ...next, vclock: { [BETA]: 1 } }], "INVALID_VCLOCK"],
    ["a counter is 0", [{ ...next, vclock: { [ALPHA]: 2, [BETA]: 0 } }], "INVALID_VCLOCK"],
    ["a counter is not whole", [{ ...next, vclock: { [ALPHA]: 1.5 } }], "INVALID_VCLOCK"],
    ["it has no id", [{ ...next, id: undefined }], "INVALID_ID"],
    ["it has no timestamp", [{ ...next, timestamp: undefined }], "INVALID_TIMESTAMP"],
    ["it has an unknown field", [{ ...next, extra: 1 }], "UNKNOWN_FIELD"],
    ["its data is too large", [{ ...next, data: "x".repeat(2 ** 20) }], "DATA_TOO_LARGE"],
    ["the page is no array", { 0: next, length: 1 }, "INVALID_EVENT"],
    ["the page has a hole", Object.assign(new Array(2), [next]), "INVALID_EVENT"],
    ["it is null", [null], "INVALID_EVENT"],
  ];

  test.each(refused)(
    "refused, %s: nothing changes, also if the transaction commits",
    async (_, page, code, more) => {
      const { db } = await open(driver);
      await take(db, [held]);
      const before = await everything(db);
      // Behind an event that is fine.
      const fine = foreign(cortexId(5), 1);
      const behind = Array.isArray(page) ? [fine, ...Array.from(page)] : page;
      const error = await transaction(db, (tx) => errorInside(() => accept(tx, behind as Event[])));
      expect(error).toMatchObject({ code, ...more });
      expect(await everything(db)).toEqual(before);
      expect(await clock(db)).toEqual({ [ALPHA]: 1 });
      expect(outcomes(await take(db, [fine, next]))).toEqual(["stored", "stored"]);
    },
  );

  test("what would be the log's 256th cortex is refused, so that the log's own can still write", async () => {
    const { db } = await open(driver);
    const others = Array.from({ length: 256 }, () => foreign(makeId(), 1));
    const error = await errorOf(() => take(db, others));
    expect(error).toMatchObject({ code: "TOO_MANY_CORTEXES", cortexId: others[255]!.cortexId });
    expect(await everything(db)).toEqual([]);
    await take(db, others.slice(0, 255));
    const cortex = openCortex<Action>({ id: ALPHA, origin: "own" });
    const own = await transaction(db, (tx) => cortex.append(tx, { action: "update", traceId: "t" }));
    expect(Object.keys(own.vclock!)).toHaveLength(256);
  });

  test("outside a transaction it is refused before any SQL", async () => {
    const { db, statements } = await open(driver);
    expect(thrownBy(() => accept(db as never, []))).toMatchObject({ code: "NOT_A_TRANSACTION" });
    expect(statements).toEqual([]);
  });
});

/** What a step inside a transaction throws or rejects with: the caller who swallows it, and commits. */
function errorInside(run: () => unknown): unknown {
  try {
    const pending = run();
    return pending instanceof Promise
      ? pending.then(
          () => undefined,
          (error) => error,
        )
      : undefined;
  } catch (error) {
    return error;
  }
}

describe.each(DRIVERS)("missing on %s", (driver) => {
  test("an event without a clock stays where it is, and stands in the way of none", async () => {
    const { db, write } = await openNode(0, driver);
    await transaction(db, (tx) => append(tx, event({ cortexId: cortexId(7) })));
    await write("a");
    await transaction(db, (tx) => append(tx, event({ cortexId: cortexId(0) })));
    await write("b");
    expect(await clock(db)).toEqual({ [cortexId(0)]: 2 });
    expect((await missing(db, {})).map(({ traceId }) => traceId)).toEqual(["a", "b"]);
    const { db: other } = await open("better-sqlite3");
    expect(await pull(other, databasePeer(db))).toMatchObject({ stored: 2, total: 2, refused: [] });
  });

  test("to a log that knows more than this one, nothing is missing", async () => {
    const { db, write } = await openNode(0, driver);
    await write("a");
    const far = Number.MAX_SAFE_INTEGER;
    expect(await missing(db, { [cortexId(0)]: 1 })).toEqual([]);
    expect(await missing(db, { [cortexId(0)]: far, [cortexId(1)]: far })).toEqual([]);
    expect(await missing(db, { [cortexId(0)]: 0 }, { limit: far })).toHaveLength(1);
  });

  test("a page ends by size too, and always holds an event", async () => {
    const { db } = await open(driver);
    const data = "x".repeat(2 ** 20 - 2);
    for (let i = 0; i < 40; i += 10) {
      await take(
        db,
        Array.from({ length: 10 }, (_, j) => foreign(ALPHA, i + j + 1, { data })),
      );
    }
    const page = await missing(db, {});
    expect(page.length).toBeGreaterThanOrEqual(16);
    expect(page.length).toBeLessThanOrEqual(17);
    const { db: other } = await open(driver);
    const progress: PullReport[] = [];
    await pull(other, databasePeer(db), { onProgress: (now) => progress.push(now) });
    expect(progress.map(({ stored }) => stored)).toEqual([page.length, 2 * page.length, 40]);
    expect(await contents(other)).toEqual(await contents(db));
  });

  test.each([
    [null, "INVALID_VCLOCK"],
    [[], "INVALID_VCLOCK"],
    [new Map(), "INVALID_VCLOCK"],
    [{ x: 1 }, "INVALID_VCLOCK"],
    [JSON.parse('{"__proto__":1}'), "INVALID_VCLOCK"],
    [{ [ALPHA]: -1 }, "INVALID_VCLOCK"],
    [{ [ALPHA]: "1" }, "INVALID_VCLOCK"],
    [{ [ALPHA]: 2 ** 53 }, "INVALID_VCLOCK"],
  ])("the clock %j is refused before any SQL", async (known, code) => {
    const { db, statements } = await open(driver);
    expect(thrownBy(() => missing(db, known as VectorClock))).toMatchObject({ code });
    expect(statements).toEqual([]);
  });

  test.each([0, -1, 1.5, "5", null])("a limit of %j is refused", async (limit) => {
    const { db } = await open(driver);
    expect(thrownBy(() => missing(db, {}, { limit: limit as number }))).toMatchObject({
      code: "INVALID_LIMIT",
    });
  });

  test("it and clock seek in the index of cortex and counter, and scan no events", async () => {
    const { db, client, statements } = await open(driver);
    await take(db, [foreign(ALPHA, 1), foreign(ALPHA, 2), foreign(BETA, 1)]);
    statements.length = 0;
    await missing(db, {});
    const plans = [];
    for (const { sql, params } of [...statements]) {
      const query = `explain query plan ${sql}`;
      const rows =
        "prepare" in client
          ? (client as any).prepare(query).all(...params)
          : (await client.execute({ sql: query, args: params as string[] })).rows;
      plans.push(rows.map(({ detail }: any) => String(detail)));
    }
    expect(plans).toHaveLength(2);
    for (const plan of plans)
      expect(plan.filter((line: string) => /^SCAN (events|e|lacked)\b/.test(line))).toEqual([]);
    const [ofClock, ofMissing] = plans as [string[], string[]];
    const searches = ofClock.filter((line) => line.startsWith("SEARCH"));
    expect(searches).toHaveLength(3);
    for (const line of searches) {
      expect(line).toMatch(/^SEARCH events USING COVERING INDEX events_cortex_id_counter_unique/);
    }
    expect(
      ofMissing.some((line) => /^SEARCH lacked USING .*events_cortex_id_counter_unique/.test(line)),
    ).toBe(true);
  });
});

test("the clock costs two index entries a cortex, however long the log", () => {
  const { db, client } = openSqlite();
  const add = (id: string, from: number, to: number) =>
    db.transaction((tx) =>
      append(
        tx,
        Array.from({ length: to - from + 1 }, (_, i) => event({ cortexId: id, vclock: { [id]: from + i } })),
      ),
    );
  add(ALPHA, 1, 10);
  add(BETA, 1, 10);
  const steps = () => {
    const start = process.hrtime.bigint();
    for (let i = 0; i < 200; i++) clock(db);
    return Number(process.hrtime.bigint() - start);
  };
  steps();
  const short = Math.min(steps(), steps(), steps());
  add(ALPHA, 11, 40_000);
  client.exec("analyze");
  const long = Math.min(steps(), steps(), steps());
  expect(clock(db)).toEqual({ [ALPHA]: 40_000, [BETA]: 10 });
  // A scan of 40,000 entries would take hundreds of times as long.
  expect(long / short).toBeLessThan(10);
});

const directory = mkdtempSync(join(tmpdir(), "federation-test-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

// A file: in memory libsql has one connection, and refuses to read beside a transaction.
async function openFile() {
  const db = await openWriter(`file:${join(directory, `${makeId()}.db`)}`);
  await migrateEvents(db);
  return db;
}

describe("pull", () => {
  test.each(DRIVERS.flatMap((to) => DRIVERS.map((from) => [to, from] as const)))(
    "into %s from %s, the logs end equal",
    async (to, from) => {
      const source = await openNode(0, from);
      const target = await openNode(1, to);
      for (let i = 0; i < 5; i++) await source.write("a", "b");
      await target.write("a");
      const report = await pull(target.db, databasePeer(source.db), { limit: 3 });
      expect(report).toEqual({ stored: 10, duplicates: 0, total: 10, refused: [] });
      await pull(source.db, databasePeer(target.db));
      expect(await contents(source.db)).toEqual(await contents(target.db));
      expect(await pull(target.db, databasePeer(source.db))).toMatchObject({ stored: 0, total: 0 });
    },
  );

  test("onProgress tells what has been stored after each page, of how many", async () => {
    const [source, target] = [await openNode(0), await openNode(1)];
    await source.write("a", "b", "c", "d", "e");
    const progress: PullReport[] = [];
    const report = await pull(target.db, databasePeer(source.db), {
      limit: 2,
      onProgress: (now) => progress.push(now),
    });
    const expected = [2, 4, 5].map((stored) => ({ stored, duplicates: 0, refused: [], total: 5 }));
    expect(progress).toEqual(expected);
    expect(report).toEqual(expected[2]);
  });

  test("aborted after any page it keeps what it has, and the next pull brings the rest", async () => {
    for (let pages = 0; pages <= 6; pages++) {
      const [source, target] = [await openNode(0), await openNode(1)];
      for (let i = 0; i < 5; i++) await source.write("a", "b");
      const stop = new AbortController();
      let count = 0;
      if (pages === 0) stop.abort();
      const onProgress = () => ++count === pages && stop.abort();
      const first = await errorOf(() =>
        pull(target.db, databasePeer(source.db), { limit: 2, signal: stop.signal, onProgress }),
      );
      expect(first).toBe(pages <= 5 ? stop.signal.reason : undefined);
      expect(await everything(target.db)).toHaveLength(Math.min(10, pages * 2));
      const rest = await pull(target.db, databasePeer(source.db), { limit: 3 });
      expect(rest).toMatchObject({ stored: Math.max(0, 10 - pages * 2), refused: [] });
      expect(await contents(target.db)).toEqual(await contents(source.db));
    }
  });

  test("what both sides write while it runs is kept, and comes with this pull or the next", async () => {
    const [source, target] = [await openNode(0), await openNode(1)];
    await source.write("a", "b", "c");
    const peer = databasePeer(source.db);
    let pages = 0;
    const report = await pull(
      target.db,
      {
        ...peer,
        async missing(known, limit, signal) {
          const page = await peer.missing(known, limit, signal);
          pages++;
          await source.write("late");
          await target.write("own");
          return page;
        },
      },
      { limit: 2 },
    );
    expect(report).toMatchObject({ total: 3, refused: [] });
    await pull(target.db, peer);
    await pull(source.db, databasePeer(target.db));
    expect(await contents(target.db)).toEqual(await contents(source.db));
    expect(await clock(target.db)).toEqual({ [cortexId(0)]: 3 + pages, [cortexId(1)]: pages });
  });

  test("an event goes from node to node without its cortex being there", async () => {
    const [a, b, c] = [await openNode(0), await openNode(1), await openNode(2)];
    await a.write("t");
    await pull(b.db, databasePeer(a.db));
    await b.write("t");
    await pull(c.db, databasePeer(b.db));
    expect(await clock(c.db)).toEqual({ [cortexId(0)]: 1, [cortexId(1)]: 1 });
    // The older event comes after a newer one, behind every cursor by id.
    await a.write("t");
    await pull(c.db, databasePeer(a.db));
    expect(await clock(c.db)).toEqual({ [cortexId(0)]: 2, [cortexId(1)]: 1 });
  });

  test("a log that lost its latest events gets its own back, and counts on from there", async () => {
    const [a, b] = [await openNode(0), await openNode(1)];
    await a.write("t", "t", "t");
    await pull(b.db, databasePeer(a.db));
    const restored = await openNode(0);
    await pull(restored.db, databasePeer(b.db));
    const [next] = await restored.write("t");
    expect(next!.vclock).toEqual({ [cortexId(0)]: 4 });
    expect(await pull(b.db, databasePeer(restored.db))).toMatchObject({ stored: 1, refused: [] });
  });

  test("it works on tables of other names, on either side", async () => {
    const table = createEventsTable("notes_log");
    const [source, target] = [openSqlite(), openSqlite()];
    for (const { db } of [source, target]) migrateEvents(db, { table });
    const cortex = openCortex({ id: ALPHA, origin: "alpha", table });
    source.db.transaction((tx) => cortex.append(tx, { action: "create", traceId: "t" }));
    source.db.transaction((tx) => append(tx, event({ vclock: { [ALPHA]: 1 } })));
    const report = await pull(target.db, databasePeer(source.db, { table }), { table });
    expect(report).toMatchObject({ stored: 1, total: 1 });
    expect(feed(target.db, { table })).toHaveLength(1);
    expect(feed(target.db)).toEqual([]);
    expect(clock(target.db, { table })).toEqual({ [ALPHA]: 1 });
    expect(missing(target.db, {}, { table })[0]!.action).toBe("create");
  });

  test("through writeTransaction, pulls from several peers and local writes go on side by side", async () => {
    const db = await openFile();
    const peers = await Promise.all([1, 2, 3].map((i) => openNode(i)));
    for (const { write } of peers) for (let i = 0; i < 5; i++) await write("a", "b");
    const own = openCortex<Action>({ id: cortexId(0), origin: "own" });
    const options = {
      limit: 3,
      transaction: (work: (tx: any) => any) => writeTransaction(db, async (tx) => work(tx)),
    };
    const reports = await Promise.all([
      ...peers.map((peer) => pull(db, databasePeer(peer.db), options)),
      ...[1, 2, 3].map(() =>
        writeTransaction(db, (tx) => own.append(tx, { action: "update", traceId: "a" })),
      ),
    ]);
    expect(reports.slice(0, 3)).toEqual(
      peers.map(() => ({ stored: 10, duplicates: 0, total: 10, refused: [] })),
    );
    expect(Object.values(await clock(db)).sort()).toEqual([10, 10, 10, 3].sort());
    expectCausal(await feed(db), {});
    db.$client.close();
  });

  test("the same pull twice at once stores each event once", async () => {
    const db = await openFile();
    const peer = await openNode(1);
    for (let i = 0; i < 10; i++) await peer.write("a");
    const transaction = (work: (tx: any) => any) => writeTransaction(db, async (tx) => work(tx));
    const reports = await Promise.all(
      [1, 2].map(() => pull(db, databasePeer(peer.db), { limit: 3, transaction })),
    );
    expect(reports.map(({ refused }) => refused)).toEqual([[], []]);
    expect(reports[0]!.stored + reports[1]!.stored).toBe(10);
    expect(await feed(db)).toHaveLength(10);
    db.$client.close();
  });

  test("a timer gets its turn between the pages, so that a timeout can end a long pull", async () => {
    const [source, target] = [await openNode(0), await openNode(1)];
    for (let i = 0; i < 20; i++) await source.write("a", "b", "c", "d", "e");
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    await pull(target.db, databasePeer(source.db), { limit: 1 });
    clearInterval(timer);
    expect(turns).toBeGreaterThan(10);
  });

  test("what the peer throws comes through, with what was accepted before kept", async () => {
    const [source, target] = [await openNode(0), await openNode(1)];
    await source.write("a", "b", "c");
    const peer = databasePeer(source.db);
    const broken = new Error("the line broke");
    let pages = 0;
    const missing = (known: VectorClock, limit: number) => {
      if (pages++ === 1) throw broken;
      return peer.missing(known, limit);
    };
    const error = await errorOf(() => pull(target.db, { ...peer, missing }, { limit: 2 }));
    expect(error).toBe(broken);
    expect(await everything(target.db)).toHaveLength(2);
  });

  test("a limit that is none is refused before anything is asked", async () => {
    const { db } = await openNode(0);
    const asked = () => expect.fail("asked");
    const peer = { frontier: asked, hashAt: asked, missing: asked };
    expect(await errorOf(() => pull(db, peer, { limit: 0 }))).toMatchObject({ code: "INVALID_LIMIT" });
  });
});

test("cortexes that go on from the same log at the same moment make events of different ids", async () => {
  // The first one's clock is ahead, so that all must count up from its id.
  const now = Date.now();
  const nodes = [60_000, 0, 0, 0].map((ahead, i) => ({
    db: openSqlite().db,
    cortex: openCortex<Action>({ id: cortexId(i), origin: `node ${i}`, now: () => now + ahead }),
  }));
  const append = ({ db, cortex }: (typeof nodes)[0]) =>
    db.transaction((tx) => cortex.append(tx, { action: "update", traceId: "t" })).id;
  const made = [append(nodes[0]!)];
  for (const { db } of nodes.slice(1)) await pull(db, databasePeer(nodes[0]!.db));
  for (const node of nodes) made.push(append(node), append(node));
  expect(new Set(made).size).toBe(9);
  for (const id of made.slice(1)) expect(id > made[0]!).toBe(true);
});

test("an event's clock is stored as text that any log would store", () => {
  const { db } = openSqlite();
  const page = [foreign(BETA, 1), foreign(ALPHA, 1, { vclock: { [BETA]: 1 } })];
  db.transaction((tx) => accept(tx, page));
  const texts = db.values<[string]>(sql`select vclock from events order by seq`).flat();
  expect(texts).toEqual([`{"${BETA}":1}`, `{"${ALPHA}":1,"${BETA}":1}`]);
});
