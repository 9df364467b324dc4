import {
  append,
  clock,
  createEventsTable,
  divergences,
  type Event,
  feed,
  forTrace,
  heads,
  newULID,
  openCortex,
  type StoredEvent,
} from "drizzle-event-log";
import { accept, databasePeer, missing, pull } from "drizzle-event-log/federation";
import { migrateEvents } from "drizzle-event-log/migrations";
import { sql } from "drizzle-orm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ALPHA, errorOf, event, ids, openLibsql, openSqlite, seeded } from "./fixture.js";
import { chained } from "./independent-proof.js";

const CORTEXES = ["A", "B", "C"].map((letter) => `01BX5ZZKBKACTAV9WEVGEMMVS${letter}`);
const TRACES = ["trace-1", "trace-2", "trace-10", "Ünï", "constructor"];

const at = fc.nat(CORTEXES.length - 1);
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      at,
      // In one batch a trace may come twice.
      traces: fc.array(fc.constantFrom(...TRACES), { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("pull" as const), at, from: at, pages: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("clock" as const), at, skew: fc.nat(1_000_000) }) },
);
const history = fc.array(step, { maxLength: 40, size: "max" });

type Log = ReturnType<typeof openSqlite>["db"];

/** Several cortexes that write, exchange pages and have their clocks moved; and who knew what when it wrote. */
async function live(steps: readonly (typeof step extends fc.Arbitrary<infer Step> ? Step : never)[]) {
  const random = seeded(1);
  const skews = CORTEXES.map(() => 0);
  const nodes = CORTEXES.map((id, i) => {
    const now = () => Date.UTC(2026, 0) + skews[i]!;
    const cortex = openCortex({ id, origin: "node", now, randomness: random, maxDrift: 1000 });
    return { cortex, db: openSqlite().db, knows: new Set<string>() };
  });
  const causes = new Map<string, ReadonlySet<string>>();
  for (const one of steps) {
    const { cortex, db, knows } = nodes[one.at]!;
    if (one.do === "clock") skews[one.at] = one.skew;
    else if (one.do === "append") {
      const mutations = one.traces.map((traceId) => ({ action: "update" as const, traceId }));
      for (const { id } of db.transaction((tx) => cortex.append(tx, mutations))) {
        causes.set(id, new Set(knows));
        knows.add(id);
      }
    } else {
      // A few small pages, and then the connection is lost.
      let pages = 0;
      const stop = new AbortController();
      const onProgress = () => pages++ === one.pages && stop.abort();
      const options = { limit: 2, signal: stop.signal, onProgress };
      const error = await errorOf(async () => {
        const { refused } = await pull(db, databasePeer(nodes[one.from]!.db), options);
        expect(refused).toEqual([]);
      });
      if (error !== undefined && error !== stop.signal.reason) throw error;
      for (const { id } of allOf(db)) knows.add(id);
    }
  }
  return { nodes, causes };
}

const allOf = (db: Log) => feed(db, { limit: 100_000 });

/** Of each trace, the events that no other event of it had known, in the order of their ids. */
function naiveHeads(log: readonly StoredEvent[], causes: ReadonlyMap<string, ReadonlySet<string>>) {
  const found = new Map<string, string[]>();
  for (const traceId of new Set(log.map((event) => event.traceId))) {
    const events = log.filter((event) => event.traceId === traceId);
    const latest = events.filter(({ id }) => !events.some((other) => causes.get(other.id)!.has(id)));
    found.set(traceId, ids(latest).sort());
  }
  return found;
}

function divergedOf(naive: ReadonlyMap<string, readonly string[]>) {
  const several = [...naive].filter(([, heads]) => heads.length > 1);
  // By the bytes of UTF-8, as SQLite does.
  return several.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

const summary = (list: ReturnType<typeof divergences<Log>>) =>
  list.map(({ traceId, heads }) => [traceId, ids(heads)]);

describe("random histories of three cortexes", () => {
  test("heads are the events of the trace that no other event of it had known", async () => {
    let diverged = 0;
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        const { nodes, causes } = await live(steps);
        for (const { db } of nodes) {
          const naive = naiveHeads(allOf(db), causes);
          diverged += divergedOf(naive).length;
          for (const traceId of TRACES) expect(ids(heads(db, traceId))).toEqual(naive.get(traceId) ?? []);
        }
      }),
    );
    expect(diverged).toBeGreaterThan(20);
  });

  test("divergences are the traces with several heads, in pages of any size", async () => {
    let found = 0;
    await fc.assert(
      fc.asyncProperty(history, fc.integer({ min: 1, max: 4 }), async (steps, limit) => {
        const { nodes, causes } = await live(steps);
        for (const { db } of nodes) {
          const expected = divergedOf(naiveHeads(allOf(db), causes));
          found += expected.length;
          expect(summary(divergences(db))).toEqual(expected);
          const paged: typeof expected = [];
          for (let after = ""; ; after = paged.at(-1)![0]) {
            const page = summary(divergences(db, { after, limit })) as typeof expected;
            expect(page.length).toBeLessThanOrEqual(limit);
            paged.push(...page);
            if (page.length < limit) break;
          }
          expect(paged).toEqual(expected);
        }
      }),
    );
    expect(found).toBeGreaterThan(20);
  });

  test("in whatever causal order the events come into a log, by append or accept, it sees the same", async () => {
    const shuffled = history.chain((steps) =>
      fc.tuple(fc.constant(steps), fc.infiniteStream(fc.nat()), fc.boolean()),
    );
    await fc.assert(
      fc.asyncProperty(shuffled, async ([steps, random, accepts]) => {
        const { nodes, causes } = await live(steps);
        const log = allOf(nodes[0]!.db);
        const rest = missing(nodes[0]!.db, {}, { limit: 100_000 });
        const { db } = openSqlite();
        while (rest.length > 0) {
          const known = clock(db);
          const ready = rest.filter(({ cortexId, vclock }) =>
            Object.entries(vclock!).every(([id, n]) => n <= (known[id] ?? 0) + (id === cortexId ? 1 : 0)),
          );
          const next = ready[random.next().value % ready.length]!;
          const { proof: _, ...own } = next;
          db.transaction((tx): unknown => (accepts ? accept(tx, [next]) : append(tx, own)));
          rest.splice(rest.indexOf(next), 1);
        }
        const naive = naiveHeads(log, causes);
        expect(summary(divergences(db))).toEqual(divergedOf(naive));
        for (const traceId of TRACES) expect(ids(heads(db, traceId))).toEqual(naive.get(traceId) ?? []);
      }),
    );
  });

  test("an append by a log that holds all heads leaves one, itself", async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.integer({ min: 0, max: 2 }), async (steps, who) => {
        const { nodes } = await live(steps);
        const { db, cortex } = nodes[who]!;
        for (const { traceId } of divergences(db)) {
          const merged = db.transaction((tx) => cortex.append(tx, { action: "update", traceId }));
          expect(heads(db, traceId)).toEqual([merged]);
        }
        expect(divergences(db)).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });
});

/** Two cortexes that changed `traceId` without knowing of each other, and the log that holds both. */
const [ONE, OTHER] = CORTEXES as [string, string];
const concurrent = (traceId: string, counter = 1) => [
  event({ traceId, cortexId: ONE, vclock: { [ONE]: counter } }),
  event({ traceId, cortexId: OTHER, vclock: { [OTHER]: counter } }),
];

describe.each(["libsql", "better-sqlite3"])("on %s", (driver) => {
  const open = async () => {
    const opened = driver === "libsql" ? await openLibsql() : openSqlite();
    return opened as Awaited<ReturnType<typeof openLibsql>>;
  };

  test("an unknown trace has no heads, and an empty log no divergences", async () => {
    const { db } = await open();
    expect(await heads(db, "none")).toEqual([]);
    expect(await divergences(db)).toEqual([]);
  });

  test("two concurrent events diverge; one whose clock covers both resolves it", async () => {
    const { db } = await open();
    const both = await db.transaction((tx) => append(tx, concurrent("trace")));
    expect(await divergences(db)).toEqual([{ traceId: "trace", heads: both }]);
    const half = event({ vclock: { [ALPHA]: 1, [ONE]: 1 } });
    const third = await db.transaction((tx) => append(tx, half));
    expect(await heads(db, "trace")).toEqual([both[1], third]);
    const cover = event({ vclock: { [ALPHA]: 2, [ONE]: 1, [OTHER]: 1 } });
    const merged = await db.transaction((tx) => append(tx, cover));
    expect(await heads(db, "trace")).toEqual([merged]);
    expect(await divergences(db)).toEqual([]);
  });

  test("an event without a clock is no head and ends no divergence", async () => {
    const { db } = await open();
    const both = await db.transaction((tx) => append(tx, concurrent("trace")));
    await db.transaction((tx) => append(tx, [event(), event({ traceId: "local" })]));
    expect(await divergences(db)).toEqual([{ traceId: "trace", heads: both }]);
    expect(await heads(db, "local")).toEqual([]);
  });

  test("an uncommitted divergence is seen inside its transaction, and not after a rollback", async () => {
    const { db } = await open();
    const seen: number[] = [];
    const error = await errorOf(() =>
      db.transaction((tx): any => {
        const count = () => {
          const list = divergences(tx) as unknown as unknown[] | Promise<unknown[]>;
          if (list instanceof Promise) {
            return list.then((all) => {
              seen.push(all.length);
              throw new Error("undo");
            });
          }
          seen.push(list.length);
          throw new Error("undo");
        };
        const appended = append(tx, concurrent("trace")) as unknown;
        return appended instanceof Promise ? appended.then(count) : count();
      }),
    );
    expect(error).toMatchObject({ message: "undo" });
    expect(seen).toEqual([1]);
    expect(await divergences(db)).toEqual([]);
  });

  test("another table is read, and the default one left alone", async () => {
    const { db } = await open();
    const table = createEventsTable("notes_log");
    await migrateEvents(db, { table });
    await db.transaction((tx) => append(tx, concurrent("trace"), { table }));
    expect(await divergences(db, { table })).toHaveLength(1);
    expect(await heads(db, "trace", { table })).toHaveLength(2);
    expect(await divergences(db)).toEqual([]);
  });
});

test("a follower whose id is lower, for its clock was behind, hides no change made beside it", () => {
  const time = (hours: number) => `01KDVDN${hours}00${"0".repeat(16)}`;
  const first = event({ id: time(5), cortexId: ONE, vclock: { [ONE]: 1 } });
  const behind = event({ id: time(1), cortexId: OTHER, vclock: { [ONE]: 1, [OTHER]: 1 } });
  const beside = event({ id: time(6), cortexId: ONE, vclock: { [ONE]: 2 } });
  const all = [first, behind, beside];
  const dated = all.map((event) => ({ ...event, timestamp: "2026-01-01T00:00:00Z" }) as Event);
  for (const write of [
    (db: Log) => all.map((event) => db.transaction((tx) => append(tx, event))),
    (db: Log) => chained(dated).map((event) => db.transaction((tx) => accept(tx, [event]))),
  ]) {
    const { db } = openSqlite();
    write(db);
    expect(summary(divergences(db))).toEqual([["trace", [behind.id, beside.id]]]);
  }
});

test("many merged traces before one that diverges neither hide it nor nest too deep", () => {
  const { db } = openSqlite();
  const size = 20_000;
  const name = (i: number) => `trace-${String(i).padStart(6, "0")}`;
  const write = (cortexId: string, from: number, known: Record<string, number>) =>
    db.transaction((tx) =>
      append(
        tx,
        Array.from({ length: size }, (_, i) =>
          event({ traceId: name(i), cortexId, vclock: { ...known, [cortexId]: from + i } }),
        ),
      ),
    );
  write(ONE, 1, {});
  write(OTHER, 1, {});
  write(ALPHA, 1, { [ONE]: size, [OTHER]: size });
  expect(divergences(db, { limit: 1 })).toEqual([]);
  db.transaction((tx) => append(tx, concurrent(name(size), size + 1)));
  expect(divergences(db, { limit: 1 }).map(({ traceId }) => traceId)).toEqual([name(size)]);
});

describe("what divergences reads", () => {
  const marked = (db: Log) =>
    db.values<[string]>(sql`select distinct trace_id from events where branched = 1`).flat();

  test("a trace that each change followed on from is never looked at, whoever wrote", async () => {
    const time = { now: Date.UTC(2026, 0) };
    const [one, other] = [ONE, OTHER].map((id) => ({
      cortex: openCortex({ id, origin: "node", now: () => time.now }),
      db: openSqlite().db,
    })) as [any, any];
    for (let round = 0; round < 20; round++) {
      // Their clocks differ by up to a minute, one ahead and then the other.
      for (const [writer, reader, skew] of [
        [one, other, 60_000],
        [other, one, 0],
      ]) {
        time.now = Date.UTC(2026, 0) + round * 1000 + skew;
        const traces = TRACES.slice(0, 3).map((traceId) => ({ action: "update", traceId }));
        writer.db.transaction((tx: any) => writer.cortex.append(tx, traces));
        await pull(reader.db, databasePeer(writer.db));
      }
    }
    expect([marked(one.db), marked(other.db)]).toEqual([[], []]);
    expect(clock(one.db as Log)).toEqual({ [ONE]: 60, [OTHER]: 60 });

    one.db.transaction((tx: any) => one.cortex.append(tx, { action: "update", traceId: "trace-1" }));
    other.db.transaction((tx: any) => other.cortex.append(tx, { action: "update", traceId: "trace-1" }));
    await pull(one.db, databasePeer(other.db));
    expect(marked(one.db)).toEqual(["trace-1"]);
  });

  test("the histories it reads are those of marked traces alone", () => {
    const { db, statements } = openSqlite();
    const traces = Array.from({ length: 500 }, (_, i) => `calm-${i}`);
    const calm = traces.map((traceId, i) => event({ traceId, vclock: { [ALPHA]: i + 1 } }));
    db.transaction((tx) => append(tx, [...calm, ...concurrent("branched")]));
    statements.length = 0;
    expect(divergences(db)).toHaveLength(1);
    const read = statements.flatMap(({ params }) => params).filter((param) => typeof param === "string");
    expect(read.filter((param) => param.includes("branched")).length).toBeGreaterThan(0);
    expect(read.filter((param) => param.includes("calm"))).toEqual([]);
  });

  test("it stops at its limit: what it reads does not grow with the traces after that", () => {
    const { db, statements } = openSqlite();
    const both = (_: unknown, i: number) => concurrent(`trace-${String(i).padStart(4, "0")}`, i + 1);
    db.transaction((tx) => append(tx, Array.from({ length: 300 }, both).flat()));
    const asked = (limit: number) => {
      statements.length = 0;
      expect(divergences(db, { limit })).toHaveLength(Math.min(limit, 300));
      return new Set(statements.flatMap(({ params }) => JSON.stringify(params).match(/trace-\d+/g) ?? []))
        .size;
    };
    expect([asked(1), asked(10), asked(60)].map((n, i) => n <= [1, 10, 100][i]!)).toEqual([true, true, true]);
    expect(asked(1000)).toBe(300);
  });

  test("histories of any length are read in pieces of 500 clocks at most, each event once", async () => {
    const { db, statements } = openSqlite();
    const size = 1200;
    const later = (counter: number) => ({ [ONE]: 1, [OTHER]: 1, [ALPHA]: counter });
    const long = Array.from({ length: size }, (_, i) => event({ traceId: "long", vclock: later(i + 1) }));
    db.transaction((tx) => append(tx, [...concurrent("long"), ...concurrent("short", 2)]));
    db.transaction((tx) => append(tx, long));
    statements.length = 0;
    expect(divergences(db).map(({ traceId }) => traceId)).toEqual(["short"]);
    const limits = statements.filter(({ sql }) => sql.includes("json(vclock)")).map(({ params }) => params);
    let read = 0;
    for (const params of limits) {
      const places = JSON.parse(params.find((param) => String(param).startsWith("[["))! as string);
      const limit = params.find((param) => typeof param === "number") as number;
      expect(places.length * limit).toBeLessThanOrEqual(500);
      read += limit;
    }
    expect(read).toBeLessThan(size + 2 + 2 * 500);
    expect(ids(heads(db, "long"))).toEqual([forTrace(db, "long").at(-1)!.id]);
  });

  test("a history of many heads lets others have a turn on an asynchronous driver", async () => {
    const { db } = await openLibsql();
    const cortexIds = Array.from({ length: 250 }, () => newULID());
    for (const counter of [1, 2, 3, 4, 5, 6]) {
      const round = cortexIds.map((cortexId) => event({ cortexId, vclock: { [cortexId]: counter } }));
      await db.transaction((tx) => append(tx, round));
    }
    let turns = 0;
    let running = true;
    const count = () => {
      turns++;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    expect(await heads(db, "trace")).toHaveLength(250);
    running = false;
    expect(turns).toBeGreaterThanOrEqual(3);
  });

  test("it looks for marks in their own index, for histories in the trace's, and scans nothing", () => {
    const { client, db, statements } = openSqlite();
    db.transaction((tx) => append(tx, concurrent("trace")));
    statements.length = 0;
    divergences(db);
    const [candidates, ...others] = statements.map(({ sql, params }) =>
      client
        .prepare<unknown[], { detail: string }>(`explain query plan ${sql}`)
        .all(...params)
        .map(({ detail }) => detail),
    );
    expect(candidates).toEqual(["SEARCH events USING COVERING INDEX events_branched_index (trace_id>?)"]);
    expect(others.length).toBeGreaterThan(0);
    for (const plan of others) {
      expect(plan.filter((line) => /^SCAN events/.test(line))).toEqual([]);
      expect(plan.some((line) => /events_(trace_id_id_index|id_unique)/.test(line))).toBe(true);
    }
    expect(others.flat().some((line) => line.includes("events_trace_id_id_index"))).toBe(true);
  });
});

describe("bad input", () => {
  test.each([0, -1, 1.5, "1", null])("a limit of %j is refused", async (limit) => {
    const { db } = openSqlite();
    expect(await errorOf(() => divergences(db, { limit: limit as number }))).toMatchObject({
      code: "INVALID_LIMIT",
    });
  });

  test("a cursor or trace that can be none is refused", async () => {
    const { db } = openSqlite();
    expect(await errorOf(() => divergences(db, { after: "x".repeat(256) }))).toMatchObject({
      code: "INVALID_CURSOR",
    });
    expect(await errorOf(() => heads(db, ""))).toMatchObject({ code: "INVALID_TRACE_ID" });
  });
});
