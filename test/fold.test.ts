import {
  append,
  createEventsTable,
  type Event,
  type EventsTable,
  events,
  fold,
  forTrace,
  type Reducer,
  type StoredEvent,
  stateAt,
  ulidFactory,
} from "drizzle-event-log";
import fc from "fast-check";
import { describe, expect, expectTypeOf, test } from "vitest";
import { ALPHA, errorOf, event, openLibsql, openSqlite, thrownBy } from "./fixture.js";

/** The actions of a small app: what each carries as `data`. */
interface NoteEvents {
  create: { title: string };
  retitle: { title: string };
  star: undefined;
}

interface Note {
  title: string;
  stars: number;
}

const note: Reducer<Note, NoteEvents> = {
  create: (state, { data }) => ({ ...state, title: data.title }),
  retitle: (state, { data }) => ({ ...state, title: data.title }),
  star: (state) => ({ ...state, stars: state.stars + 1 }),
};
const blank: Note = { title: "", stars: 0 };
// The same table, typed with the app's actions.
const log = events as unknown as EventsTable<NoteEvents>;

const makeId = ulidFactory({ now: () => Date.UTC(2026, 0) });
const happened = (action: string, data?: unknown, over = {}) =>
  ({ ...event({ id: makeId(), action, data }), timestamp: "2026-01-01T00:00:00Z", ...over }) as Event<any>;

describe("fold", () => {
  test("it leads from the initial state through each event, in the order given", () => {
    const history = [
      happened("create", { title: "a" }),
      happened("star"),
      happened("retitle", { title: "b" }),
    ];
    expect(fold<Note, NoteEvents>(history, note, blank)).toEqual({ title: "b", stars: 1 });
    expect(fold<Note, NoteEvents>([...history].reverse(), note, blank)).toEqual({ title: "a", stars: 1 });
  });

  test("of no events it is the initial state, the same object", () => {
    expect(fold<Note, NoteEvents>([], note, blank)).toBe(blank);
  });

  test("it takes any iterable, once", () => {
    function* history() {
      yield happened("star");
      yield happened("star");
    }
    expect(fold<Note, NoteEvents>(history(), note, blank)).toEqual({ title: "", stars: 2 });
  });

  test("it is the plain reduce over the events that the reducer knows, for any history", () => {
    const action = fc.constantFrom("create", "update", "constructor", "unknown_action");
    fc.assert(
      fc.property(fc.array(fc.tuple(action, fc.nat())), (pairs) => {
        const history = pairs.map(([name, n]) => happened(name, n));
        const reducer: Reducer<string, any> = {
          create: (state, { data }) => `${state}c${data}`,
          update: (state, { data }) => `${state}u${data}`,
        };
        const known = pairs.filter(([name]) => name === "create" || name === "update");
        expect(fold<string, any>(history, reducer, "")).toBe(
          known.map(([name, n]) => `${name[0]}${n}`).join(""),
        );
      }),
    );
  });

  test.each(["constructor", "valueof", "tostring", "hasownproperty", "toString", "__proto__"])(
    "an action named %s calls nothing that a reducer or the upcasters inherit",
    (action) => {
      const history = [happened(action, { title: "x" })];
      expect(fold<Note, NoteEvents>(history, note, blank)).toBe(blank);
      expect(fold<Note, NoteEvents>(history, {}, blank, { upcasters: {} })).toBe(blank);
    },
  );

  test("a reducer's own entry is called, whatever its name", () => {
    const reducer = { constructor: (n: number) => n + 1 } as Reducer<number, any>;
    expect(fold<number, any>([happened("constructor")], reducer, 0)).toBe(1);
  });

  test("an upcaster gets every payload of its action, and the reducer only what it makes of it", () => {
    const seen: unknown[] = [];
    const history = [
      happened("create", "a bare title"),
      happened("retitle", { title: "b" }),
      happened("create", { title: "c" }),
    ];
    const upcasters = {
      create: (data: unknown) => {
        seen.push(data);
        return typeof data === "string" ? { title: data } : (data as { title: string });
      },
    };
    const titles: Reducer<string[], NoteEvents> = {
      create: (state, { data }) => [...state, data.title],
      retitle: (state, { data }) => [...state, data.title],
    };
    expect(fold<string[], NoteEvents>(history, titles, [], { upcasters })).toEqual([
      "a bare title",
      "b",
      "c",
    ]);
    expect(seen).toEqual(["a bare title", { title: "c" }]);
    expect(history[0]!.data).toBe("a bare title");
  });

  test("each reducer entry is typed by its action", () => {
    const reducer: Reducer<number, NoteEvents> = {
      create: (state, event) => {
        expectTypeOf(event).toEqualTypeOf<Extract<Event<NoteEvents>, { action: "create" }>>();
        expectTypeOf(event.data).toEqualTypeOf<{ title: string }>();
        return state;
      },
      star: (state, event) => {
        expectTypeOf(event.action).toEqualTypeOf<"star">();
        return state;
      },
      // @ts-expect-error no event has this action
      publish: (state: number) => state,
    };
    // @ts-expect-error the state is a number
    const wrong: Reducer<number, NoteEvents> = { star: () => "one" };
    expectTypeOf(fold<number, NoteEvents>([], reducer, 0)).toEqualTypeOf<number>();
    const upcast: Parameters<typeof fold<number, NoteEvents>>[3] = {
      // @ts-expect-error an upcaster answers with the payload of today
      upcasters: { create: () => ({ name: "x" }) },
    };
    expect([wrong, upcast]).toHaveLength(2);
  });
});

describe.each(["libsql", "better-sqlite3"])("stateAt on %s", (driver) => {
  const open = async () => {
    const opened = driver === "libsql" ? await openLibsql() : openSqlite();
    return opened as Awaited<ReturnType<typeof openLibsql>>;
  };
  const count: Reducer<string[], any> = { update: (state, { data }) => [...state, data as string] };
  const idOf = (letter: string) => `01KDVDNA00${letter.repeat(16)}`;

  /** The events b, a, c arrived in this order; another trace has one too. */
  async function openLog() {
    const { db } = await open();
    const at = (letter: string, timestamp: string, traceId = "trace") =>
      event({ id: idOf(letter), data: letter, timestamp, traceId });
    await db.transaction((tx) =>
      append(tx, [
        at("B", "2026-01-01T00:00:00.5Z"),
        at("A", "2026-01-01T00:00:00.123456789Z"),
        at("X", "2026-01-01T00:00:00Z", "another"),
        at("C", "2026-01-01T00:00:01Z"),
      ]),
    );
    return db;
  }

  test("by id it is the events up to that id, inclusive, whether or not one has it", async () => {
    const db = await openLog();
    const by = async (id: string) => stateAt(db, "trace", { id }, count, []);
    expect(await by(idOf("A"))).toEqual(["A"]);
    expect(await by(idOf("B"))).toEqual(["A", "B"]);
    expect(await by(`01KDVDNA00${"B".repeat(15)}C`)).toEqual(["A", "B"]);
    expect(await by("0".repeat(26))).toEqual([]);
    expect(await by(`7${"Z".repeat(25)}`)).toEqual(["A", "B", "C"]);
  });

  test("by seq it is what this database had by then, in the order of ids", async () => {
    const db = await openLog();
    const by = async (seq: number) => stateAt(db, "trace", { seq }, count, []);
    expect(await by(0)).toEqual([]);
    expect(await by(1)).toEqual(["B"]);
    expect(await by(2)).toEqual(["A", "B"]);
    expect(await by(3)).toEqual(["A", "B"]);
    expect(await by(4)).toEqual(["A", "B", "C"]);
    expect(await by(Number.MAX_SAFE_INTEGER)).toEqual(["A", "B", "C"]);
  });

  test("by timestamp it is the events of that time or before, however many digits a second has", async () => {
    const db = await openLog();
    const by = async (timestamp: string) => stateAt(db, "trace", { timestamp }, count, []);
    expect(await by("2026-01-01T00:00:00Z")).toEqual([]);
    expect(await by("2026-01-01T00:00:00.1Z")).toEqual([]);
    expect(await by("2026-01-01T00:00:00.123456788Z")).toEqual([]);
    expect(await by("2026-01-01T00:00:00.123456789Z")).toEqual(["A"]);
    expect(await by("2026-01-01T00:00:00.13Z")).toEqual(["A"]);
    expect(await by("2026-01-01T00:00:00.499999999Z")).toEqual(["A"]);
    expect(await by("2026-01-01T00:00:00.500Z")).toEqual(["A", "B"]);
    expect(await by("2026-01-01T00:00:00.999Z")).toEqual(["A", "B"]);
    expect(await by("2026-01-01T00:00:01.000Z")).toEqual(["A", "B", "C"]);
    expect(await by("2027-01-01T00:00:00Z")).toEqual(["A", "B", "C"]);
  });

  test("it sees a transaction's own events, and an unknown trace is as it began", async () => {
    const db = await openLog();
    const seen = await db.transaction((tx): any => {
      const appended = append(tx, event({ id: idOf("D"), data: "D" })) as unknown;
      const read = () => stateAt(tx, "trace", { id: idOf("Z") }, count, []);
      return appended instanceof Promise ? appended.then(read) : read();
    });
    expect(seen).toEqual(["A", "B", "C", "D"]);
    const initial: string[] = [];
    expect(await stateAt(db, "none", { seq: 9 }, count, initial)).toBe(initial);
  });

  test("it folds with the upcasters, and is typed by the table", async () => {
    const { db } = await open();
    await db.transaction((tx) => append(tx, event({ action: "create", data: "old" })));
    const upcasters = { create: (data: unknown) => ({ title: `${data}, upcast` }) };
    const state = await stateAt(db, "trace", { seq: 1 }, note, blank, { table: log, upcasters });
    expectTypeOf(state).toEqualTypeOf<Note>();
    expect(state).toEqual({ title: "old, upcast", stars: 0 });
  });

  test.each([
    [{ id: "x" }, "INVALID_ID"],
    [{ id: null }, "INVALID_ID"],
    [{ id: undefined }, "INVALID_AS_OF"],
    [{ seq: null }, "INVALID_CURSOR"],
    [{ timestamp: null }, "INVALID_TIMESTAMP"],
    [{ seq: -1 }, "INVALID_CURSOR"],
    [{ seq: 1.5 }, "INVALID_CURSOR"],
    [{ timestamp: "2026-01-01" }, "INVALID_TIMESTAMP"],
    [{ timestamp: "2026-02-30T00:00:00Z" }, "INVALID_TIMESTAMP"],
    [{}, "INVALID_AS_OF"],
    [null, "INVALID_AS_OF"],
    ["2026-01-01T00:00:00Z", "INVALID_AS_OF"],
  ])("as of %j it refuses before any SQL: %s", async (asOf, code) => {
    const { db, statements } = await open();
    const refused = thrownBy(() => stateAt(db, "trace", asOf as never, count, []));
    expect(refused).toMatchObject({ code, field: expect.stringMatching(/^asOf\b/) });
    expect(statements).toEqual([]);
  });

  test("a trace id that can be none is refused", async () => {
    const { db } = await open();
    expect(await errorOf(() => stateAt(db, "", { seq: 1 }, count, []))).toMatchObject({
      code: "INVALID_TRACE_ID",
    });
  });
});

test("stateAt is the fold over the part of the history that counts, for any history and place", async () => {
  const moment = fc.tuple(fc.nat(3), fc.constantFrom("", ".5", ".50", ".05", ".123456789", ".999"));
  const timestamp = moment.map(([second, fraction]) => `2026-01-01T00:00:0${second}${fraction}Z`);
  const list: Reducer<string[], any> = { update: (state, { id }) => [...state, id] };
  const nanoseconds = (text: string) =>
    BigInt(Date.parse(`${text.slice(0, 19)}Z`)) * 1_000_000n + BigInt(text.slice(20, -1).padEnd(9, "0"));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(timestamp, fc.nat())),
      timestamp,
      fc.nat(20),
      async (rows, asOf, n) => {
        const { db } = openSqlite();
        const ids = ulidFactory();
        const made = rows.map(([time, rank]) => ({ rank, row: event({ id: ids(), timestamp: time }) }));
        const arrived = made.sort((a, b) => a.rank - b.rank).map(({ row }) => row);
        if (arrived.length > 0) db.transaction((tx) => append(tx, arrived));
        const history = forTrace(db, "trace");
        const those = (counts: (event: (typeof history)[number]) => boolean) =>
          history.filter(counts).map(({ id }) => id);
        const place = history[n % Math.max(1, history.length)]?.id ?? ALPHA;
        expect(stateAt(db, "trace", { seq: n }, list, [])).toEqual(those(({ seq }) => seq <= n));
        expect(stateAt(db, "trace", { id: place }, list, [])).toEqual(those(({ id }) => id <= place));
        expect(stateAt(db, "trace", { timestamp: asOf }, list, [])).toEqual(
          those((event) => nanoseconds(event.timestamp) <= nanoseconds(asOf)),
        );
      },
    ),
    { numRuns: 50 },
  );
});

test("a reducer that is a constant compiles with any initial state of its kind", () => {
  const count = { create: (n: number) => n + 1 };
  const { db } = openSqlite();
  expectTypeOf(fold([] as StoredEvent[], count, 0)).toEqualTypeOf<number>();
  expectTypeOf(stateAt(db, "t", { seq: 1 }, count, 0)).toEqualTypeOf<number>();
  // @ts-expect-error no number
  expect(fold([], count, "")).toBe("");
});

test("a table of the app's own actions types the state's events", () => {
  const table = createEventsTable<NoteEvents>("notes_log");
  const { db } = openSqlite();
  const wrong = () =>
    stateAt(db, "t", { seq: 1 }, { publish: (n: number) => n } as Reducer<number, NoteEvents>, 0, { table });
  expect(wrong).toBeTypeOf("function");
  // @ts-expect-error the reducer is for an action that no event of this table has
  const alsoWrong = () => stateAt(db, "t", { seq: 1 }, { publish: (n: number) => n }, 0, { table });
  expect(alsoWrong).toBeTypeOf("function");
});
