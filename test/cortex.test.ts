import {
  type Action,
  append,
  type CortexOptions,
  clock,
  createEventsTable,
  drifted,
  type Event,
  feed,
  forTrace,
  frontier,
  InputError,
  isULID,
  type Mutation,
  newULID,
  openCortex,
  type StandardSchema,
  type StoredEvent,
  TraceError,
  ulidFactory,
  ulidTime,
} from "drizzle-event-log";
import { accept, missing } from "drizzle-event-log/federation";
import { migrateEvents } from "drizzle-event-log/migrations";
import { drizzle as drizzleProxy } from "drizzle-orm/sqlite-proxy";
import fc from "fast-check";
import { describe, expect, expectTypeOf, test } from "vitest";
import {
  ALPHA,
  BETA,
  drivers,
  errorOf,
  event,
  everything,
  ids,
  inputErrorOf,
  type Libsql,
  openLibsql,
  openSqlite,
  seeded,
} from "./fixture.js";
import { proven } from "./independent-proof.js";

const NOW = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;

/** A valid mutation; `over` may hold anything, also what no mutation may. */
function mutation(over: Partial<Mutation> | Record<string, unknown> = {}): Mutation {
  return { action: "update", traceId: "trace", ...over } as Mutation;
}

/** A cortex at a standing clock, whose appends each have a transaction of their own. */
function writer(db: Libsql, options: Partial<Omit<CortexOptions, "schemas">> = {}) {
  const cortex = openCortex({ id: ALPHA, origin: "alpha", now: () => NOW, ...options });
  return {
    cortex,
    add: (over: Parameters<typeof mutation>[0] = {}) =>
      db.transaction((tx) => cortex.append(tx, mutation(over))),
    addAll: (...batch: Parameters<typeof mutation>[0][]) =>
      db.transaction((tx) => cortex.append(tx, batch.map(mutation))),
  };
}

const idAt = (time: number) => ulidFactory({ now: () => time })();
const counters = (list: readonly StoredEvent[], id = ALPHA) => list.map(({ vclock }) => vclock?.[id]);

/** A validator as a library would make it. */
function schema<Input, Output = Input>(
  validate: (value: any) => unknown,
): StandardSchema<Input, Output> & { calls: number } {
  const made = {
    calls: 0,
    "~standard": {
      version: 1 as const,
      vendor: "test",
      validate: (value: unknown) => {
        made.calls++;
        return validate(value) as { value: Output };
      },
    },
  };
  return made;
}

describe.each(drivers)("on %s", (driver, open) => {
  const opened = async () => (await open()) as unknown as Awaited<ReturnType<typeof openLibsql>>;

  test("an event is stamped with id, timestamp, cortex, origin and clock, and stored as answered", async () => {
    const { db } = await opened();
    const told = { data: { a: 1 }, actor: "user-7", meta: { request: "r-1" }, idempotencyKey: "key" };
    const first = await writer(db).add(told);
    expect(first).toEqual({
      ...{ seq: 1, id: first.id, action: "update", traceId: "trace", cortexId: ALPHA, origin: "alpha" },
      ...{ timestamp: "2026-01-01T00:00:00.000Z", vclock: { [ALPHA]: 1 }, ...told },
    });
    expect(isULID(first.id)).toBe(true);
    expect(ulidTime(first.id)).toBe(NOW);
    expect(await everything(db)).toEqual([first]);
  });

  test("the clock is the greatest counter of every cortex in the log, and the own one plus one", async () => {
    const { db } = await opened();
    const gamma = newULID();
    const foreign = (cortexId: string, counter: number, more = {}) =>
      event({ cortexId, vclock: { ...more, [cortexId]: counter } });
    await db.transaction((tx) =>
      append(tx, [foreign(BETA, 1), foreign(BETA, 2), foreign(gamma, 1, { [BETA]: 2 }), event()]),
    );
    const { add } = writer(db);
    expect((await add()).vclock).toEqual({ [ALPHA]: 1, [BETA]: 2, [gamma]: 1 });
    expect((await add()).vclock).toEqual({ [ALPHA]: 2, [BETA]: 2, [gamma]: 1 });
    expect(await clock(db)).toEqual({ [ALPHA]: 2, [BETA]: 2, [gamma]: 1 });
  });

  test("a log without clocks yet has an empty clock, and the first own counter there is 1", async () => {
    const { db } = await opened();
    await db.transaction((tx) =>
      append(tx, [event({ id: idAt(NOW) }), event({ id: idAt(NOW), cortexId: BETA })]),
    );
    expect(await clock(db)).toEqual({});
    expect((await writer(db).add()).vclock).toEqual({ [ALPHA]: 1 });
  });

  test("counters are 1, 2, 3, … also when the same cortex is opened several times", async () => {
    const { db } = await opened();
    const writers = [writer(db), writer(db, { origin: "renamed" }), writer(db)];
    for (let i = 0; i < 12; i++) await writers[i % 3]!.add();
    expect(counters(await everything(db))).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
  });

  test("a batch is stored in order with contiguous seqs, each clock counting the event before", async () => {
    const { db } = await opened();
    const { add, addAll } = writer(db);
    await add();
    const batch = await addAll(...Array.from({ length: 50 }, (_, i) => ({ traceId: `t${i}`, data: i })));
    expect(batch.map(({ seq }) => seq)).toEqual(Array.from({ length: 50 }, (_, i) => i + 2));
    expect(batch.map(({ data }) => data)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(counters(batch)).toEqual(Array.from({ length: 50 }, (_, i) => i + 2));
    expect(ids(batch)).toEqual([...new Set(ids(batch))].sort());
    expect((await everything(db)).slice(1)).toEqual(batch);
    expect(await addAll()).toEqual([]);
  });

  test("a batch with one event that is refused stores none", async () => {
    const { db } = await opened();
    const { addAll } = writer(db);
    expect(await errorOf(() => addAll({}, { traceId: "other", expect: 7 }))).toBeInstanceOf(TraceError);
    expect(await errorOf(() => addAll({}, { traceId: "" }))).toBeInstanceOf(InputError);
    expect(await everything(db)).toEqual([]);
  });

  test("the answer shares nothing with the input", async () => {
    const { db } = await opened();
    const data = { list: [1] };
    const meta = { list: [1] };
    const input = mutation({ data, meta });
    const { cortex } = writer(db);
    const pending = db.transaction((tx) => {
      const answer = cortex.append(tx, input);
      data.list.push(2);
      meta.list.push(2);
      (input as { traceId: string }).traceId = "other";
      return answer;
    });
    const stored = await pending;
    (stored.data as typeof data).list.push(3);
    (stored.meta as typeof data).list.push(3);
    const as = { traceId: "trace", data: { list: [1] }, meta: { list: [1] } };
    expect(await everything(db)).toEqual([{ ...stored, ...as }]);
  });

  test("a cortex writes to the table it was opened with", async () => {
    const { db } = await opened();
    const table = createEventsTable<{ publish: { url: string }; trash: undefined }>("journal");
    await migrateEvents(db, { table });
    const cortex = openCortex({ id: ALPHA, origin: "alpha", table, lifecycle: false });
    const stored = await db.transaction((tx) =>
      cortex.append(tx, { action: "publish", traceId: "page", data: { url: "/" } }),
    );
    if (stored.action === "publish") expectTypeOf(stored.data).toEqualTypeOf<{ url: string }>();
    await db.transaction((tx) => cortex.append(tx, { action: "trash", traceId: "page", expect: stored.seq }));
    expect((await feed(db, { table })).map(({ action }) => action)).toEqual(["publish", "trash"]);
    expect(await clock(db, { table })).toEqual({ [ALPHA]: 2 });
    expect(await everything(db)).toEqual([]);
    const never = () =>
      db.transaction((tx) =>
        // @ts-expect-error the payload of `publish` has a url
        cortex.append(tx, { action: "publish", traceId: "page", data: { uri: "/" } }),
      );
    // @ts-expect-error the table knows no such action
    const nor = () => db.transaction((tx) => cortex.append(tx, { action: "create", traceId: "page" }));
    expect([never, nor]).toHaveLength(2);
  });

  describe("expect", () => {
    test("takes the seq of the trace's last event, and 'none' for a trace that is not there", async () => {
      const { db } = await opened();
      const { add } = writer(db);
      const first = await add({ expect: "none" });
      await add({ traceId: "other" });
      const second = await add({ expect: first.seq });
      expect((await forTrace(db, "trace")).map(({ id }) => id)).toEqual([first.id, second.id]);
    });

    test("refuses a stale head, naming both, and writes nothing", async () => {
      const { db } = await opened();
      const { add } = writer(db);
      const first = await add();
      const second = await add();
      const other = await add({ traceId: "other" });
      const cases = [
        [first.seq, "trace", second.seq],
        [other.seq, "trace", second.seq],
        ["none", "trace", second.seq],
        [first.seq, "absent", "none"],
      ] as const;
      for (const [expected, traceId, actual] of cases) {
        const refused = await errorOf(() => add({ traceId, expect: expected }));
        expect(refused).toBeInstanceOf(TraceError);
        expect(refused).toMatchObject({ code: "STALE_HEAD", traceId, expected, actual });
        expect((refused as Error).message).toContain(String(expected));
        expect((refused as Error).message).toContain(String(actual));
      }
      expect(await everything(db)).toHaveLength(3);
    });

    test("in a batch is for the first mutation of each trace; for another it is refused, and nothing is written", async () => {
      const { db } = await opened();
      const { addAll } = writer(db);
      const [one] = await addAll({ traceId: "a", expect: "none" }, { traceId: "b", expect: "none" }, {});
      const next = await addAll({ traceId: "a", expect: one!.seq }, { traceId: "a" }, { traceId: "b" });
      expect(next.map(({ seq }) => seq)).toEqual([4, 5, 6]);
      for (const expected of ["none", one!.seq, 4, 7] as const) {
        const batch = [{ traceId: "b" }, { traceId: "a" }, { traceId: "a", expect: expected }];
        expect(await errorOf(() => addAll(...batch))).toMatchObject({
          ...{ name: "InputError", code: "INVALID_EXPECT", field: "events[2].expect" },
        });
      }
      expect(await everything(db)).toHaveLength(6);
    });

    test.each(["", "None", "trace", "7", newULID(), 0, -1, 1.5, 2 ** 53, null])(
      "of %j is an InputError before any SQL",
      async (head) => {
        const { db, statements } = await opened();
        await errorOf(() =>
          db.transaction((tx) => {
            const refused = inputErrorOf(() => writer(db).cortex.append(tx, mutation({ expect: head })));
            expect(refused).toMatchObject({ code: "INVALID_EXPECT", field: "expect" });
            return undefined as never;
          }),
        );
        expect(statements).toEqual([]);
      },
    );
  });

  describe("lifecycle", () => {
    const paths = {
      none: [],
      active: ["create"],
      archived: ["create", "archive"],
      trashed: ["create", "archive", "trash"],
      gone: ["create", "trash", "purge"],
    };
    type State = keyof typeof paths;
    // The whole table: what each action makes of each state, in the order of `paths`; "-" is refused.
    const table: Record<string, (State | "-")[]> = {
      create: ["active", "-", "-", "-", "-"],
      update: ["-", "active", "archived", "trashed", "-"],
      publish: ["-", "active", "archived", "trashed", "-"],
      archive: ["-", "archived", "-", "-", "-"],
      unarchive: ["-", "-", "active", "-", "-"],
      trash: ["-", "trashed", "trashed", "-", "-"],
      recover: ["-", "-", "-", "active", "-"],
      purge: ["-", "-", "-", "gone", "-"],
    };
    const states = Object.keys(paths) as State[];
    const cells = Object.entries(table).flatMap(([action, outcomes]) =>
      outcomes.map((outcome, i) => [action, states[i]!, outcome] as const),
    );

    test.each(cells)("%s on a trace that is %s leads to %s", async (action, state, outcome) => {
      const { db } = await opened();
      const { add, addAll } = writer(db, { lifecycle: true });
      // Each step in a transaction of its own, and an action that keeps the state at the end.
      for (const step of paths[state]) await add({ action: step });
      if (state !== "none" && state !== "gone") await add({ action: "touch" });
      const before = (await everything(db)).length;
      const answer = await errorOf(() => add({ action }));
      if (outcome === "-") {
        expect(answer).toBeInstanceOf(TraceError);
        expect(answer).toMatchObject({
          code: "LIFECYCLE",
          traceId: "trace",
          expected: action,
          actual: state,
        });
        expect(await everything(db)).toHaveLength(before);
      } else {
        expect(answer).toBeUndefined();
        // What is possible now is what is possible in that state.
        for (const [next, outcomes] of Object.entries(table)) {
          const possible = outcomes[states.indexOf(outcome)] !== "-";
          const error = await errorOf(() =>
            db.transaction((tx) => {
              writer(db).cortex.append(tx, []);
              const pending = openCortex({ id: BETA, origin: "beta", lifecycle: true }).append(
                tx,
                mutation({ action: next }),
              ) as unknown;
              const undo = () => {
                throw new Error("undone");
              };
              return (pending instanceof Promise ? pending.then(undo) : undo()) as never;
            }),
          );
          expect(error instanceof TraceError, next).toBe(!possible);
        }
      }
      // The same steps and the action in one batch end alike.
      const steps = [...paths[state], action].map((step) => ({ action: step, traceId: "batch" }));
      expect((await errorOf(() => addAll(...steps))) instanceof TraceError).toBe(outcome === "-");
    });

    test("is off by default", async () => {
      const { db } = await opened();
      const { add } = writer(db);
      for (const action of ["purge", "unarchive", "create", "create", "recover"]) await add({ action });
      expect(await everything(db)).toHaveLength(5);
    });

    test("goes by the trace's own events only", async () => {
      const { db } = await opened();
      const { addAll } = writer(db, { lifecycle: true });
      await addAll({ action: "create", traceId: "a" }, { action: "create", traceId: "b" });
      await addAll({ action: "trash", traceId: "a" }, { action: "archive", traceId: "b" });
      const refused = await errorOf(() =>
        addAll({ action: "unarchive", traceId: "b" }, { action: "archive", traceId: "a" }),
      );
      expect(refused).toMatchObject({ traceId: "a", expected: "archive", actual: "trashed" });
    });
  });

  describe("schemas", () => {
    test("store the validator's output: its defaults and transforms", async () => {
      const { db } = await opened();
      const create = schema<{ title: string }, { title: string; tags: string[] }>((value) => ({
        value: { title: value.title.trim(), tags: [] },
      }));
      const cortex = openCortex({ id: ALPHA, origin: "alpha", schemas: { create } });
      const input = { action: "create", traceId: "trace", data: { title: " Milk " } } as const;
      const stored = await db.transaction((tx) => cortex.append(tx, input));
      if (stored.action === "create")
        expectTypeOf(stored.data).toEqualTypeOf<{ title: string; tags: string[] }>();
      expect(stored.data).toEqual({ title: "Milk", tags: [] });
      expect(await everything(db)).toEqual([stored]);
      expect(input.data).toEqual({ title: " Milk " });
    });

    test("let the data of other actions pass", async () => {
      const { db } = await opened();
      const create = schema(() => ({ issues: [{ message: "no" }] }));
      const cortex = openCortex({ id: ALPHA, origin: "alpha", schemas: { create } });
      const [a, b] = await db.transaction((tx) =>
        cortex.append(tx, [
          { action: "update", traceId: "trace", data: { any: "thing" } },
          { action: "trash", traceId: "trace" },
        ]),
      );
      expect(a!.data).toEqual({ any: "thing" });
      expect(Object.hasOwn(b!, "data")).toBe(false);
      expect(create.calls).toBe(0);
    });

    test("refuse with the place of the first issue and no text of the data, before any SQL", async () => {
      const { db, statements } = await opened();
      const create = schema(({ secret }) => ({
        issues: [{ message: `${secret} is bad`, path: ["list", { key: 2 }, "name"] }, { message: secret }],
      }));
      const cortex = openCortex({ id: ALPHA, origin: "alpha", schemas: { create } });
      await errorOf(() =>
        db.transaction((tx) => {
          const bad = { action: "create" as const, traceId: "trace", data: { secret: "hunter2" } };
          const refused = inputErrorOf(() => cortex.append(tx, bad));
          expect(refused).toMatchObject({ code: "INVALID_DATA", field: "data", path: ["list", 2, "name"] });
          expect(refused.message).not.toContain("hunter2");
          expect(refused.cause).toBeUndefined();
          const second = inputErrorOf(() => cortex.append(tx, [mutation(), bad] as never));
          expect(second.field).toBe("events[1].data");
          return undefined as never;
        }),
      );
      expect(statements).toEqual([]);
    });

    test("whose output JSON cannot hold are refused", async () => {
      const { db } = await opened();
      const create = schema(() => ({ value: new Date(0) }));
      const cortex = openCortex({ id: ALPHA, origin: "alpha", schemas: { create } });
      const refused = await errorOf(() =>
        db.transaction((tx) => cortex.append(tx, { action: "create", traceId: "trace", data: "1970" })),
      );
      expect(refused).toMatchObject({ code: "INVALID_DATA" });
    });

    test.each([
      ["that resolve", async () => ({ value: 1 })],
      ["that reject", () => Promise.reject(new Error("later"))],
      // biome-ignore lint/suspicious/noThenProperty: a promise of another library or realm
      ["of another kind of promise", () => ({ then: (done: (v: unknown) => void) => done({ value: 1 }) })],
    ])("with asynchronous validators %s are refused before any SQL", async (_, validate) => {
      const { db, statements } = await opened();
      const cortex = openCortex({ id: ALPHA, origin: "alpha", schemas: { create: schema(validate) } });
      await errorOf(() =>
        db.transaction((tx) => {
          const refused = inputErrorOf(() =>
            cortex.append(tx, { action: "create", traceId: "trace", data: 1 }),
          );
          expect(refused).toMatchObject({ code: "ASYNC_SCHEMA", field: "data" });
          return undefined as never;
        }),
      );
      expect(statements).toEqual([]);
    });

    test("are looked up by the action's own name only", async () => {
      const { db } = await opened();
      const cortex = openCortex({ id: ALPHA, origin: "alpha", schemas: {} });
      const stored = await db.transaction((tx) =>
        cortex.append(tx, mutation({ action: "constructor" as Action })),
      );
      expect(stored.action).toBe("constructor");
    });
  });

  describe("drift", () => {
    test("a foreign id up to maxDrift ahead is followed, and one beyond it is not", async () => {
      for (const [ahead, followed] of [
        [5 * MINUTE, true],
        [5 * MINUTE + 1, false],
      ] as const) {
        const { db } = await opened();
        const id = idAt(NOW + ahead);
        await db.transaction((tx) => append(tx, event({ id, cortexId: BETA, vclock: { [BETA]: 1 } })));
        const stored = await writer(db).add();
        expect(stored.id > id).toBe(followed);
        expect(stored.vclock).toEqual({ [ALPHA]: 1, [BETA]: 1 });
        expect(stored.timestamp).toBe("2026-01-01T00:00:00.000Z");
        expect(ids(await drifted(db, { now: () => NOW }))).toEqual(followed ? [] : [id]);
      }
    });

    test("maxDrift is the cortex's own choice, down to 0", async () => {
      const { db } = await opened();
      const id = idAt(NOW + 1);
      await db.transaction((tx) => append(tx, event({ id, cortexId: BETA })));
      expect(ulidTime((await writer(db, { maxDrift: 0 }).add()).id)).toBe(NOW);
      expect((await writer(db, { maxDrift: 1 }).add()).id > id).toBe(true);
    });

    test("drifted lists by id, up to its limit, and forgets an id whose time has come", async () => {
      const { db } = await opened();
      const far = [3, 1, 2].map((hours) => idAt(NOW + hours * 60 * MINUTE));
      await db.transaction((tx) => append(tx, [event({ id: idAt(NOW) }), ...far.map((id) => event({ id }))]));
      const sorted = [...far].sort();
      expect(ids(await drifted(db, { now: () => NOW }))).toEqual(sorted);
      expect(ids(await drifted(db, { now: () => NOW, limit: 2 }))).toEqual(sorted.slice(0, 2));
      expect(ids(await drifted(db, { now: () => NOW + 60 * MINUTE }))).toEqual(sorted.slice(1));
      expect(ids(await drifted(db, { now: () => NOW, maxDrift: 120 * MINUTE }))).toEqual(sorted.slice(2));
      const bad = inputErrorOf(() => drifted(db, { now: () => Number.NaN }));
      expect(bad.code).toBe("INVALID_NOW");
      expect(inputErrorOf(() => drifted(db, { maxDrift: -1 })).code).toBe("INVALID_DRIFT");
    });

    test.each([1, 4 * MINUTE, 6 * MINUTE, 24 * 60 * MINUTE])(
      "a step of %i ms back lowers no id",
      async (step) => {
        const { db } = await opened();
        let now = NOW;
        const { add } = writer(db, { now: () => now });
        const before = await add();
        now -= step;
        const after = await add();
        expect(after.id > before.id).toBe(true);
        expect(after.timestamp).toBe(new Date(now).toISOString());
        expect((await add()).id > after.id).toBe(true);
      },
    );
  });

  test("the same clock and randomness make the same ids in the same log", async () => {
    const made = [];
    for (const seed of [3, 3, 4]) {
      const { db } = await opened();
      const { add, addAll } = writer(db, { randomness: seeded(seed) });
      made.push(ids([await add(), ...(await addAll({}, {})), await add()]));
    }
    expect(made[0]).toEqual(made[1]);
    expect(made[0]![0]).toBe(ulidFactory({ now: () => NOW, randomness: seeded(3) })());
    expect(new Set(made.flat()).size).toBe(8);
  });

  test("broken randomness is an InputError, and nothing is written", async () => {
    for (const value of [1, -1, Number.NaN]) {
      const { db } = await opened();
      const refused = await errorOf(() => writer(db, { randomness: () => value }).add());
      expect(refused).toMatchObject({ name: "InputError", code: "INVALID_RANDOMNESS" });
      expect(await everything(db)).toEqual([]);
    }
  });

  test("a broken clock is an InputError before any SQL", async () => {
    const { db, statements } = await opened();
    const times = [Number.NaN, -1, 0.5, Number.POSITIVE_INFINITY, 2 ** 48, "1", undefined];
    await db.transaction((tx) => {
      for (const time of [...times, Date.UTC(10000, 0), 2 ** 48 - 1]) {
        const { cortex } = writer(db, { now: () => time as number });
        const { code } = inputErrorOf(() => cortex.append(tx, mutation()));
        expect([code, time]).toEqual([times.includes(time) ? "INVALID_NOW" : "INVALID_TIMESTAMP", time]);
      }
      return undefined as never;
    });
    expect(statements).toEqual([]);
  });

  test("what the cortex stamps may not be in a mutation, nor any unknown field", async () => {
    const { db, statements } = await opened();
    const { cortex } = writer(db);
    const stamps = {
      id: newULID(),
      cortexId: ALPHA,
      origin: "x",
      vclock: { [ALPHA]: 1 },
      timestamp: "",
      seq: 1,
      trace_id: "",
    };
    await db.transaction((tx) => {
      for (const [key, value] of Object.entries(stamps)) {
        const one = inputErrorOf(() => cortex.append(tx, mutation({ [key]: value })));
        expect(one).toMatchObject({ code: "UNKNOWN_FIELD", field: "event", path: [key] });
        const many = inputErrorOf(() => cortex.append(tx, [mutation(), mutation({ [key]: value })]));
        expect(many).toMatchObject({ code: "UNKNOWN_FIELD", field: "events[1].event" });
      }
      return undefined as never;
    });
    expect(statements).toEqual([]);
  });

  test.each([
    ["INVALID_EVENT", null],
    ["INVALID_EVENT", "update"],
    ["INVALID_ACTION", {}],
    ["INVALID_ACTION", mutation({ action: "up date" })],
    ["INVALID_TRACE_ID", mutation({ traceId: "" })],
    ["INVALID_TRACE_ID", mutation({ traceId: "\ud800" })],
    ["UNKNOWN_FIELD", mutation({ id: newULID() })],
    ["UNKNOWN_FIELD", mutation({ idempotency_key: "key" })],
    ["INVALID_ACTOR", mutation({ actor: "" })],
    ["INVALID_META", mutation({ meta: [] })],
    ["META_TOO_LARGE", mutation({ meta: { a: "x".repeat(2 ** 14) } })],
    ["INVALID_IDEMPOTENCY_KEY", mutation({ idempotencyKey: null })],
    ["INVALID_DATA", mutation({ data: { at: new Date(0) } })],
  ])("a mutation that is none is refused with %s before any SQL", async (code, input) => {
    const { db, statements } = await opened();
    await db.transaction((tx) => {
      expect(inputErrorOf(() => writer(db).cortex.append(tx, input as Mutation)).code).toBe(code);
      return undefined as never;
    });
    expect(statements).toEqual([]);
  });

  test("a database in place of a transaction is refused, also a transaction that is over", async () => {
    const { db, statements } = await opened();
    const { cortex } = writer(db);
    for (const tx of [db, undefined, {}]) {
      const refused = inputErrorOf(() => cortex.append(tx as never, mutation()));
      expect(refused).toMatchObject({ code: "NOT_A_TRANSACTION", field: "tx" });
    }
    expect(statements).toEqual([]);
    let over: unknown;
    await db.transaction((tx) => {
      over = tx;
      return undefined as never;
    });
    expect(await errorOf(() => cortex.append(over as never, mutation()))).toBeInstanceOf(Error);
    expect(await everything(db)).toEqual([]);
  });

  test("a log of 256 cortexes takes no other, also by a clock of its own; those it has go on", async () => {
    const { db } = await opened();
    const known = Array.from({ length: 256 }, () => newULID());
    const first = (cortexId: string) => event({ id: idAt(NOW), cortexId, vclock: { [cortexId]: 1 } });
    await db.transaction((tx) => append(tx, known.map(first)));
    const refusal = { name: "ConflictError", code: "TOO_MANY_CORTEXES", cortexId: ALPHA };
    const why = expect.stringContaining("by a new id each time?");
    expect(await errorOf(() => writer(db).addAll({}, {}))).toMatchObject({ ...refusal, message: why });
    // No cortex could write after these.
    for (const events of [[first(ALPHA)], [event(), first(ALPHA)]]) {
      expect(await errorOf(() => db.transaction((tx) => append(tx, events)))).toMatchObject(refusal);
    }
    expect(await everything(db)).toHaveLength(256);
    const { vclock } = await writer(db, { id: known[7]! }).add();
    expect(Object.keys(vclock!)).toHaveLength(256);
    expect(vclock![known[7]!]).toBe(2);
  });

  test("a rollback leaves no gap in the counters", async () => {
    const { db } = await opened();
    const { cortex, add } = writer(db);
    await add();
    const stop = new Error("stop");
    const thrown = await errorOf(() =>
      db.transaction((tx) => {
        const pending = cortex.append(tx, [mutation(), mutation()]) as unknown;
        if (!(pending instanceof Promise)) throw stop;
        return pending.then(() => {
          throw stop;
        }) as never;
      }),
    );
    expect(thrown).toBe(stop);
    expect((await add()).vclock).toEqual({ [ALPHA]: 2 });
    expect(counters(await everything(db))).toEqual([1, 2]);
  });

  test("driver and answer agree: a value on a synchronous driver, a promise on an asynchronous one", async () => {
    const { db } = await opened();
    const { cortex } = writer(db);
    await db.transaction((tx) => {
      const answer = cortex.append(tx, mutation()) as unknown;
      expect(answer instanceof Promise).toBe(driver === "libsql");
      return answer as never;
    });
  });
});

describe.each(drivers)("on %s, after an event of its own, a cortex", (_driver, open) => {
  const opened = async () => (await open()) as unknown as Awaited<ReturnType<typeof openLibsql>>;
  const later = (round: number) => idAt(NOW + (round + 1) * MINUTE);
  const theirs = (round: number, over = {}) => event({ id: later(round), cortexId: BETA, ...over });
  const others: [name: string, add: (db: Libsql, round: number) => unknown][] = [
    ["an event of another cortex", (db) => writer(db, { id: BETA }).add()],
    ["an event of its own, opened elsewhere", (db) => writer(db).add()],
    ["a batch of its own, opened elsewhere", (db) => writer(db).addAll({}, {}, {})],
    ["an event without a clock", (db, i) => db.transaction((tx) => append(tx, theirs(i)))],
    [
      "an event of a peer",
      async (db, i) => {
        const { hash = "" } = (await frontier(db))[BETA] ?? {};
        const next = theirs(i, { timestamp: "2026-01-01T00:00:00Z", vclock: { [BETA]: i + 1 } }) as Event;
        await db.transaction((tx) => accept(tx, [proven(next, hash)], { now: () => NOW }));
      },
    ],
  ];

  test.each(others)("counts and follows %s", async (_name, addOther) => {
    const { db } = await opened();
    const { add } = writer(db);
    for (let round = 0; round < 4; round++) {
      await add();
      await add();
      await addOther(db, round);
      const seen = await clock(db);
      const before = await everything(db);
      const next = await add();
      expect(next.vclock).toEqual({ ...seen, [ALPHA]: seen[ALPHA]! + 1 });
      expect(next.seq).toBe(before.length + 1);
      expect(
        ids([...before, next])
          .sort()
          .at(-1),
      ).toBe(next.id);
    }
  });

  test("does not count one that was rolled back, also when another took its place", async () => {
    const { db } = await opened();
    const { cortex, add } = writer(db);
    const undo = () =>
      errorOf(() =>
        db.transaction((tx) => {
          const fail = () => {
            throw new Error("undone");
          };
          const stored = cortex.append(tx, mutation()) as unknown;
          return stored instanceof Promise ? stored.then(fail) : fail();
        }),
      );
    await add();
    expect(await undo()).toEqual(new Error("undone"));
    expect((await add()).vclock).toEqual({ [ALPHA]: 2 });
    expect(await undo()).toEqual(new Error("undone"));
    await writer(db, { id: BETA }).add();
    expect((await add()).vclock).toEqual({ [ALPHA]: 3, [BETA]: 1 });
  });

  test("knows one log from another", async () => {
    const { db } = await opened();
    const { db: other } = await opened();
    const { cortex, add } = writer(db);
    const addThere = () => other.transaction((tx) => cortex.append(tx, mutation()));
    await add();
    expect((await addThere()).vclock).toEqual({ [ALPHA]: 1 });
    await writer(other, { id: BETA }).add();
    await add();
    await add();
    await add();
    expect((await addThere()).vclock).toEqual({ [ALPHA]: 2, [BETA]: 1 });
    expect(counters(await everything(db))).toEqual([1, 2, 3, 4]);
  });

  test("knows one log from another that ends with the same event", async () => {
    const { db } = await opened();
    const { db: other } = await opened();
    const { cortex, add } = writer(db);
    await add();
    await writer(other, { id: BETA }).add();
    const page = await missing(db, {});
    await other.transaction((tx) => accept(tx, page, { now: () => NOW }));
    const next = await other.transaction((tx) => cortex.append(tx, mutation()));
    expect(next.vclock).toEqual({ [ALPHA]: 2, [BETA]: 1 });
  });

  test("is not misled by a caller who changes the answer", async () => {
    const { db } = await opened();
    const { add } = writer(db);
    const answer = (await add()) as { seq: number; id: string; vclock: Record<string, number> };
    Object.assign(answer.vclock, { [ALPHA]: 7, [BETA]: 7 });
    Object.assign(answer, { seq: 9, id: later(9) });
    expect((await add()).vclock).toEqual({ [ALPHA]: 2 });
  });

  test("appends in one statement while it writes alone, and in two, a look-up first, while others do", async () => {
    const { db, statements } = await opened();
    const [mine, other] = [writer(db), writer(db, { id: BETA })];
    const countOf = async ({ add }: ReturnType<typeof writer>) => {
      statements.length = 0;
      await add();
      return statements.filter(({ sql }) => /^(insert|select)/.test(sql)).length;
    };
    expect([await countOf(mine), await countOf(mine), await countOf(mine)]).toEqual([2, 1, 1]);
    // The first to come after another's event tries in vain.
    expect([await countOf(other), await countOf(mine), await countOf(other)]).toEqual([2, 3, 3]);
    for (let i = 0; i < 3; i++) expect([await countOf(mine), await countOf(other)]).toEqual([2, 2]);
    expect([await countOf(mine), await countOf(mine), await countOf(mine)]).toEqual([2, 2, 1]);
  });
});

test("on a driver that does not tell what it wrote, seqs and counters are right", async () => {
  const { client } = openSqlite();
  const db = drizzleProxy(async (sql, params, method) => {
    const statement = client.prepare(sql);
    if (method !== "run") return { rows: statement.raw().all(...params) as unknown[][] };
    statement.run(...params);
    return { rows: [] };
  });
  const cortexes = [ALPHA, ALPHA, BETA].map((id) => openCortex({ id, origin: "x" }));
  const stored: StoredEvent[] = [];
  for (const i of [0, 0, 0, 1, 0, 2, 2, 2, 1, 1, 1, 0])
    stored.push(await db.transaction((tx) => cortexes[i]!.append(tx, mutation())));
  await db.transaction((tx) => append(tx, [event(), event()]));
  expect(stored.map(({ seq }) => seq)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
  expect((await feed(db)).slice(0, 12)).toEqual(stored);
  expect(await clock(db)).toEqual({ [ALPHA]: 9, [BETA]: 3 });
});

test("on a synchronous driver several appends of one transaction follow on one another", () => {
  const { db } = openSqlite();
  const cortex = openCortex({ id: ALPHA, origin: "alpha", lifecycle: true });
  const [first, rest] = db.transaction((tx) => {
    const created = cortex.append(tx, { action: "create", traceId: "trace", expect: "none" });
    const more = cortex.append(tx, [
      { action: "archive", traceId: "trace", expect: created.seq },
      { action: "trash", traceId: "trace" },
    ]);
    return [created, more] as const;
  });
  expectTypeOf(first.seq).toEqualTypeOf<number>();
  expect(counters([first, ...rest] as StoredEvent[])).toEqual([1, 2, 3]);
  expect(() =>
    db.transaction((tx) => {
      cortex.append(tx, { action: "recover", traceId: "trace" });
      throw new Error("undone");
    }),
  ).toThrow("undone");
  expect(clock(db)).toEqual({ [ALPHA]: 3 });
});

test("through Promise.all in one transaction appends are dense, distinct and in order", async () => {
  const { db } = await openLibsql();
  const cortexes = [ALPHA, ALPHA, BETA].map((id) => openCortex({ id, origin: "x", now: () => NOW }));
  const stored = await db.transaction((tx) =>
    Promise.all(
      Array.from({ length: 60 }, (_, i) => cortexes[i % 3]!.append(tx, mutation({ traceId: `t${i % 5}` }))),
    ),
  );
  expect(stored.map(({ seq }) => seq)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
  expect(ids(stored)).toEqual([...new Set(ids(stored))].sort());
  expect(await clock(db)).toEqual({ [ALPHA]: 40, [BETA]: 20 });
  expect(counters(stored.filter(({ cortexId }) => cortexId === ALPHA))).toEqual(
    Array.from({ length: 40 }, (_, i) => i + 1),
  );
});

test("through Promise.all one append that is refused leaves the others their places", async () => {
  const { db } = await openLibsql();
  const { cortex } = writer(db);
  const outcomes = await db.transaction((tx) =>
    Promise.allSettled([
      cortex.append(tx, mutation({ expect: "none" })),
      cortex.append(tx, mutation({ expect: "none" })),
      cortex.append(tx, mutation()),
    ]),
  );
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(counters(await everything(db))).toEqual([1, 2]);
});

test("schemas type the payload of their actions, and no other", () => {
  const { db } = openSqlite();
  const create = schema<{ title: string }>((value) => ({ value }));
  const cortex = openCortex({ id: ALPHA, origin: "alpha", schemas: { create } });
  const never = () =>
    db.transaction((tx) => {
      cortex.append(tx, { action: "create", traceId: "trace", data: { title: "Milk" } });
      cortex.append(tx, { action: "update", traceId: "trace", data: 7 });
      cortex.append(tx, { action: "update", traceId: "trace" });
      // @ts-expect-error the schema wants a string
      cortex.append(tx, { action: "create", traceId: "trace", data: { title: 7 } });
      // @ts-expect-error the schema wants data
      cortex.append(tx, { action: "create", traceId: "trace" });
      // @ts-expect-error neither the table nor a schema knows this action
      cortex.append(tx, { action: "publish", traceId: "trace" });
      cortex.append(tx, { action: "update", traceId: "trace", actor: "a", meta: {}, idempotencyKey: "k" });
      // @ts-expect-error the cortex stamps this
      cortex.append(tx, { action: "update", traceId: "trace", cortexId: ALPHA });
      // @ts-expect-error ids are minted
      cortex.append(tx, { action: "update", traceId: "trace", id: ALPHA });
      // @ts-expect-error meta is an object
      cortex.append(tx, { action: "update", traceId: "trace", meta: "x" });
      // @ts-expect-error a database is no transaction
      cortex.append(db, { action: "update", traceId: "trace" });
    });
  expect(never).toBeTypeOf("function");
});

describe("openCortex", () => {
  test.each([
    ["INVALID_CORTEX_ID", { id: "laptop" }],
    ["INVALID_CORTEX_ID", { id: ALPHA.toLowerCase() }],
    ["INVALID_CORTEX_ID", { id: undefined }],
    ["INVALID_ORIGIN", { origin: "" }],
    ["INVALID_ORIGIN", { origin: "x".repeat(256) }],
    ["INVALID_DRIFT", { maxDrift: -1 }],
    ["INVALID_DRIFT", { maxDrift: Number.NaN }],
    ["INVALID_DRIFT", { maxDrift: 0.5 }],
  ])("refuses with %s: %j", (code, over) => {
    const refused = inputErrorOf(() => openCortex({ id: ALPHA, origin: "alpha", ...over } as CortexOptions));
    expect(refused.code).toBe(code);
  });

  test("tells who it is", () => {
    expect(openCortex({ id: ALPHA, origin: "alpha" })).toMatchObject({ id: ALPHA, origin: "alpha" });
  });
});

test("two logs that both follow one id ahead of their clocks never make the same next id", async () => {
  const ahead = event({ id: idAt(NOW + MINUTE), cortexId: newULID() });
  const next = [ALPHA, BETA].map((id) => {
    const { db } = openSqlite();
    const cortex = openCortex({ id, origin: "x", now: () => NOW });
    db.transaction((tx) => append(tx, ahead));
    return db.transaction((tx) => cortex.append(tx, [mutation(), mutation()]));
  });
  const made = next.flat().map(({ id }) => id);
  expect(made.every((id) => id > ahead.id!)).toBe(true);
  expect(new Set(made).size).toBe(4);
});

describe("under any clocks", () => {
  const step = fc.record({
    cortex: fc.constantFrom(0, 1, 2),
    move: fc.oneof(
      fc.integer({ min: -1000, max: 1000 }),
      fc.constantFrom(0, -60 * MINUTE, 60 * MINUTE, -1, 1),
    ),
    size: fc.integer({ min: 1, max: 3 }),
  });
  const cortexIds = [ALPHA, BETA, "01CX5ZZKBKACTAV9WEVGEMMVS0"];

  test("a cortex's ids rise strictly, its counters are dense, and clocks count all that came before", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const { db } = openSqlite();
        const times = [NOW, NOW, NOW];
        const cortexes = cortexIds.map((id, i) => openCortex({ id, origin: "x", now: () => times[i]! }));
        const seen: Record<string, number> = {};
        for (const { cortex, move, size } of steps) {
          times[cortex]! += move;
          const batch = Array.from({ length: size }, () => mutation());
          for (const { vclock } of db.transaction((tx) => cortexes[cortex]!.append(tx, batch))) {
            seen[cortexIds[cortex]!] = (seen[cortexIds[cortex]!] ?? 0) + 1;
            expect(vclock).toEqual(seen);
          }
        }
        for (const cortexId of cortexIds) {
          const own = ids(feed(db, { cortexId }));
          expect(own).toEqual([...new Set(own)].sort());
        }
      }),
      { numRuns: 40 },
    );
  });

  test("within maxDrift of each other the order by id is the order of what happened before", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: -150_000, max: 150_000 }), { minLength: 3, maxLength: 3 }),
        fc.array(fc.tuple(fc.constantFrom(0, 1, 2), fc.integer({ min: 0, max: 5 })), { maxLength: 40 }),
        async (offsets, steps) => {
          const { db } = openSqlite();
          let now = NOW;
          const cortexes = cortexIds.map((id, i) =>
            openCortex({ id, origin: "x", now: () => now + offsets[i]! }),
          );
          // A poisoned id from the start on: nobody may follow it.
          const poison = idAt(NOW + 10 * 365 * 24 * 60 * MINUTE);
          db.transaction((tx) => append(tx, event({ id: poison, cortexId: newULID() })));
          for (const [cortex, passed] of steps) {
            now += passed;
            db.transaction((tx) => cortexes[cortex]!.append(tx, mutation()));
          }
          const order = ids(feed(db)).slice(1);
          expect(order).toEqual([...new Set(order)].sort());
          expect(order.every((id) => id < poison)).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });
});
