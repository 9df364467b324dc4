import { type Client, createClient } from "@libsql/client";
import {
  type Cortex,
  type CortexOptions,
  DeadlineError,
  divergences,
  feed,
  type Mutation,
  openCortex,
  type StoredEvent,
} from "drizzle-event-log";
import { migrateEvents } from "drizzle-event-log/migrations";
import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/libsql";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { afterEach, describe, expect, expectTypeOf, test, vi } from "vitest";
import { ALPHA, BETA, errorOf, inputErrorOf, openSqlite, seeded } from "./fixture.js";
import { type Fault, faultyClient, type Plan } from "./stress/faulty-client.js";

vi.mock("../src/real-time.js", () => import("./fakeable-time.js"));

const NOW = Date.UTC(2026, 0, 1);
const notes = sqliteTable("notes", { id: integer("id").primaryKey(), text: text("text").notNull() });

const mutation = (over: Partial<Mutation> | Record<string, unknown> = {}): Mutation =>
  ({ action: "update", traceId: "trace", ...over }) as Mutation;

/** The client, but that `before` is run before each of its batches. */
function watched(client: Client, before: (call: number) => unknown): Client {
  let calls = 0;
  return new Proxy(client, {
    get(_, key) {
      if (key === "batch") {
        return async (...args: Parameters<Client["batch"]>) => {
          await before(++calls);
          return client.batch(...args);
        };
      }
      const value = Reflect.get(client, key, client);
      return typeof value === "function" ? value.bind(client) : value;
    },
  });
}

async function opened(options: Partial<CortexOptions> = {}) {
  const client = createClient({ url: ":memory:" });
  const db = drizzle({ client });
  await migrateEvents(db);
  await db.run("create table notes (id integer primary key, text text not null check (text <> 'bad'))");
  const cortex = openCortex({ id: ALPHA, origin: "alpha", now: () => NOW, ...options });
  const note = (text = "note") => db.insert(notes).values({ text });
  const countNotes = async () => (await db.select().from(notes)).length;
  return { client, db, cortex, note, countNotes };
}

const everything = (db: Parameters<typeof feed>[0]) => feed(db, { limit: 10_000 });
const counters = (list: readonly StoredEvent[]) => list.map(({ vclock }) => vclock?.[ALPHA]);

describe("an answer", () => {
  test("to one mutation is its event as stored, and what the queries answered, in their order", async () => {
    const { db, cortex, countNotes } = await opened();
    const queries = [
      db.insert(notes).values({ text: "a" }).returning(),
      db.select({ n: sql<number>`count(*)` }).from(notes),
    ] as const;
    const answer = await cortex.batch(db, mutation({ data: { a: 1 } }), queries);
    expectTypeOf(answer.event).toEqualTypeOf<StoredEvent>();
    expectTypeOf(answer.results!).toEqualTypeOf<[{ id: number; text: string }[], { n: number }[]]>();
    expect(answer.results).toEqual([[{ id: 1, text: "a" }], [{ n: 1 }]]);
    expect(await everything(db)).toEqual([answer.event]);
    expect(answer.event).toMatchObject({ seq: 1, data: { a: 1 }, vclock: { [ALPHA]: 1 } });
    expect(await countNotes()).toBe(1);
  });

  test("to several is their events, with contiguous seqs in the order given", async () => {
    const { db, cortex } = await opened();
    await cortex.batch(db, mutation());
    const { events, results } = await cortex.batch(
      db,
      ["x", "y", "z"].map((traceId) => mutation({ traceId })),
    );
    expectTypeOf(events).toEqualTypeOf<StoredEvent[]>();
    expectTypeOf(results!).toEqualTypeOf<[]>();
    expect(results).toEqual([]);
    expect(events.map(({ seq, traceId }) => [seq, traceId])).toEqual([
      [2, "x"],
      [3, "y"],
      [4, "z"],
    ]);
    expect((await everything(db)).slice(1)).toEqual(events);
    expect(counters(events)).toEqual([2, 3, 4]);
  });

  test("to none is none, and nothing is run", async () => {
    const { db, cortex, note, countNotes } = await opened();
    expect(await cortex.batch(db, [], [note()])).toEqual({ events: [], results: undefined });
    expect(await countNotes()).toBe(0);
  });
});

test("a function makes the queries from the events that are to be stored", async () => {
  const { db, cortex } = await opened();
  const { events, results } = await cortex.batch(db, [mutation(), mutation()], (events) => [
    db
      .insert(notes)
      .values(events.map(({ id }) => ({ text: id })))
      .returning(),
  ]);
  expect(results![0]!.map(({ text }) => text)).toEqual(events.map(({ id }) => id));
});

test("the queries see the log with the events", async () => {
  const { db, cortex } = await opened();
  const { event, results } = await cortex.batch(db, mutation(), [
    db.select({ seq: sql<number>`max(seq)` }).from(sql`events`),
  ]);
  expect(results).toEqual([[{ seq: event.seq }]]);
});

test("a batch that is longer than a parameter may be is stored whole", async () => {
  const { db, cortex, note } = await opened();
  const many = Array.from({ length: 300 }, (_, i) => mutation({ data: { i, text: "ü".repeat(4000) } }));
  const { events, results } = await cortex.batch(db, many, [note()]);
  expect(events.map(({ seq }) => seq)).toEqual(many.map((_, i) => i + 1));
  expect(await everything(db)).toEqual(events);
  expect(results).toHaveLength(1);
});

test("what batch and append store is the same, mutation for mutation", async () => {
  const [batched, plain] = [await opened(), await opened()];
  const options = { lifecycle: true, id: ALPHA, origin: "alpha" };
  let time = NOW;
  const [one, other] = [7, 7].map((seed) =>
    openCortex({ ...options, now: () => time, randomness: seeded(seed) }),
  );
  const random = seeded(11);
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)]!;
  const codes = new Set<unknown>();
  for (let i = 0; i < 200; i++, time += 3) {
    const make = () => {
      const key = random() < 0.3 ? { idempotencyKey: `key-${Math.floor(random() * 8)}` } : {};
      const expected = random() < 0.2 ? { expect: "none" } : {};
      const action = pick(["create", "update", "archive", "trash", "recover", "purge"]);
      return mutation({ action, traceId: `trace-${Math.floor(random() * 5)}`, ...key, ...expected });
    };
    const input = random() < 0.7 ? make() : [make(), make()];
    const by = async (append: () => Promise<unknown>) => append().catch(({ name, code }) => ({ name, code }));
    const first = await by(() => plain.db.transaction((tx) => one!.append(tx, input as Mutation)));
    const second: any = await by(() => other!.batch(batched.db, input as Mutation));
    expect(second.events ?? second.event ?? second).toEqual(first);
    codes.add((first as { code?: string }).code);
  }
  expect(await everything(batched.db)).toEqual(await everything(plain.db));
  expect([...codes]).toEqual(expect.arrayContaining([undefined, "STALE_HEAD", "LIFECYCLE", "KEY_CONFLICT"]));
});

describe("where the log moves on between the look and the batch", () => {
  /** A cortex whose first `times` batches come after another writer's. */
  async function overtaken(times: number, other: Mutation = mutation({ traceId: "other" })) {
    const log = await opened();
    const rival = openCortex({ id: ALPHA, origin: "rival", now: () => NOW });
    let batches = 0;
    const client = watched(log.client, (call) => {
      batches = call;
      return call <= times ? log.db.transaction((tx) => rival.append(tx, other)) : undefined;
    });
    return { ...log, slow: drizzle({ client }), batches: () => batches };
  }

  test("it tries again: no counter is doubled, and the queries run once", async () => {
    const { db, slow, cortex, note, countNotes, batches } = await overtaken(3);
    const { event, results } = await cortex.batch(slow, mutation(), [note()]);
    expect(batches()).toBe(4);
    expect(counters(await everything(db))).toEqual([1, 2, 3, 4]);
    expect(event).toEqual((await everything(db)).at(-1));
    expect(results).toHaveLength(1);
    expect(await countNotes()).toBe(1);
  });

  test("a function of queries is called for each try, with the events of that try", async () => {
    const { db, slow, cortex } = await overtaken(2);
    const seen: string[] = [];
    const { event } = await cortex.batch(slow, mutation(), (events) => {
      seen.push(events[0]!.id);
      return [db.insert(notes).values({ text: events[0]!.id })];
    });
    expect(seen).toHaveLength(3);
    expect(await db.select().from(notes)).toEqual([{ id: 1, text: event.id }]);
  });

  test("the first event of a log, too, is tried again", async () => {
    const { db, slow, cortex } = await overtaken(1);
    await cortex.batch(slow, mutation());
    expect(counters(await everything(db))).toEqual([1, 2]);
  });

  test("an expectation is asked again", async () => {
    const { db, slow, cortex, note, countNotes } = await overtaken(1, mutation());
    const error = await errorOf(() => cortex.batch(slow, mutation({ expect: "none" }), [note()]));
    expect(error).toMatchObject({ name: "TraceError", code: "STALE_HEAD" });
    expect([(await everything(db)).length, await countNotes()]).toEqual([1, 0]);
  });

  test("a key that arrived meanwhile is the answer, and nothing is run", async () => {
    const request = mutation({ idempotencyKey: "key", data: { n: 1 } });
    const { db, slow, cortex, note, countNotes } = await overtaken(1, request);
    const { event, results } = await cortex.batch(slow, request, [note()]);
    expect(await everything(db)).toEqual([event]);
    expect([event.origin, results, await countNotes()]).toEqual(["rival", undefined, 0]);
  });

  test("at every try, it ends with a DeadlineError, also by a clock that stands still", async () => {
    for (const now of [() => NOW, Date.now]) {
      const { db, slow, note, countNotes } = await overtaken(Number.POSITIVE_INFINITY);
      const cortex = openCortex({ id: ALPHA, origin: "alpha", now });
      const error = await errorOf(() => cortex.batch(slow, mutation(), [note()], { deadline: 20 }));
      expect(error).toBeInstanceOf(DeadlineError);
      expect(error).toMatchObject({ code: "DEADLINE", deadline: 20 });
      expect((error as Error).cause).toBeInstanceOf(Error);
      expect((await everything(db)).some(({ origin }) => origin === "alpha")).toBe(false);
      expect(await countNotes()).toBe(0);
    }
  });

  test("a signal ends it with its reason", async () => {
    const { db, cortex, client } = await opened();
    const controller = new AbortController();
    const reason = new Error("no longer wanted");
    const rival = openCortex({ id: BETA, origin: "rival" });
    const slow = drizzle({
      client: watched(client, async (call) => {
        await db.transaction((tx) => rival.append(tx, mutation()));
        if (call === 2) controller.abort(reason);
      }),
    });
    expect(await errorOf(() => cortex.batch(slow, mutation(), [], { signal: controller.signal }))).toBe(
      reason,
    );
    expect((await everything(db)).map(({ origin }) => origin)).toEqual(["rival", "rival"]);
  });
});

describe("an error of the app's own queries", () => {
  test.each([
    ["a check", "insert into notes (text) values ('bad')"],
    ["a null", "insert into notes (text) values (null)"],
    ["a null in the log itself", "insert into events (id) values (null)"],
    ["a path that is none", "select json_extract('{}', 'the log')"],
    ["a table that is not there", "select * from nowhere"],
  ])("is thrown as it is, and not tried again: %s", async (_name, statement) => {
    const { client, cortex, note, countNotes } = await opened();
    let batches = 0;
    const db = drizzle({ client: watched(client, (call) => (batches = call)) });
    const own: any = await errorOf(() => db.batch([note(), db.run(statement)]));
    const error: any = await errorOf(() => cortex.batch(db, mutation(), [note(), db.run(statement)]));
    expect([error.name, error.code, error.message]).toEqual([own.name, own.code, own.message]);
    expect([batches, await countNotes(), await everything(db)]).toEqual([2, 0, []]);
  });

  test("that throws where they are made is thrown as it is", async () => {
    const { db, cortex } = await opened();
    const mistake = new Error("of the app's own");
    const make = () => {
      throw mistake;
    };
    expect(await errorOf(() => cortex.batch(db, mutation(), make))).toBe(mistake);
    expect(await everything(db)).toEqual([]);
  });
});

describe("idempotency", () => {
  const request = mutation({ idempotencyKey: "key", data: { n: 1 } });

  test("a retry is answered with the stored event, and no query runs again", async () => {
    const { db, cortex, note, countNotes } = await opened();
    const first = await cortex.batch(db, request, [note()]);
    for (const id of [ALPHA, BETA]) {
      const again = await openCortex({ id, origin: "o" }).batch(db, request, [note()]);
      expect(again).toEqual({ event: first.event, results: undefined });
    }
    expect([(await everything(db)).length, await countNotes()]).toEqual([1, 1]);
  });

  test("of a list only what is new is stored, and told to the function of queries", async () => {
    const { db, cortex } = await opened();
    const { event } = await cortex.batch(db, request);
    const told: unknown[] = [];
    const { events } = await cortex.batch(db, [request, mutation({ traceId: "new" }), request], (fresh) => {
      told.push(fresh.map(({ traceId }) => traceId));
      return [];
    });
    expect(events.map(({ seq }) => seq)).toEqual([1, 2, 1]);
    expect(events[0]).toEqual(event);
    expect(told).toEqual([["new"]]);
  });

  test("another thing under the key is a KEY_CONFLICT, and nothing is run", async () => {
    const { db, cortex, note, countNotes } = await opened();
    await cortex.batch(db, request);
    const error = await errorOf(() => cortex.batch(db, mutation({ idempotencyKey: "key" }), [note()]));
    expect(error).toMatchObject({ name: "ConflictError", code: "KEY_CONFLICT" });
    expect([(await everything(db)).length, await countNotes()]).toEqual([1, 0]);
  });

  /** Sends its first batch twice, as a transport does that has lost the first answer. */
  function sendingTwice(client: Client, between: () => unknown): Client {
    let isFirst = true;
    return new Proxy(client, {
      get(_, key) {
        const value = Reflect.get(client, key, client);
        if (key !== "batch") return typeof value === "function" ? value.bind(client) : value;
        return async (...args: Parameters<Client["batch"]>) => {
          if (isFirst) {
            isFirst = false;
            await client.batch(...args);
            await between();
          }
          return client.batch(...args);
        };
      },
    });
  }

  test.each([
    ["nobody else writes", 0, undefined],
    ["the same cortex writes", 1, undefined],
    ["the deadline passes", 1, { deadline: 0 }],
  ])(
    "a batch that its transport sends twice is stored once, also if %s meanwhile",
    async (_, others, options) => {
      const { client, db, cortex, note, countNotes } = await opened();
      await cortex.batch(db, request);
      const rival = openCortex({ id: ALPHA, origin: "rival", now: () => NOW });
      const overtake = () => (others ? db.transaction((tx) => rival.append(tx, mutation())) : undefined);
      const slow = drizzle({ client: sendingTwice(client, overtake) });
      const list = [mutation({ traceId: "x" }), request, mutation({ traceId: "y" })];
      const { events, results } = await cortex.batch(slow, list, [note()], options);
      const all = await everything(db);
      expect([events, results]).toEqual([[all[1], all[0], all[2]], undefined]);
      expect([all.length, await countNotes()]).toEqual([3 + others, 1]);
    },
  );

  const faults: Fault[] = ["before", "after", "wrong"];
  const runs = faults.flatMap((fault) => [1, 2].map((at) => [fault, at] as const));

  /** The request, called again until it is answered, on a client that fails once. */
  async function insist(plan: Plan, retried: Mutation) {
    const { client, db, cortex, note, countNotes } = await opened();
    const faulty = drizzle({ client: faultyClient(client, plan) });
    let answer: StoredEvent | undefined;
    for (let i = 0; i < 3 && !answer; i++) {
      answer = await cortex.batch(faulty, retried, [note()]).then(
        ({ event }) => event,
        () => undefined,
      );
    }
    return { answer, events: await everything(db), notes: await countNotes() };
  }

  test.each(runs)("a retry after a fault (%s, call %i) stores and runs exactly once", async (fault, at) => {
    const { answer, events, notes } = await insist({ fault, at, calls: 0 }, request);
    expect([events, notes]).toEqual([[answer], 1]);
  });

  test("without a key, a retry after a lost answer stores twice: the control", async () => {
    const { events, notes } = await insist({ fault: "after", at: 2, calls: 0 }, mutation());
    expect([events.length, notes]).toEqual([2, 2]);
  });
});

describe("at once on one db", () => {
  afterEach(() => vi.useRealTimers());

  test("calls come one after another: each looks and writes once", async () => {
    const { client, cortex } = await opened();
    let batches = 0;
    const db = drizzle({ client: watched(client, (call) => (batches = call)) });
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => cortex.batch(db, mutation({ data: i }))),
    );
    expect(answers.map(({ event }) => event.data)).toEqual(answers.map((_, i) => i));
    expect(counters(await everything(db))).toEqual(answers.map((_, i) => i + 1));
    expect(batches).toBe(50);
  });

  test("a call that fails does not hold up the next", async () => {
    const { db, cortex } = await opened();
    const bad = cortex.batch(db, mutation(), [db.run("select * from nowhere")]).catch(() => "failed");
    const good = cortex.batch(db, mutation());
    expect([await bad, (await good).event.seq]).toEqual(["failed", 1]);
  });

  test("a call that never ends holds up the next for a second", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { client, cortex } = await opened();
    const db = drizzle({ client: watched(client, (call) => call === 1 && new Promise(() => {})) });
    void cortex.batch(db, mutation());
    const next = cortex.batch(db, mutation());
    await vi.advanceTimersByTimeAsync(999);
    expect(await everything(db)).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    vi.useRealTimers();
    expect((await next).event.seq).toBe(1);
  });
});

test("an event beside one from the future is found among the divergences", async () => {
  const { db, cortex } = await opened();
  const ahead = openCortex({ id: BETA, origin: "ahead", now: () => NOW + 86_400_000 });
  await ahead.batch(db, mutation());
  await cortex.batch(db, mutation());
  const plain = await opened();
  await plain.db.transaction((tx) => ahead.append(tx, mutation()));
  await plain.db.transaction((tx) => plain.cortex.append(tx, mutation()));
  expect(await divergences(db)).toHaveLength((await divergences(plain.db)).length);
});

describe("what is refused before any SQL", () => {
  const refuse = (cortex: Cortex, ...args: unknown[]) => inputErrorOf(() => (cortex.batch as any)(...args));

  test("a database without batch, with a word on what to use", async () => {
    const { db, cortex } = await opened();
    const sqlite = openSqlite().db;
    for (const wrong of [sqlite, { ...sqlite }, 42, undefined, db.$client]) {
      const { code } = refuse(cortex, wrong, mutation());
      expect(code).toMatch(/^(NO_BATCH|NOT_A_DATABASE)$/);
    }
    const { code, message } = refuse(cortex, sqlite, mutation());
    expect([code, message]).toEqual(["NO_BATCH", expect.stringContaining("db.transaction")]);
    await db.transaction(async (tx) => expect(refuse(cortex, tx, mutation()).code).toBe("NO_BATCH"));
    // @ts-expect-error a synchronous driver has none
    expect(() => cortex.batch(sqlite, mutation())).toThrow();
  });

  test("a mutation that is none, queries that are none, options that are none", async () => {
    const { db, cortex, note } = await opened();
    expect(refuse(cortex, db, mutation({ action: "!" })).code).toBe("INVALID_ACTION");
    for (const [queries, field] of [
      [note(), "queries"],
      ["select 1", "queries"],
      [[note(), "select 1"], "queries[1]"],
      [[note(), Promise.resolve()], "queries[1]"],
      [[null], "queries[0]"],
    ] as const) {
      expect(refuse(cortex, db, mutation(), queries)).toMatchObject({ code: "INVALID_QUERIES", field });
    }
    expect(refuse(cortex, db, mutation(), [], { deadline: -1 }).code).toBe("INVALID_DEADLINE");
    expect(refuse(cortex, db, mutation(), [], { signal: {} }).code).toBe("INVALID_SIGNAL");
    const made: any = await errorOf(() => cortex.batch(db, mutation(), (async () => []) as any));
    expect(made.code).toBe("INVALID_QUERIES");
    expect(await everything(db)).toEqual([]);
  });
});
