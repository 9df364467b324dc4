import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  append,
  appendQuery,
  ConflictError,
  type CortexOptions,
  clock,
  divergences,
  type Event,
  feed,
  heads,
  type Mutation,
  newULID,
  openCortex,
  type StandardSchema,
  type StoredEvent,
  ulidFactory,
} from "drizzle-event-log";
import { accept, databasePeer, pull } from "drizzle-event-log/federation";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  ALPHA,
  BETA,
  drivers,
  errorOf,
  event,
  everything,
  ids,
  type Libsql,
  openLibsql,
  thrownBy,
} from "./fixture.js";
import { chained, prover } from "./independent-proof.js";

const NOW = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const GAMMA = "01CX5ZZKBKACTAV9WEVGEMMVS0";

type Over = Partial<Mutation> | Record<string, unknown>;

/** A request: the same key for every retry of it. */
const request = (over: Over = {}) =>
  ({
    ...{ action: "update", traceId: "trace", data: { a: 1, b: [2] }, actor: "user-7" },
    ...{ idempotencyKey: "key-1", ...over },
  }) as Mutation;

/** A cortex at a standing clock, whose appends each have a transaction of their own. */
function writer(db: Libsql, options: Partial<Omit<CortexOptions, "schemas">> = {}) {
  const cortex = openCortex({ id: ALPHA, origin: "alpha", now: () => NOW, ...options });
  return {
    cortex,
    add: (over: Over = {}) => db.transaction((tx) => cortex.append(tx, request(over))),
    addAll: (...batch: Over[]) => db.transaction((tx) => cortex.append(tx, batch.map(request))),
  };
}

const idNow = ulidFactory({ now: () => NOW });
const counters = (list: readonly StoredEvent[], id = ALPHA) => list.map(({ vclock }) => vclock?.[id]);
const withoutSeq = ({ seq, ...event }: StoredEvent): Event => event;

/** What makes a request another one. */
const differing: [name: string, over: Over][] = [
  ["action", { action: "archive" }],
  ["trace", { traceId: "other" }],
  ["data", { data: { a: 2, b: [2] } }],
  ["order in an array of data", { data: { a: 1, b: [2, 1] } }],
  ["presence of data", { data: undefined }],
  ["data: null", { data: null }],
  ["actor", { actor: "user-8" }],
  ["presence of an actor", { actor: undefined }],
];

/** A log to which ALPHA, BETA or both, in one order or the other, have answered the request before they met. */
async function answeredBy(db: Libsql, ...cortexIds: string[]): Promise<StoredEvent[]> {
  const answers = cortexIds.map((cortexId) => {
    const { idempotencyKey, ...rest } = request();
    const stamps = { id: idNow(), cortexId, origin: "x", timestamp: "2026-01-01T00:00:00Z" };
    return { ...rest, ...stamps, vclock: { [cortexId]: 1 }, idempotencyKey } as Event;
  });
  const accepted = await db.transaction((tx) => accept(tx, chained(answers)));
  return accepted.map(({ event }) => event);
}

describe.each(drivers)("on %s", (_driver, open) => {
  const opened = async () => (await open()) as unknown as Awaited<ReturnType<typeof openLibsql>>;

  describe("a cortex, for an idempotency key,", () => {
    test("stores it with the event", async () => {
      const { db } = await opened();
      const first = await writer(db).add({ meta: { request: "r-1" } });
      expect(first).toMatchObject({ idempotencyKey: "key-1", actor: "user-7", meta: { request: "r-1" } });
      expect(await everything(db)).toEqual([first]);
    });

    test("answers a retry with the stored event and writes nothing, whatever would refuse it now", async () => {
      const { db } = await opened();
      const { add } = writer(db, { lifecycle: true });
      const create = { action: "create", expect: "none", meta: { attempt: 1 } };
      const first = await add(create);
      await add({ action: "trash", idempotencyKey: "key-2" });
      const retries = [
        () => add(create),
        () => add({ ...create, data: { b: [2], a: 1 } }),
        () => add({ ...create, meta: { attempt: 2 } }),
        () => add({ ...create, meta: undefined }),
        () => add({ ...create, expect: 77 }),
        () => writer(db, { now: () => NOW + 1 }).add(create),
        () => writer(db, { now: () => NOW - 10 * MINUTE }).add(create),
        () => writer(db, { origin: "renamed", lifecycle: true }).add(create),
      ];
      for (const retry of retries) expect(await retry()).toEqual(first);
      expect(await everything(db)).toHaveLength(2);
      const next = await add({ action: "recover", idempotencyKey: undefined });
      expect(next.vclock).toEqual({ [ALPHA]: 3 });
    });

    test("answers in the transaction that stored it, too", async () => {
      const { db } = await opened();
      const { cortex } = writer(db);
      const both: any = await db.transaction((tx): any => {
        const first = cortex.append(tx, request()) as unknown;
        const again = cortex.append(tx, request()) as unknown;
        return first instanceof Promise ? Promise.all([first, again]) : [first, again];
      });
      expect(both[1]).toEqual(both[0]);
      expect(await everything(db)).toEqual([both[0]]);
    });

    test("still asks for data that fits the schema", async () => {
      const { db } = await opened();
      let strict = false;
      const validate = (value: unknown) => (strict ? { issues: [{}] } : { value });
      const update = { "~standard": { version: 1, vendor: "test", validate } } as StandardSchema;
      const cortex = openCortex({ id: ALPHA, origin: "alpha", now: () => NOW, schemas: { update } });
      const append = () => db.transaction((tx) => cortex.append(tx, request() as never));
      await append();
      strict = true;
      expect(await errorOf(append)).toMatchObject({ code: "INVALID_DATA" });
    });

    test.each(differing)("refuses another %s, and nothing is written", async (_, over) => {
      const { db } = await opened();
      const { add, addAll } = writer(db);
      const first = await add();
      for (const refused of [
        await errorOf(() => add(over)),
        await errorOf(() => addAll({ idempotencyKey: "key-2" }, over)),
        await errorOf(() => writer(db, { id: BETA }).add(over)),
      ]) {
        expect(refused).toBeInstanceOf(ConflictError);
        expect(refused).toMatchObject({ code: "KEY_CONFLICT", id: undefined, existingId: first.id });
        expect((refused as Error).message).not.toMatch(/key-1|user-7|trace/);
      }
      expect(await everything(db)).toEqual([first]);
    });

    test("answers with the event of any cortex in this log", async () => {
      const { db } = await opened();
      const first = await writer(db, { id: BETA }).add();
      expect(await writer(db).add()).toEqual(first);
      expect(await everything(db)).toEqual([first]);
    });

    test("answers with its own event where several have answered, or else with the one that came first", async () => {
      const { db } = await opened();
      const [beta, alpha] = (await answeredBy(db, BETA, ALPHA)) as [StoredEvent, StoredEvent];
      expect(await writer(db).add()).toEqual(alpha);
      expect(await writer(db, { id: BETA }).add()).toEqual(beta);
      expect(await writer(db, { id: GAMMA }).add()).toEqual(beta);
      expect(await everything(db)).toEqual([beta, alpha]);
    });

    test("answers with the one that says the same, where several say different things", async () => {
      const { db } = await opened();
      const cortexIds = [ALPHA, BETA];
      const both = cortexIds.map((cortexId, i) => {
        const stamps = { id: newULID(), cortexId, origin: "x", timestamp: "2026-01-01T00:00:00Z" };
        return { ...request({ data: i }), ...stamps, vclock: { [cortexId]: 1 } } as Event;
      });
      await db.transaction((tx) => accept(tx, chained(both)));
      const [alpha, beta] = await everything(db);
      for (const id of [ALPHA, BETA, GAMMA]) {
        expect(await writer(db, { id }).add({ data: 0 })).toEqual(alpha);
        expect(await writer(db, { id }).add({ data: 1 })).toEqual(beta);
        expect(await errorOf(() => writer(db, { id }).add({ data: 2 }))).toMatchObject({
          code: "KEY_CONFLICT",
        });
      }
      expect(await everything(db)).toHaveLength(2);
    });

    test("stores of a batch what is new, and answers for each in order", async () => {
      const { db } = await opened();
      const { add, addAll } = writer(db);
      const stored = await add({ idempotencyKey: "b" });
      const keys = ["a", "b", undefined, "c"];
      const answer = await addAll(...keys.map((idempotencyKey) => ({ idempotencyKey })));
      expect(answer.map(({ idempotencyKey }) => idempotencyKey)).toEqual(keys);
      expect(answer[1]).toEqual(stored);
      expect(counters(answer)).toEqual([2, 1, 3, 4]);
      expect(await addAll(...["a", "b", "c"].map((idempotencyKey) => ({ idempotencyKey })))).toEqual([
        answer[0],
        stored,
        answer[3],
      ]);
      expect(await everything(db)).toHaveLength(4);
    });

    test("makes one event of a key that is twice in a batch, and refuses it if they differ", async () => {
      const { db } = await opened();
      const { addAll } = writer(db);
      const [first, second, third] = await addAll(
        {},
        { idempotencyKey: undefined },
        { meta: { again: true } },
      );
      expect(third).toEqual(first);
      expect(second!.seq).toBe(2);
      expect(await everything(db)).toEqual([first, second]);
      const refused = await errorOf(() =>
        addAll({ idempotencyKey: "new", data: 1 }, { idempotencyKey: "new", data: 2 }),
      );
      expect(refused).toBeInstanceOf(ConflictError);
      expect(refused).toMatchObject({ code: "KEY_CONFLICT", id: undefined, existingId: undefined });
      expect(await everything(db)).toHaveLength(2);
    });

    test("does not ask expect and lifecycle of the retries in a batch, but of the others", async () => {
      const { db } = await opened();
      const { addAll } = writer(db, { lifecycle: true });
      const create = { action: "create", expect: "none", idempotencyKey: "create" };
      const other = { action: "create", traceId: "other", expect: "none", idempotencyKey: "other" };
      const [created, there] = await addAll(create, other);
      const next = {
        ...{ action: "update", traceId: "other", expect: there!.seq, idempotencyKey: "next" },
      };
      const answer = await addAll(create, next, create);
      expect(answer[0]).toEqual(created);
      expect(answer[2]).toEqual(created);
      expect(await addAll(next, create)).toEqual([answer[1], created]);
      const stale = { ...next, idempotencyKey: "stale" };
      expect(await errorOf(() => addAll(create, next))).toBeUndefined();
      expect(await errorOf(() => addAll(create, stale))).toMatchObject({ code: "STALE_HEAD" });
      expect(await everything(db)).toHaveLength(3);
    });

    test("that wrote the log's last event looks for the key all the same", async () => {
      const { db, statements } = await opened();
      const [other] = await answeredBy(db, BETA);
      const { add } = writer(db);
      const key = (n: number) => ({ idempotencyKey: `mine-${n}`, data: n });
      const own = [await add(key(0)), await add(key(1))];
      statements.length = 0;
      own.push(await add(key(2)));
      // Alone, in one statement.
      expect(statements.filter(({ sql }) => /^(insert|select)/.test(sql))).toHaveLength(1);
      for (let n = 0; n < 3; n++) {
        expect(await add(key(n))).toEqual(own[n]);
        expect(await errorOf(() => add({ ...key(n), data: "other" }))).toMatchObject({
          code: "KEY_CONFLICT",
        });
      }
      // Another cortex's key clashes with no index of the table.
      expect(await add()).toEqual(other);
      expect(await errorOf(() => add({ data: "other" }))).toMatchObject({ code: "KEY_CONFLICT" });
      own.push(await add(key(3)));
      expect(counters(own)).toEqual([1, 2, 3, 4]);
      expect(await everything(db)).toEqual([other, ...own]);
    });

    test("takes it again when it was rolled back", async () => {
      const { db } = await opened();
      const { cortex, add } = writer(db);
      await add({ idempotencyKey: "before" });
      const undone = await errorOf(() =>
        db.transaction((tx): any => {
          const pending = cortex.append(tx, request({ data: "undone" })) as unknown;
          const undo = () => {
            throw new Error("undone");
          };
          return pending instanceof Promise ? pending.then(undo) : undo();
        }),
      );
      expect(undone).toEqual(new Error("undone"));
      const stored = await add();
      expect(stored).toMatchObject({ seq: 2, vclock: { [ALPHA]: 2 }, data: request().data });
      expect(await add()).toEqual(stored);
    });

    test.each([
      ["null", null],
      ["empty", ""],
      ["a number", 7],
      ["256 characters", "x".repeat(256)],
      ["a NUL", "a\0b"],
      ["a lone surrogate", "\ud800"],
    ])("refuses one that is none before any SQL: %s", async (_, idempotencyKey) => {
      const { db, statements } = await opened();
      await db.transaction((tx) => {
        const error = thrownBy(() => writer(db).cortex.append(tx, request({ idempotencyKey })));
        expect(error).toMatchObject({ code: "INVALID_IDEMPOTENCY_KEY", field: "idempotencyKey" });
        return undefined as never;
      });
      expect(statements).toEqual([]);
    });
  });

  describe("append, for an idempotency key,", () => {
    const addEvent = (db: Libsql, over: Over = {}) =>
      db.transaction((tx) => append(tx, event({ ...request(), ...over })));

    test("answers a retry with the stored event, of any cortex, and stores nothing", async () => {
      const { db } = await opened();
      const first = await addEvent(db, { meta: { attempt: 1 } });
      for (const over of [
        {},
        { id: newULID() },
        { data: { b: [2], a: 1 } },
        { meta: { attempt: 2 } },
        { origin: "renamed", timestamp: "2020-01-01T00:00:00Z" },
        { cortexId: BETA },
        { vclock: { [ALPHA]: 1 } },
      ]) {
        expect(await addEvent(db, over)).toEqual(first);
      }
      expect(await everything(db)).toEqual([first]);
    });

    test.each(differing)("refuses another %s, and nothing is written", async (_, over) => {
      const { db } = await opened();
      const first = await addEvent(db);
      const id = newULID();
      for (const cortexId of [ALPHA, BETA]) {
        const refused = await errorOf(() =>
          db.transaction((tx) => append(tx, [event(), event({ ...request(), id, cortexId, ...over })])),
        );
        expect(refused).toBeInstanceOf(ConflictError);
        expect(refused).toMatchObject({ code: "KEY_CONFLICT", id, cortexId, existingId: first.id });
      }
      expect(await everything(db)).toEqual([first]);
    });

    test("is as strict about the id: the same id is the same event, or a conflict", async () => {
      const { db } = await opened();
      const id = newULID();
      const first = await addEvent(db, { id, meta: { attempt: 1 } });
      expect(await addEvent(db, { id, meta: { attempt: 1 } })).toEqual(first);
      const refused = await errorOf(() => addEvent(db, { id, meta: { attempt: 2 } }));
      expect(refused).toMatchObject({ code: "ID_CONFLICT", id });
    });

    test("stores of a batch what is new, and answers for each in order", async () => {
      const { db } = await opened();
      const stored = await addEvent(db);
      const fresh = { ...request({ idempotencyKey: "key-2" }), id: newULID() };
      const batch = [event(fresh), event({ ...request() }), event(), event({ ...fresh, id: newULID() })];
      const answer = await db.transaction((tx) => append(tx, batch));
      expect(answer[1]).toEqual(stored);
      expect(answer[0]!.id).toBe(fresh.id);
      expect(answer[3]).toEqual(answer[0]);
      expect(await everything(db)).toEqual([stored, answer[0], answer[2]]);
    });

    test("refuses a batch in which it says two things", async () => {
      const { db } = await opened();
      const [one, other] = [newULID(), newULID()];
      const batch = [event({ ...request(), id: one }), event({ ...request(), id: other, data: 2 })];
      const refused = await errorOf(() => db.transaction((tx) => append(tx, batch)));
      expect(refused).toMatchObject({ code: "KEY_CONFLICT", id: other, existingId: one });
      expect(await everything(db)).toEqual([]);
    });

    test("leaves the clock's place of a retry to others", async () => {
      const { db } = await opened();
      const first = await addEvent(db, { vclock: { [ALPHA]: 1 } });
      const second = await addEvent(db, { idempotencyKey: "key-2", vclock: { [ALPHA]: 2 } });
      expect(await addEvent(db, { vclock: { [ALPHA]: 2 } })).toEqual(first);
      expect(await clock(db)).toEqual({ [ALPHA]: 2 });
      expect(await everything(db)).toEqual([first, second]);
    });
  });

  describe("appendQuery, for an idempotency key,", () => {
    test("leaves a retry out, of any cortex", async () => {
      const { db } = await opened();
      const [first] = await appendQuery(db, event({ ...request({ meta: { attempt: 1 } }) }));
      const before = await everything(db);
      for (const over of [
        {},
        { id: newULID() },
        { meta: { attempt: 2 } },
        { origin: "x" },
        { cortexId: BETA },
      ]) {
        expect(await appendQuery(db, event({ ...request(), ...over }))).toEqual([]);
      }
      expect(await everything(db)).toEqual(before);
      const fresh = event({ ...request({ idempotencyKey: "key-2" }), id: newULID() });
      const twice = event({ ...request({ idempotencyKey: "key-2" }), id: newULID() });
      const answer = await appendQuery(db, [event({ ...request() }), fresh, twice]);
      expect(answer).toEqual([{ seq: 2, id: fresh.id }]);
      expect(ids(await everything(db))).toEqual([first!.id, fresh.id]);
    });

    test.each(differing)("fails the whole statement for another %s", async (_, over) => {
      const { db } = await opened();
      await appendQuery(db, event({ ...request() }));
      const before = await everything(db);
      for (const cortexId of [ALPHA, BETA]) {
        const other = event({ ...request(), cortexId, ...over });
        const error = (await errorOf(() => appendQuery(db, [event(), other]).execute())) as Error;
        expect(String(error.cause ?? error)).toMatch(/constraint|append-only/i);
      }
      expect(await everything(db)).toEqual(before);
    });

    test("is as strict about the id: the same id is the same event, or a conflict", async () => {
      const { db } = await opened();
      const id = newULID();
      const one = event({ ...request({ meta: { attempt: 1 } }), id });
      await appendQuery(db, one);
      expect(await appendQuery(db, one)).toEqual([]);
      expect(await errorOf(() => appendQuery(db, { ...one, meta: { attempt: 2 } }).execute())).toBeDefined();
      expect(await everything(db)).toHaveLength(1);
    });

    test("refuses a call in which it says two things, before any SQL", async () => {
      const { db, statements } = await opened();
      const batch = [event({ ...request() }), event({ ...request(), data: 2 })];
      expect(thrownBy(() => appendQuery(db, batch))).toMatchObject({ code: "KEY_CONFLICT" });
      expect(statements).toEqual([]);
    });
  });

  describe("two nodes that took one request", () => {
    const node = async (id: string) => {
      const { db } = await opened();
      return { db, ...writer(db, { id, origin: id }) };
    };
    const meet = async (...[one, other]: { db: Libsql }[]) => {
      for (const [to, from] of [
        [one!, other!],
        [other!, one!],
      ]) {
        const { refused } = await pull(to!.db, databasePeer(from!.db));
        expect(refused).toEqual([]);
      }
    };

    test("before they met keep two events: a divergence that is seen, in logs that go on", async () => {
      const [alpha, beta] = [await node(ALPHA), await node(BETA)];
      const taken = [await alpha.add(), await beta.add()];
      await meet(alpha, beta);
      for (const { db } of [alpha, beta]) {
        expect(await clock(db)).toEqual({ [ALPHA]: 1, [BETA]: 1 });
        expect(ids(await heads(db, "trace"))).toEqual(ids(taken).sort());
        expect(await divergences(db)).toHaveLength(1);
      }
      // Retried, each answers with its own.
      expect(withoutSeq(await alpha.add())).toEqual(withoutSeq(taken[0]!));
      expect(withoutSeq(await beta.add())).toEqual(withoutSeq(taken[1]!));
      // Neither log is stuck: the next events go over, both ways.
      await alpha.add({ idempotencyKey: "next", data: "merged" });
      await beta.add({ traceId: "elsewhere", idempotencyKey: "another" });
      await meet(alpha, beta);
      for (const { db } of [alpha, beta]) {
        expect(await clock(db)).toEqual({ [ALPHA]: 2, [BETA]: 2 });
        expect(await divergences(db)).toEqual([]);
      }
    });

    test("say different things with one key, and neither is lost", async () => {
      const [alpha, beta] = [await node(ALPHA), await node(BETA)];
      const taken = [await alpha.add({ data: "one" }), await beta.add({ data: "other" })];
      await meet(alpha, beta);
      for (const { db } of [alpha, beta]) expect(ids(await feed(db)).sort()).toEqual(ids(taken).sort());
      expect((await beta.add({ data: "other" })).id).toBe(taken[1]!.id);
      expect(await errorOf(() => beta.add({ data: "a third" }))).toMatchObject({ code: "KEY_CONFLICT" });
    });

    test("one after the other, with a pull between, keep one", async () => {
      const [alpha, beta] = [await node(ALPHA), await node(BETA)];
      const first = await alpha.add();
      await meet(alpha, beta);
      expect(withoutSeq(await beta.add())).toEqual(withoutSeq(first));
      await meet(alpha, beta);
      for (const { db } of [alpha, beta]) {
        expect(ids(await everything(db))).toEqual([first.id]);
        expect(await divergences(db)).toEqual([]);
      }
    });
  });

  describe("a peer's second event of one cortex with one key", () => {
    const prove = prover();
    const foreign = (cortexId: string, counter: number, over: Over = {}) =>
      prove({
        ...event({ ...request(), id: newULID(), cortexId, timestamp: "2026-01-01T00:00:00Z" }),
        ...{ vclock: { [cortexId]: counter }, ...over },
      } as Event);

    test("is refused by accept as KEY_CONFLICT, in the log and in one page, and nothing is written", async () => {
      const { db } = await opened();
      const [first, second, third] = [foreign(BETA, 1), foreign(BETA, 2), foreign(BETA, 2, { data: 2 })];
      const stored = await db.transaction((tx) => accept(tx, [first]));
      const before = await everything(db);
      for (const one of [second, third]) {
        const page = [foreign(GAMMA, 1, { idempotencyKey: "other" }), one];
        const refused = await errorOf(() => db.transaction((tx) => accept(tx, page)));
        expect(refused).toBeInstanceOf(ConflictError);
        expect(refused).toMatchObject({
          code: "KEY_CONFLICT",
          id: one.id,
          cortexId: BETA,
          existingId: first.id,
        });
      }
      const page = [foreign(GAMMA, 1), foreign(GAMMA, 2)];
      const refused = await errorOf(() => db.transaction((tx) => accept(tx, page)));
      expect(refused).toMatchObject({ code: "KEY_CONFLICT", id: page[1]!.id, existingId: page[0]!.id });
      expect(await everything(db)).toEqual(before);
      // The same event again is a duplicate, and another cortex's with the key is its own.
      const again = await db.transaction((tx) => accept(tx, [first, foreign(GAMMA, 1)]));
      expect(again.map(({ outcome }) => outcome)).toEqual(["duplicate", "stored"]);
      expect(again[0]!.event).toEqual(stored[0]!.event);
    });

    test("ends the pull of its cortex, and of no other", async () => {
      const { db } = await opened();
      const theirs = [foreign(BETA, 1), foreign(BETA, 2), foreign(BETA, 3, { idempotencyKey: "x" })];
      const fine = [foreign(GAMMA, 1), foreign(GAMMA, 2, { idempotencyKey: "y" })];
      const known = (id: string, clock: Readonly<Record<string, number>>) => clock[id] ?? 0;
      const { refused, stored } = await pull(db, {
        frontier: () => ({}),
        hashAt: () => null,
        missing: (clock) =>
          [...theirs, ...fine].filter(({ cortexId, vclock }) => vclock![cortexId]! > known(cortexId, clock)),
      });
      expect(stored).toBe(3);
      expect(refused.map(({ cortexId, error }) => [cortexId, error.code])).toEqual([[BETA, "KEY_CONFLICT"]]);
      expect(ids(await everything(db))).toEqual(ids([theirs[0]!, ...fine]));
    });
  });
});

test("through Promise.all in one transaction a key makes one event", async () => {
  const { db } = await openLibsql();
  const cortexes = [ALPHA, ALPHA, BETA].map((id) => openCortex({ id, origin: "x", now: () => NOW }));
  const stored = await db.transaction((tx) =>
    Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        cortexes[i % 3]!.append(tx, request({ idempotencyKey: `key-${i % 5}` })),
      ),
    ),
  );
  expect(new Set(ids(stored)).size).toBe(5);
  expect(await everything(db)).toHaveLength(5);
  const { cortex } = writer(db);
  const outcomes = await db.transaction((tx) =>
    Promise.allSettled([
      cortex.append(tx, request({ idempotencyKey: "new", data: 1 })),
      cortex.append(tx, request({ idempotencyKey: "new", data: 2 })),
      cortex.append(tx, request({ idempotencyKey: "new", data: 1 })),
    ]),
  );
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
});

test("processes that take the same requests at the same time answer with the same events", async () => {
  const directory = mkdtempSync(join(tmpdir(), "event-log-retry-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const url = `file:${join(directory, "app.db")}`;
  const { client, db } = await openLibsql(url);
  onTestFinished(() => client.close());
  const REQUESTS = 60;
  const script = join(import.meta.dirname, "retry-writer.ts");
  const answers = await Promise.all(
    [ALPHA, ALPHA, BETA].map(async (cortexId) => {
      const node = ["--import", "tsx", script, url, cortexId, String(REQUESTS)];
      const { stdout } = await promisify(execFile)(process.execPath, node, { maxBuffer: 2 ** 26 });
      return JSON.parse(stdout) as StoredEvent[];
    }),
  );
  const log = await everything(db);
  expect(log.map(({ traceId }) => traceId)).toEqual(Array.from({ length: REQUESTS }, (_, i) => `trace-${i}`));
  for (const answer of answers) expect(answer).toEqual(log);
  for (const id of [ALPHA, BETA]) {
    const own = counters(
      log.filter(({ cortexId }) => cortexId === id),
      id,
    );
    expect(own).toEqual(Array.from(own, (_, i) => i + 1));
  }
});
