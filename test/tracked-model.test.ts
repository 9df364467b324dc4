// Random calls of tracked tables against the log that they make: folding it gives the table, at every commit; each change
// of a row has one event, and each event a change. The control writes beside the log, and must be caught.

import { feed, fold, openCortex, type StoredEvent } from "drizzle-event-log";
import { rowData, track } from "drizzle-event-log/tracked";
import { eq, getTableColumns, inArray, type SQL, sql } from "drizzle-orm";
import { blob, customType, integer, primaryKey, real, sqliteTable, text } from "drizzle-orm/sqlite-core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { done, run, type Steps } from "../src/steps.js";
import { ALPHA, openLibsql, openSqlite } from "./fixture.js";

class Money {
  constructor(readonly cents: number) {}
}
const money = customType<{ data: Money; driverData: number }>({
  dataType: () => "integer",
  toDriver: ({ cents }) => cents,
  fromDriver: (cents) => new Money(Number(cents)),
});

const items = sqliteTable("items", {
  id: text("id").primaryKey(),
  title: text("title").notNull().default("untitled"),
  flag: integer("flag", { mode: "boolean" }),
  at: integer("at", { mode: "timestamp_ms" }),
  day: integer("day", { mode: "timestamp" }),
  ratio: real("ratio"),
  big: blob("big", { mode: "bigint" }),
  bytes: blob("bytes", { mode: "buffer" }),
  json: text("json", { mode: "json" }).$type<unknown>(),
  price: money("price"),
  secret: text("secret"),
  deletedAt: integer("deleted_at", { mode: "timestamp_ms" }),
  shout: text("shout").generatedAlwaysAs(sql`upper(title)`),
});

const seats = sqliteTable(
  "seats",
  {
    row: integer("row").notNull(),
    place: text("place").notNull(),
    guest: text("guest"),
    touched: integer("touched"),
  },
  (table) => [primaryKey({ columns: [table.row, table.place] })],
);

const DDL = [
  `create table items (id text primary key not null, title text not null default 'untitled', flag integer, at integer,
    day integer, ratio real, big blob, bytes blob, json text, price integer, secret text, deleted_at integer,
    shout text generated always as (upper(title)) virtual)`,
  "create table seats (row integer not null, place text not null, guest text, touched integer, primary key (row, place))",
  // A trigger of the app's own: it changes the row that was written.
  `create trigger touch after update of guest on seats begin
    update seats set touched = ifnull(touched, 0) + 1 where row = new.row and place = new.place; end`,
];

const trackedItems = track(items, {
  traceId: (row) => `item:${row.id}`,
  omit: ["secret"],
  softDelete: "deletedAt",
});
const trackedSeats = track(seats, {
  traceId: ({ row, place }) => `seat:${row}/${place}`,
  actions: { create: "SeatAdded", purge: "SeatRemoved" },
});
const tracked: Record<
  string,
  { table: any; tracked: any; omit: string[]; key: string[]; condition: (n: number) => SQL }
> = {
  items: {
    ...{ table: items, tracked: trackedItems, omit: ["secret"], key: ["id"] },
    condition: (n) =>
      [sql`true`, inArray(items.id, ["a", "b"]), eq(items.flag, true), sql`ratio > 0`, eq(items.id, "c")][n]!,
  },
  seats: {
    ...{ table: seats, tracked: trackedSeats, omit: [], key: ["row", "place"] },
    condition: (n) =>
      [sql`true`, eq(seats.row, 1), sql`guest is null`, eq(seats.place, "x"), sql`row > 2`][n]!,
  },
};

// What is done ------------------------------------------------------------------------------------------------

type Name = "items" | "seats";
type Operation =
  | { kind: "insert"; on: Name; values: object[] }
  | { kind: "update"; on: Name; set: object; where: number }
  | { kind: "move"; by: number; where: number }
  | { kind: "rename"; to: string; where: number }
  | { kind: "delete"; on: Name; where: number }
  | { kind: "restore"; on: Name; nth: number }
  | { kind: "beside"; where: number };

interface Work {
  operations: Operation[];
  /** What comes of the transaction in the end. */
  rollback: boolean;
}

const date = fc.integer({ min: -1e12, max: 1e13 }).map((ms) => new Date(ms));
const content = {
  title: fc.constantFrom("Milk", "milk", "Bread", ""),
  flag: fc.option(fc.boolean()),
  at: fc.option(date),
  day: fc.option(date),
  ratio: fc.option(
    fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom<unknown>(0, -0, 1, sql`9e999`),
    ),
  ),
  big: fc.option(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n })),
  bytes: fc.option(fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes))),
  json: fc.option(
    fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.parse(JSON.stringify(value).replaceAll("\\u0000", ""))),
  ),
  price: fc.option(fc.integer({ min: 0, max: 3 }).map((cents) => new Money(cents))),
  secret: fc.option(fc.constantFrom("s3cret", "other")),
  deletedAt: fc.option(date),
};
const item = fc.record({ id: fc.constantFrom(..."abcdef"), ...content }, { requiredKeys: ["id", "title"] });
const seat = fc.record(
  { row: fc.nat(4), place: fc.constantFrom("x", "y"), guest: fc.option(fc.constantFrom("Ann", "Bob")) },
  { requiredKeys: ["row", "place"] },
);
const seatSet = fc.record({ guest: fc.option(fc.constantFrom("Ann", "Bob")) });
const itemSet = fc.record(
  { ...content, title: fc.oneof(content.title, fc.constant(sql`title || '!'`)) },
  { requiredKeys: ["title"] },
);
const where = fc.nat(4);
const on = <T extends Name>(name: T) => fc.constant(name);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("insert"),
      on: on("items"),
      values: fc.array(item, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("insert"),
      on: on("seats"),
      values: fc.array(seat, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("update"),
      on: on("items"),
      set: fc.oneof(
        itemSet,
        fc.record({ deletedAt: content.deletedAt }),
        fc.record({ secret: content.secret }),
      ),
      where,
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("update"), on: on("seats"), set: seatSet, where }) },
  fc.record({ kind: fc.constant("move"), by: fc.integer({ min: -2, max: 2 }), where }),
  fc.record({ kind: fc.constant("rename"), to: fc.constantFrom(..."abcdef"), where }),
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("delete"), on: fc.constantFrom("items", "seats"), where }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("restore"),
      on: fc.constantFrom("items", "seats"),
      nth: fc.nat(200),
    }),
  },
) as fc.Arbitrary<Operation>;
const work: fc.Arbitrary<Work> = fc.record({
  operations: fc.array(operation, { minLength: 1, maxLength: 4 }),
  rollback: fc.boolean().chain((often) => (often ? fc.boolean() : fc.constant(false))),
});
const control: fc.Arbitrary<Work> = fc.record({
  operations: fc.array(fc.oneof(operation, fc.record({ kind: fc.constant("beside" as const), where })), {
    minLength: 1,
    maxLength: 4,
  }),
  rollback: fc.constant(false),
});

// How it is checked -------------------------------------------------------------------------------------------

const cortex = openCortex({ id: ALPHA, origin: "alpha" });

function* apply(tx: any, todo: Operation): Steps<StoredEvent[]> {
  if (todo.kind === "beside") {
    yield* done(tx.update(items).set({ title: "beside" }).where(tracked.items!.condition(todo.where)).run());
    return [];
  }
  if (todo.kind === "move") {
    const set = { row: sql`"row" + ${todo.by}` };
    return yield* done(trackedSeats.update(tx, cortex, set, tracked.seats!.condition(todo.where)) as any);
  }
  if (todo.kind === "rename") {
    return yield* done(
      trackedItems.update(tx, cortex, { id: todo.to }, tracked.items!.condition(todo.where)) as any,
    );
  }
  const { tracked: table, condition } = tracked[todo.on]!;
  if (todo.kind === "insert") return yield* done(table.insert(tx, cortex, todo.values));
  if (todo.kind === "update") return yield* done(table.update(tx, cortex, todo.set, condition(todo.where)));
  if (todo.kind === "delete") return yield* done(table.delete(tx, cortex, condition(todo.where)));
  const history: StoredEvent[] = yield* done(feed(tx, { limit: 10_000 }) as any);
  const own = history.filter(({ traceId }) => traceId.startsWith(todo.on.slice(0, -1)));
  return own.length === 0 ? [] : yield* done(table.restore(tx, cortex, own[todo.nth % own.length]));
}

/** The rows as SQLite has them, not as Drizzle reads them, by their primary keys; JSON by its value. */
function* dump(db: any): Steps<Map<string, string>> {
  const rows = new Map<string, string>();
  for (const [name, { table, key }] of Object.entries(tracked)) {
    const columns = Object.values(getTableColumns(table)) as any[];
    const list = columns.map((column) => `quote("${column.name}")`).join(", ");
    for (const row of (yield* done(db.values(sql.raw(`select ${list} from ${name}`)))) as string[][]) {
      const at = (column: string) =>
        row[columns.findIndex(({ name }) => name === column)]!.replaceAll("'", "");
      const trace = `${name.slice(0, -1)}:${key.map(at).join("/")}`;
      const values = columns.map(({ name: column }, i) => {
        const json = column === "json" && row[i] !== "NULL";
        return json ? canonical(JSON.parse(row[i]!.slice(1, -1).replaceAll("''", "'"))) : row[i];
      });
      rows.set(trace, values.join("|"));
    }
  }
  return rows;
}

function canonical(value: any): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical)}]`;
  return `{${Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`)}}`;
}

const expected = new Set([
  "TrackError",
  "ConflictError",
  "DrizzleQueryError",
  "DrizzleError",
  "SqliteError",
  "LibsqlError",
]);

/** Does it, and checks that each row that is another one now has an event, and no other row. */
function* checkedStep(tx: any, todo: Operation, seen: Counts): Steps<void> {
  const before = yield* dump(tx);
  let events: StoredEvent[] = [];
  try {
    events = yield* apply(tx, todo);
  } catch (error) {
    if (!expected.has((error as Error).constructor.name)) throw error;
    seen.refused++;
  }
  const after = yield* dump(tx);
  const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
    (id) => before.get(id) !== after.get(id),
  );
  const told = events.map(({ traceId }) => traceId);
  seen.changed += changed.length;
  seen.events += events.length;
  for (const { action } of events) seen.actions.add(action);
  // A row that moves into another's place may leave that as it was.
  const moves = todo.kind === "move" || todo.kind === "rename" || todo.kind === "restore";
  if (moves) expect(told).toEqual(expect.arrayContaining(changed));
  else expect([...told].sort()).toEqual(changed.sort());
}

function* checkLog(db: any): Steps<void> {
  const byTrace = new Map<string, StoredEvent[]>();
  for (const event of (yield* done(feed(db, { limit: 10_000 }) as any)) as StoredEvent[]) {
    byTrace.set(event.traceId, [...(byTrace.get(event.traceId) ?? []), event]);
  }
  for (const { table, tracked: of, omit } of Object.values(tracked)) {
    const folded = new Map<string, unknown>();
    const prefix = table === items ? "item:" : "seat:";
    for (const [traceId, events] of byTrace) {
      const row = traceId.startsWith(prefix) ? fold(events, of.reducer, undefined) : undefined;
      if (row) folded.set(traceId, row);
    }
    const actual = new Map<string, unknown>();
    for (const row of yield* done(db.select().from(table).all())) {
      const traceId = table === items ? `item:${row.id}` : `seat:${row.row}/${row.place}`;
      actual.set(traceId, rowData(table, row, { omit: omit as never[] }));
    }
    expect(Object.fromEntries(folded)).toEqual(Object.fromEntries(actual));
  }
}

interface Counts {
  changed: number;
  events: number;
  refused: number;
  actions: Set<string>;
}

const ROLLBACK = new Error("rolled back on purpose");

async function checkRun(open: () => Promise<any> | any, works: readonly Work[], seen: Counts): Promise<void> {
  const { db, client } = await open();
  for (const statement of DDL) await (client.execute ? client.execute(statement) : client.exec(statement));
  for (const { operations, rollback } of works) {
    const body = function* (tx: any): Steps<void> {
      for (const todo of operations) yield* checkedStep(tx, todo, seen);
      if (rollback) throw ROLLBACK;
    };
    try {
      await db.transaction((tx: any) => run(tx, body(tx)));
    } catch (error) {
      if (error !== ROLLBACK) throw error;
    }
    await run(db, checkLog(db));
  }
  client.close();
}

const RUNS = Number(process.env.TRACKED_RUNS ?? 60);
const SEED = Number(process.env.TRACKED_SEED ?? 1);

const openers = { libsql: openLibsql, "better-sqlite3": openSqlite };

describe.each(Object.entries(openers))("on %s", (_name, open) => {
  test("folding the log gives the table, always: no change without an event, no event without a change", async () => {
    const seen: Counts = { changed: 0, events: 0, refused: 0, actions: new Set() };
    await fc.assert(
      fc.asyncProperty(fc.array(work, { minLength: 1, maxLength: 12 }), (works) =>
        checkRun(open, works, seen),
      ),
      { numRuns: RUNS, seed: SEED },
    );
    expect([...seen.actions].sort()).toEqual([
      "SeatAdded",
      "SeatRemoved",
      "create",
      "purge",
      "recover",
      "trash",
      "update",
    ]);
    for (const count of [seen.changed, seen.events, seen.refused]) expect(count).toBeGreaterThan(100);
  }, 300_000);

  test("control: a plain update beside it is caught", async () => {
    const seen: Counts = { changed: 0, events: 0, refused: 0, actions: new Set() };
    const property = fc.asyncProperty(fc.array(control, { minLength: 1, maxLength: 12 }), (works) =>
      checkRun(open, works, seen),
    );
    const { failed, counterexample } = await fc.check(property, { numRuns: 200, seed: SEED });
    expect(failed).toBe(true);
    expect(JSON.stringify(counterexample, (_, value) => (typeof value === "bigint" ? "" : value))).toContain(
      "beside",
    );
  }, 300_000);
});
