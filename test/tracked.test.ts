import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  appendQuery,
  createEventsTable,
  events as eventsTable,
  feed,
  fold,
  forTrace,
  getEvent,
  openCortex,
  type StoredEvent,
  stateAt,
} from "drizzle-event-log";
import { openLibsql, writeTogether } from "drizzle-event-log/libsql";
import { migrateEvents } from "drizzle-event-log/migrations";
import { changes, rowData, TrackError, track } from "drizzle-event-log/tracked";
import { and, eq, gt, inArray, sql } from "drizzle-orm";
import { blob, customType, integer, primaryKey, real, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { describe, expect, test } from "vitest";
import { ALPHA, BETA, drivers, errorOf, inputErrorOf } from "./fixture.js";

const notes = sqliteTable("notes", {
  id: text("id").primaryKey(),
  title: text("title").notNull().default("untitled"),
  views: integer("views").notNull().default(0),
  at: integer("created_at", { mode: "timestamp_ms" }).$defaultFn(() => new Date(5)),
  big: blob("big", { mode: "bigint" }),
  bytes: blob("bytes", { mode: "buffer" }),
  ratio: real("ratio"),
  json: text("json", { mode: "json" }).$type<object>(),
  secret: text("secret"),
  deletedAt: integer("deleted_at", { mode: "timestamp" }),
  shout: text("shout").generatedAlwaysAs(sql`upper(title)`),
});

const DDL = `create table notes (id text primary key not null, title text not null default 'untitled',
  views integer not null default 0, created_at integer, big blob, bytes blob, ratio real, json text, secret text,
  deleted_at integer, shout text generated always as (upper(title)) virtual)`;

const tracked = track(notes, {
  traceId: (row) => `note:${row.id}`,
  omit: ["secret"],
  softDelete: "deletedAt",
});
const cortex = openCortex({ id: ALPHA, origin: "alpha" });

describe.each(drivers)("on %s", (_name, open: () => Promise<any>) => {
  /** A database with the notes, and what is wanted of it: the same code on both drivers. */
  async function newWorld(...ddl: string[]) {
    const { db, client, statements } = await open();
    const execute = async (statement: string) =>
      client.execute ? client.execute(statement) : client.exec(statement);
    for (const statement of [DDL, ...ddl]) await execute(statement);
    const write = async <T>(work: (tx: any) => T): Promise<Awaited<T>> => db.transaction(work);
    const events = async (): Promise<StoredEvent[]> => feed<any, any>(db, { limit: 10_000 });
    const rows = async (table: any = notes) => db.select().from(table).all();
    const told = async () => (await events()).map(({ action, traceId, data }) => [action, traceId, data]);
    statements.length = 0;
    return { db, execute, write, events, rows, told, statements };
  }
  const plain = { id: "n", title: "untitled", views: 0, at: "1970-01-01T00:00:00.005Z", shout: "UNTITLED" };
  const empty = { big: null, bytes: null, ratio: null, json: null, deletedAt: null };

  test("an insert's event has the row as the database has it, with its defaults", async () => {
    const { write, events } = await newWorld();
    const event = await write((tx) => tracked.insert(tx, cortex, { id: "n", secret: "s3cret" }));
    expect(event).toMatchObject({ action: "create", traceId: "note:n", data: { ...plain, ...empty } });
    expect(await events()).toEqual([event]);
    expect(JSON.stringify(await events())).not.toContain("s3cret");
  });

  test("several rows are one event each, in the order given", async () => {
    const { write, events } = await newWorld();
    const values = ["c", "a", "b"].map((id) => ({ id }));
    const created = await write((tx) => tracked.insert(tx, cortex, values));
    expect(created.map(({ data }) => data.id)).toEqual(["c", "a", "b"]);
    expect(await events()).toEqual(created);
    expect(await write((tx) => tracked.insert(tx, cortex, []))).toEqual([]);
  });

  test("what JSON has no type for is text", async () => {
    const { write } = await newWorld();
    const { data } = await write((tx) =>
      tracked.insert(tx, cortex, {
        ...{ id: "n", at: new Date(0), big: 2n ** 70n, bytes: Buffer.from("hi"), json: { a: [1, null] } },
        ...{ ratio: sql`9e999`, deletedAt: new Date(1500) },
      }),
    );
    expect(data).toMatchObject({
      ...{
        at: "1970-01-01T00:00:00.000Z",
        big: "1180591620717411303424",
        bytes: "aGk=",
        json: { a: [1, null] },
      },
      ...{ ratio: "Infinity", deletedAt: "1970-01-01T00:00:01.000Z" },
    });
  });

  test("an update's event has what changed, and a row that did not has none", async () => {
    const { write, told } = await newWorld();
    await write((tx) =>
      tracked.insert(tx, cortex, [
        { id: "a", title: "Milk" },
        { id: "b", title: "Oats" },
      ]),
    );
    const updated = await write((tx) =>
      tracked.update(tx, cortex, { title: "Milk", views: sql`views + 0` }, sql`true`),
    );
    const change = { title: { from: "Oats", to: "Milk" }, shout: { from: "OATS", to: "MILK" } };
    expect(updated).toMatchObject([{ action: "update", traceId: "note:b", data: change }]);
    expect((await told()).slice(2)).toEqual([["update", "note:b", change]]);
  });

  test("dates, bytes and JSON are compared by value", async () => {
    const { write } = await newWorld();
    const values = { at: new Date(7), bytes: Buffer.from("hi"), json: { a: 1, b: [{}] }, big: 5n, ratio: -0 };
    await write((tx) => tracked.insert(tx, cortex, { id: "n", ...values }));
    const same = { at: new Date(7), bytes: Buffer.from("hi"), json: { b: [{}], a: 1 }, big: 5n, ratio: 0 };
    expect(await write((tx) => tracked.update(tx, cortex, same, eq(notes.id, "n")))).toEqual([]);
    const other = { at: new Date(8), bytes: Buffer.from("ho"), json: { a: 1, b: [] }, big: 6n, ratio: 1 };
    const [event] = await write((tx) => tracked.update(tx, cortex, other, eq(notes.id, "n")));
    expect(Object.keys(event!.data).sort()).toEqual(["at", "big", "bytes", "json", "ratio"]);
  });

  test("that an omitted column changed is told, its value is not", async () => {
    const { write, told } = await newWorld();
    await write((tx) => tracked.insert(tx, cortex, { id: "n", secret: "s3cret" }));
    await write((tx) => tracked.update(tx, cortex, { secret: "s3cret" }, eq(notes.id, "n")));
    await write((tx) => tracked.update(tx, cortex, { secret: "s3cret2" }, eq(notes.id, "n")));
    await write((tx) => tracked.delete(tx, cortex, eq(notes.id, "n")));
    expect((await told()).slice(1)).toEqual([
      ["update", "note:n", {}],
      ["purge", "note:n", { ...plain, ...empty }],
    ]);
  });

  test("what reads as no date is told of no row, and need not be where it does not change", async () => {
    const { write, execute, told, rows } = await newWorld();
    await execute("insert into notes (id, created_at) values ('n', 'soon')");
    const changed = await write((tx) => tracked.update(tx, cortex, { views: 1 }, sql`true`));
    expect(changed).toMatchObject([{ data: { views: { from: 0, to: 1 } } }]);
    const wrong = { code: "INVALID_ROW", field: "at" };
    expect(await errorOf(() => write((tx) => tracked.adopt(tx, cortex, sql`true`)))).toMatchObject(wrong);
    expect(await errorOf(() => write((tx) => tracked.delete(tx, cortex, sql`true`)))).toMatchObject(wrong);
    const mend = () => write((tx) => tracked.update(tx, cortex, { at: null }, sql`true`));
    expect(await errorOf(mend)).toMatchObject(wrong);
    expect(await rows()).toHaveLength(1);
    const without = track(notes, { traceId: ({ id }) => id, omit: ["at"] });
    await write((tx) => without.update(tx, cortex, { at: null }, sql`true`));
    await write((tx) => without.delete(tx, cortex, sql`true`));
    expect((await told()).slice(1)).toMatchObject([
      ["update", "n", {}],
      ["purge", "n", { id: "n" }],
    ]);
  });

  test("a column type that writes SQL may be omitted, and that it changed is told", async () => {
    const vector = customType<{ data: number[]; driverData: any }>({
      dataType: () => "blob",
      toDriver: (value) => sql`unhex(${Buffer.from(value).toString("hex")})`,
      fromDriver: (value) => [...new Uint8Array(value)],
    });
    const places = sqliteTable("places", {
      id: text("id").primaryKey(),
      name: text("name"),
      at: vector("at"),
    });
    const { write, told, rows } = await newWorld(
      "create table places (id text primary key, name text, at blob)",
    );
    const trackedPlaces = track(places, { traceId: ({ id }) => id, omit: ["at"] });
    await write((tx) => trackedPlaces.insert(tx, cortex, { id: "p", at: [1, 2] }));
    await write((tx) => trackedPlaces.update(tx, cortex, { at: [1, 2] }, sql`true`));
    await write((tx) => trackedPlaces.update(tx, cortex, { name: "Home" }, sql`true`));
    await write((tx) => trackedPlaces.update(tx, cortex, { at: [1, 3] }, sql`true`));
    expect((await told()).slice(1)).toEqual([
      ["update", "p", { name: { from: null, to: "Home" } }],
      ["update", "p", {}],
    ]);
    expect(await rows(places)).toEqual([{ id: "p", name: "Home", at: [1, 3] }]);
    const all = track(places, { traceId: ({ id }) => id });
    const insert = () => write((tx) => all.insert(tx, cortex, { id: "q", at: [1] }));
    expect(await errorOf(insert)).toMatchObject({ code: "INVALID_ROW", field: "at" });
  });

  test("a soft delete is trash and recover, a delete a purge with the row as it was", async () => {
    const { write, told, rows } = await newWorld();
    await write((tx) => tracked.insert(tx, cortex, { id: "n" }));
    for (const deletedAt of [new Date(1000), new Date(2000), null]) {
      await write((tx) => tracked.update(tx, cortex, { deletedAt }, eq(notes.id, "n")));
    }
    await write((tx) => tracked.delete(tx, cortex, eq(notes.id, "n")));
    const [one, two] = ["1970-01-01T00:00:01.000Z", "1970-01-01T00:00:02.000Z"];
    expect((await told()).slice(1)).toEqual([
      ["trash", "note:n", { deletedAt: { from: null, to: one } }],
      ["update", "note:n", { deletedAt: { from: one, to: two } }],
      ["recover", "note:n", { deletedAt: { from: two, to: null } }],
      ["purge", "note:n", { ...plain, ...empty }],
    ]);
    expect(await rows()).toEqual([]);
  });

  test("actions may have other names", async () => {
    const { write, told } = await newWorld();
    const named = track(notes, {
      traceId: ({ id }) => id,
      softDelete: "deletedAt",
      actions: { create: "NoteAdded", trash: "NoteChanged", update: "NoteChanged", purge: "NoteRemoved" },
    });
    await write((tx) => named.insert(tx, cortex, { id: "n" }));
    await write((tx) => named.update(tx, cortex, { views: 1 }, eq(notes.id, "n")));
    await write((tx) => named.update(tx, cortex, { deletedAt: new Date() }, eq(notes.id, "n")));
    await write((tx) => named.delete(tx, cortex, eq(notes.id, "n")));
    expect((await told()).map(([action]) => action)).toEqual([
      "NoteAdded",
      "NoteChanged",
      "NoteChanged",
      "NoteRemoved",
    ]);
  });

  test("actor, meta and key go with each event of the call", async () => {
    const { write } = await newWorld();
    const about = { actor: "ann", meta: { request: "r" }, idempotencyKey: "k" };
    const created = await write((tx) => tracked.insert(tx, cortex, [{ id: "a" }, { id: "b" }], about));
    expect(created).toMatchObject([about, { ...about, idempotencyKey: "k#2" }]);
  });

  test("a row that rolls back takes its event along", async () => {
    const { db, write, events, rows } = await newWorld();
    await errorOf(async () =>
      db.transaction((tx: any) => {
        const pending = tracked.insert(tx, cortex, { id: "n" }) as unknown;
        const fail = () => {
          throw new Error("rolled back");
        };
        return pending instanceof Promise ? pending.then(fail) : fail();
      }),
    );
    expect([await events(), await rows()]).toEqual([[], []]);
    await write((tx) => tracked.insert(tx, cortex, { id: "n" }));
  });

  describe("the primary key", () => {
    test("a row that gets another one is a purge and a create", async () => {
      const { write, told, rows } = await newWorld();
      await write((tx) => tracked.insert(tx, cortex, { id: "a", secret: "s" }));
      await write((tx) => tracked.update(tx, cortex, { id: "b", views: 2 }, eq(notes.id, "a")));
      expect((await told()).slice(1)).toEqual([
        ["purge", "note:a", { ...plain, ...empty, id: "a" }],
        ["create", "note:b", { ...plain, ...empty, id: "b", views: 2 }],
      ]);
      expect(await rows()).toMatchObject([{ id: "b", secret: "s" }]);
    });

    test("rows that take each other's keys leave them first", async () => {
      const seats = sqliteTable("seats", { id: integer("id").primaryKey(), guest: text("guest") });
      const { write, told, rows } = await newWorld("create table seats (id integer primary key, guest text)");
      const tracked = track(seats, { traceId: ({ id }) => `seat:${id}` });
      await write((tx) =>
        tracked.insert(tx, cortex, [
          { id: 1, guest: "Ann" },
          { id: 2, guest: "Bob" },
        ]),
      );
      await write((tx) => tracked.update(tx, cortex, { id: sql`id - 1` }, sql`true`));
      expect((await told()).slice(2)).toEqual([
        ["purge", "seat:1", { id: 1, guest: "Ann" }],
        ["purge", "seat:2", { id: 2, guest: "Bob" }],
        ["create", "seat:0", { id: 0, guest: "Ann" }],
        ["create", "seat:1", { id: 1, guest: "Bob" }],
      ]);
      expect(await rows(seats)).toEqual([
        { id: 0, guest: "Ann" },
        { id: 1, guest: "Bob" },
      ]);
    });

    test("it may be of several columns, and of any type", async () => {
      const day = integer("day", { mode: "timestamp" });
      const visits = sqliteTable(
        "visits",
        { day: day.notNull(), of: blob("of", { mode: "buffer" }).notNull(), count: integer("count") },
        (table) => [primaryKey({ columns: [table.of, table.day] })],
      );
      const ddl =
        "create table visits (day integer not null, of blob not null, count integer, primary key (of, day))";
      const { write, told } = await newWorld(ddl);
      const tracked = track(visits, {
        traceId: ({ day, of }) => `${of.toString("hex")}/${day.toISOString()}`,
      });
      const values = [1, 2].flatMap((n) =>
        ["x", "y"].map((of) => ({ day: new Date(n * 1000), of: Buffer.from(of) })),
      );
      await write((tx) => tracked.insert(tx, cortex, values));
      await write((tx) => tracked.update(tx, cortex, { count: 1 }, eq(visits.day, new Date(2000))));
      await write((tx) => tracked.delete(tx, cortex, eq(visits.of, Buffer.from("x"))));
      expect((await told()).slice(4).map(([action, traceId]) => [action, traceId])).toEqual([
        ["update", "78/1970-01-01T00:00:02.000Z"],
        ["update", "79/1970-01-01T00:00:02.000Z"],
        ["purge", "78/1970-01-01T00:00:01.000Z"],
        ["purge", "78/1970-01-01T00:00:02.000Z"],
      ]);
    });

    test("an integer that JavaScript rounds writes to no other row", async () => {
      const { write, execute, rows, events } = await newWorld(
        "create table big (id integer primary key, s text)",
      );
      await execute("insert into big values (9007199254740992, 'a'), (9007199254740993, 'b')");
      const big = sqliteTable("big", { id: integer("id").primaryKey(), s: text("s") });
      const trackedBig = track(big, { traceId: ({ id }) => `${id}` });
      const error = await errorOf(() =>
        write((tx) => trackedBig.update(tx, cortex, { s: "c" }, eq(big.s, "b"))),
      );
      expect(error).toBeInstanceOf(Error);
      await execute("update big set id = id - 9007199254740991");
      expect(await rows(big)).toEqual([
        { id: 1, s: "a" },
        { id: 2, s: "b" },
      ]);
      expect(await events()).toEqual([]);
    });

    test("a table without one is refused, and so are rows that share a NULL", async () => {
      const bare = sqliteTable("bare", { id: text("id") });
      expect(inputErrorOf(() => track(bare, { traceId: () => "t" })).code).toBe("INVALID_TABLE");
      const loose = sqliteTable("loose", { id: text("id").primaryKey(), n: integer("n") });
      const { write, execute, events } = await newWorld(
        "create table loose (id text primary key, n integer)",
        "insert into loose values (null, 1), (null, 2), ('a', 3)",
      );
      const tracked = track(loose, { traceId: ({ n }) => `${n}` });
      const error = await errorOf(() => write((tx) => tracked.update(tx, cortex, { n: 4 }, sql`true`)));
      expect(error).toMatchObject({ code: "INVALID_TABLE" });
      await execute("delete from loose where n = 2");
      await write((tx) => tracked.delete(tx, cortex, sql`id is null`));
      expect((await events()).map(({ data }) => data)).toEqual([{ id: null, n: 1 }]);
      await write((tx) => tracked.insert(tx, cortex, { id: sql`null`, n: 1 }));
      const second = await errorOf(() => write((tx) => tracked.insert(tx, cortex, { id: sql`null`, n: 2 })));
      expect(second).toMatchObject({ code: "INVALID_TABLE" });
      expect(await events()).toHaveLength(2);
    });
  });

  test("two rows of one trace are refused, and nothing is written", async () => {
    const { write, rows } = await newWorld();
    const shared = track(notes, { traceId: () => "all" });
    const error = await errorOf(() => write((tx) => shared.insert(tx, cortex, [{ id: "a" }, { id: "b" }])));
    expect(error).toMatchObject({ name: "InputError", code: "INVALID_TRACE_ID" });
    expect(await rows()).toEqual([]);
  });

  describe("what no event can hold leaves the row as it was, also where the error is caught", () => {
    const refusals: [string, object, string][] = [
      ["a row of more than 1 MiB", { title: "x".repeat(2 ** 20) }, "DATA_TOO_LARGE"],
      [
        "JSON that nests deeper than 64 levels",
        { json: JSON.parse("[".repeat(70) + "]".repeat(70)) },
        "DATA_TOO_DEEP",
      ],
      ["JSON with a NUL", { json: { text: "\0" } }, "INVALID_DATA"],
    ];
    test.each(refusals)("%s", async (_of, set, code) => {
      const { db, write, rows, events } = await newWorld();
      await write((tx) => tracked.insert(tx, cortex, { id: "n" }));
      const before = await rows();
      const codes: unknown[] = [];
      const caught = (work: () => unknown) => {
        const note = (error: any) => void codes.push(error.code);
        try {
          const pending = work();
          return pending instanceof Promise ? pending.catch(note) : pending;
        } catch (error) {
          return note(error);
        }
      };
      await db.transaction((tx: any) => caught(() => tracked.update(tx, cortex, set, eq(notes.id, "n"))));
      await db.transaction((tx: any) =>
        caught(() => tracked.insert(tx, cortex, [{ id: "a" }, { id: "b", ...set }])),
      );
      expect(codes).toEqual([code, code]);
      expect(await rows()).toEqual(before);
      expect(await events()).toHaveLength(1);
    });

    test("what the cortex's lifecycle does not allow", async () => {
      const { write, rows } = await newWorld();
      const strict = openCortex({ id: ALPHA, origin: "alpha", lifecycle: true });
      await write((tx) => tracked.insert(tx, strict, { id: "n" }));
      const error = await errorOf(() => write((tx) => tracked.delete(tx, strict, eq(notes.id, "n"))));
      expect(error).toMatchObject({ name: "TraceError", code: "LIFECYCLE" });
      expect(await rows()).toHaveLength(1);
      await write((tx) => tracked.update(tx, strict, { deletedAt: new Date() }, eq(notes.id, "n")));
      await write((tx) => tracked.delete(tx, strict, eq(notes.id, "n")));
      expect(await rows()).toEqual([]);
    });

    test("an expectation that does not hold", async () => {
      const { write, rows } = await newWorld();
      await write((tx) => tracked.insert(tx, cortex, [{ id: "a" }, { id: "b" }], { expect: "none" }));
      const stale = { expect: "none" } as const;
      const error = await errorOf(() =>
        write((tx) => tracked.update(tx, cortex, { views: 1 }, eq(notes.id, "a"), stale)),
      );
      expect(error).toMatchObject({ code: "STALE_HEAD" });
      const several = await errorOf(() =>
        write((tx) => tracked.update(tx, cortex, { views: 1 }, sql`true`, { expect: 1 })),
      );
      expect(several).toMatchObject({ code: "INVALID_EXPECT" });
      expect((await rows()).map(({ views }: any) => views)).toEqual([0, 0]);
    });
  });

  describe("triggers of the app", () => {
    test("what they do to the row that is written is in its event", async () => {
      const { write } = await newWorld(
        "create trigger a after insert on notes begin update notes set views = 7 where id = new.id; end",
        "create trigger b after update of title on notes begin update notes set views = views + 1 where id = new.id; end",
      );
      const { data } = await write((tx) => tracked.insert(tx, cortex, { id: "n" }));
      expect(data.views).toBe(7);
      const [event] = await write((tx) => tracked.update(tx, cortex, { title: "Milk" }, eq(notes.id, "n")));
      expect(event!.data).toMatchObject({ views: { from: 7, to: 8 } });
    });

    test("a row that one ignores is not inserted, and says so", async () => {
      const { write, events } = await newWorld(
        "create trigger a before insert on notes when new.id = 'bad' begin select raise(ignore); end",
      );
      const error = await errorOf(() => write((tx) => tracked.insert(tx, cortex, { id: "bad" })));
      expect(error).toMatchObject({ name: "TrackError", code: "NOT_INSERTED" });
      await write((tx) => tracked.insert(tx, cortex, [{ id: "bad" }, { id: "good" }]));
      expect((await events()).map(({ traceId }) => traceId)).toEqual(["note:good"]);
    });

    test("no row of an insert goes by another key, or away, without a word", async () => {
      const { write, rows, events } = await newWorld(
        "create trigger a after insert on notes begin update notes set id = lower(id) where id = new.id; end",
      );
      const insert = () => write((tx) => tracked.insert(tx, cortex, [{ id: "a" }, { id: "B" }]));
      expect(await errorOf(insert)).toMatchObject({ code: "NOT_INSERTED" });
      expect(await rows()).toEqual([]);
      expect(await events()).toEqual([]);
    });

    test("a delete that one turns into a mark is trash, an update that one turns into a delete a purge", async () => {
      const { write, told } = await newWorld(
        `create trigger a before delete on notes begin
          update notes set deleted_at = 1 where id = old.id; select raise(ignore); end`,
        `create trigger b after update of views on notes when new.views = 9 begin
          insert into notes (id, deleted_at) values ('other', 1); update notes set id = 'moved' where id = new.id; end`,
      );
      await write((tx) => tracked.insert(tx, cortex, { id: "n" }));
      const [event] = await write((tx) => tracked.delete(tx, cortex, eq(notes.id, "n")));
      expect(event).toMatchObject({ action: "trash" });
      await write((tx) => tracked.update(tx, cortex, { views: 9 }, eq(notes.id, "n")));
      expect((await told()).slice(2).map(([action]) => action)).toEqual(["purge"]);
    });
  });

  describe("a retry with the same key", () => {
    const key = { idempotencyKey: "request-7", actor: "ann" };

    test("inserts no second row, and has the first answer", async () => {
      const { write, rows, events } = await newWorld();
      const first = await write((tx) => tracked.insert(tx, cortex, { id: "a" }, key));
      expect(await write((tx) => tracked.insert(tx, cortex, { id: "another" }, key))).toEqual(first);
      const many = { ...key, idempotencyKey: "many" };
      const several = await write((tx) => tracked.insert(tx, cortex, [{ id: "b" }, { id: "c" }], many));
      expect(await write((tx) => tracked.insert(tx, cortex, [{ id: "b" }, { id: "c" }], many))).toEqual(
        several,
      );
      expect((await rows()).map(({ id }: any) => id)).toEqual(["a", "b", "c"]);
      expect(await events()).toHaveLength(3);
    });

    test("updates and deletes once, also through another cortex", async () => {
      const { write, rows, events } = await newWorld();
      const other = openCortex({ id: BETA, origin: "beta" });
      await write((tx) => tracked.insert(tx, cortex, [{ id: "a" }, { id: "b" }]));
      const set = { views: sql`views + 1` };
      const updated = await write((tx) => tracked.update(tx, cortex, set, sql`true`, key));
      for (const one of [cortex, other]) {
        expect(await write((tx) => tracked.update(tx, one, set, sql`true`, key))).toEqual(updated);
      }
      expect((await rows()).map(({ views }: any) => views)).toEqual([1, 1]);
      const last = { idempotencyKey: "last" };
      const gone = await write((tx) => tracked.delete(tx, cortex, eq(notes.id, "a"), last));
      await write((tx) => tracked.insert(tx, cortex, { id: "a" }));
      expect(await write((tx) => tracked.delete(tx, cortex, eq(notes.id, "a"), last))).toEqual(gone);
      expect(await rows()).toHaveLength(2);
      expect(await events()).toHaveLength(6);
    });

    test("by another actor, or for another kind of call, is a KEY_CONFLICT", async () => {
      const { write, rows } = await newWorld();
      await write((tx) => tracked.insert(tx, cortex, { id: "a" }, key));
      const calls: ((tx: any) => unknown)[] = [
        (tx) => tracked.insert(tx, cortex, { id: "b" }, { ...key, actor: "bob" }),
        (tx) => tracked.delete(tx, cortex, sql`true`, key),
      ];
      for (const call of calls) {
        expect(await errorOf(() => write(call))).toMatchObject({
          name: "ConflictError",
          code: "KEY_CONFLICT",
        });
      }
      expect(await rows()).toHaveLength(1);
    });

    test("of another table's call, or of an event made by hand, is a KEY_CONFLICT", async () => {
      const { db, write, rows } = await newWorld(
        "create table tags (id text primary key, title text, views integer)",
      );
      const tags = sqliteTable("tags", {
        id: text("id").primaryKey(),
        title: text("title"),
        views: integer("views"),
      });
      const trackedTags = track(tags, { traceId: ({ id }) => `tag:${id}` });
      const conflicts = async (...calls: ((tx: any) => unknown)[]) => {
        for (const call of calls)
          expect(await errorOf(() => write(call))).toMatchObject({ code: "KEY_CONFLICT" });
      };
      await write((tx) => tracked.insert(tx, cortex, { id: "a" }, { idempotencyKey: "1" }));
      await write((tx) => trackedTags.insert(tx, cortex, { id: "a" }));
      await conflicts((tx) => trackedTags.insert(tx, cortex, { id: "b" }, { idempotencyKey: "1" }));
      await write((tx) => tracked.update(tx, cortex, { views: 1 }, sql`true`, { idempotencyKey: "2" }));
      await conflicts((tx) =>
        trackedTags.update(tx, cortex, { views: 1 }, sql`true`, { idempotencyKey: "2" }),
      );
      await write((tx) => tracked.delete(tx, cortex, sql`true`, { idempotencyKey: "3" }));
      await conflicts((tx) => trackedTags.delete(tx, cortex, sql`true`, { idempotencyKey: "3" }));
      const byHand = { action: "update", traceId: "tag:x", data: { a: 1 }, idempotencyKey: "4" } as const;
      await db.transaction((tx: any) =>
        cortex.append(tx, [{ ...byHand, action: "create", idempotencyKey: "5" }, byHand]),
      );
      await conflicts((tx) =>
        trackedTags.update(tx, cortex, { views: 1 }, sql`true`, { idempotencyKey: "4" }),
      );
      expect(await rows(tags)).toMatchObject([{ id: "a", views: null }]);
    });

    test("is answered for a row that is older than the log, and for one whose trace is a computed column", async () => {
      const { write, execute } = await newWorld();
      await execute("insert into notes (id) values ('old')");
      const again = async (call: (tx: any) => unknown) =>
        expect(await write(call)).toEqual(await write(call));
      await again((tx) => tracked.update(tx, cortex, { views: 1 }, sql`true`, { idempotencyKey: "1" }));
      const shouted = track(notes, { traceId: ({ shout }) => `${shout}`, omit: ["secret"] });
      await again((tx) => shouted.insert(tx, cortex, { id: "n", title: "Milk" }, { idempotencyKey: "2" }));
      await again((tx) =>
        shouted.update(tx, cortex, { title: "Oats" }, eq(notes.id, "n"), { idempotencyKey: "3" }),
      );
    });

    test("is the first, where nothing had changed or all was rolled back", async () => {
      const { write, events } = await newWorld();
      await write((tx) => tracked.update(tx, cortex, { views: 1 }, sql`true`, key));
      await write((tx) => tracked.insert(tx, cortex, { id: "a" }));
      await write((tx) => tracked.update(tx, cortex, { views: 1 }, sql`true`, key));
      expect(await events()).toHaveLength(2);
    });

    test("is not taken for one whose key only begins with the same", async () => {
      const { write, events } = await newWorld();
      for (const idempotencyKey of ["k", "k#x", "k#2x", "k$", "k#"]) {
        await write((tx) => tracked.insert(tx, cortex, { id: idempotencyKey }, { idempotencyKey }));
      }
      expect(
        await write((tx) => tracked.insert(tx, cortex, [{ id: "z" }], { idempotencyKey: "k" })),
      ).toHaveLength(1);
      expect(await events()).toHaveLength(5);
    });

    test("is found by the index", async () => {
      const { db, write, statements } = await newWorld();
      await write((tx) => tracked.insert(tx, cortex, { id: "a" }, key));
      const { sql: text, params } = statements.find((one: any) => one.sql.includes("union all"))!;
      const plan = JSON.stringify(
        await db.all(
          sql`explain query plan ${sql.join(text.split("?").flatMap((part: string, i: number) => (i === 0 ? [sql.raw(part)] : [sql`${params[i - 1]}`, sql.raw(part)])))}`,
        ),
      );
      expect(plan).toMatch(/events_idempotency_key_cortex_id_unique \(idempotency_key=\?/);
      expect(plan).toMatch(/events_idempotency_key_cortex_id_unique \(idempotency_key>\?/);
      expect(plan).not.toMatch(/SCAN events\b/);
    });
  });

  describe("restore", () => {
    const full = {
      ...{ id: "n", title: "Milk", views: 1, at: new Date(7), big: 2n ** 65n, bytes: Buffer.from([0, 255]) },
      ...{ ratio: sql`-9e999`, json: { a: [1, "x"] }, secret: "s3cret", deletedAt: null },
    };

    test("writes a row that is there over, as it was after the event", async () => {
      const { write, rows } = await newWorld();
      const created = await write((tx) => tracked.insert(tx, cortex, full));
      const [before] = await rows();
      const other = {
        title: "Oats",
        at: null,
        big: null,
        bytes: null,
        ratio: 1,
        json: null,
        deletedAt: new Date(0),
      };
      const [updated] = await write((tx) => tracked.update(tx, cortex, other, eq(notes.id, "n")));
      const [after] = await rows();
      await write((tx) => tracked.update(tx, cortex, { secret: "newer", views: 2 }, eq(notes.id, "n")));
      const [restored] = await write((tx) => tracked.restore(tx, cortex, created, { actor: "ann" }));
      expect(restored).toMatchObject({
        action: "recover",
        actor: "ann",
        data: { title: { from: "Oats", to: "Milk" } },
      });
      expect(await rows()).toEqual([{ ...before, secret: "newer" }]);
      await write((tx) => tracked.restore(tx, cortex, updated!));
      expect(await rows()).toEqual([{ ...after, secret: "newer" }]);
      expect(await write((tx) => tracked.restore(tx, cortex, updated!))).toEqual([]);
    });

    test("inserts a row that is gone: as of the purge as it was before, its omitted columns by their defaults", async () => {
      const { write, rows, events } = await newWorld();
      await write((tx) => tracked.insert(tx, cortex, full));
      const [before] = await rows();
      const [purged] = await write((tx) => tracked.delete(tx, cortex, eq(notes.id, "n")));
      const restored = await write((tx) => tracked.restore(tx, cortex, purged!));
      expect(restored).toMatchObject([{ action: "create", traceId: "note:n", data: { title: "Milk" } }]);
      expect(await rows()).toEqual([{ ...before, secret: null }]);
      await write((tx) => tracked.delete(tx, cortex, eq(notes.id, "n")));
      await write((tx) => tracked.restore(tx, cortex, purged!, { values: { secret: "given" } }));
      expect(await rows()).toEqual([{ ...before, secret: "given" }]);
      expect(JSON.stringify(await events())).not.toContain("given");
    });

    test("finds a row by the key that it has now, where the trace stays the same", async () => {
      const { write, rows } = await newWorld();
      const byTitle = track(notes, { traceId: ({ title }) => title });
      const created = await write((tx) => byTitle.insert(tx, cortex, { id: "a", title: "Milk" }));
      await write((tx) => byTitle.update(tx, cortex, { id: "b", views: 3 }, eq(notes.id, "a")));
      expect((await write((tx) => byTitle.restore(tx, cortex, created)))[0]).toMatchObject({
        data: { id: { from: "b", to: "a" }, views: { from: 3, to: 0 } },
      });
      expect(await rows()).toMatchObject([{ id: "a", title: "Milk", views: 0 }]);
    });

    test("a column that came later keeps its value, one that is gone is left out", async () => {
      const { write, rows, execute } = await newWorld();
      const created = await write((tx) => tracked.insert(tx, cortex, { id: "n", title: "Milk" }));
      await execute("alter table notes add column color text default 'red'");
      await execute("alter table notes drop column ratio");
      const later = sqliteTable("notes", {
        id: text("id").primaryKey(),
        title: text("title"),
        color: text("color").default("red"),
      });
      const trackedLater = track(later, { traceId: (row) => `note:${row.id}` });
      await write((tx) => trackedLater.update(tx, cortex, { title: "Oats", color: "blue" }, sql`true`));
      await write((tx) => trackedLater.restore(tx, cortex, created));
      expect(await rows(later)).toEqual([{ id: "n", title: "Milk", color: "blue" }]);
      await write((tx) => trackedLater.delete(tx, cortex, sql`true`));
      await write((tx) => trackedLater.restore(tx, cortex, created));
      expect(await rows(later)).toEqual([{ id: "n", title: "Milk", color: "red" }]);
    });

    test("a custom type comes back through the driver's value", async () => {
      class Point {
        constructor(
          readonly x: number,
          readonly y: number,
        ) {}
      }
      const point = (driver: "text" | "blob") =>
        customType<{ data: Point; driverData: any }>({
          dataType: () => driver,
          toDriver: ({ x, y }) => (driver === "text" ? `${x},${y}` : Buffer.from([x, y])),
          fromDriver: (value) => {
            const [x, y] = driver === "text" ? value.split(",").map(Number) : [...new Uint8Array(value)];
            return new Point(x!, y!);
          },
        });
      const places = sqliteTable("places", { id: point("text")("id").primaryKey(), at: point("blob")("at") });
      const { write, rows } = await newWorld("create table places (id text primary key, at blob)");
      const tracked = track(places, { traceId: ({ id }) => `${id.x}/${id.y}` });
      const created = await write((tx) =>
        tracked.insert(tx, cortex, { id: new Point(1, 2), at: new Point(3, 4) }),
      );
      expect(created.data).toEqual({ id: "1,2", at: { base64: "AwQ=" } });
      expect(await write((tx) => tracked.update(tx, cortex, { at: new Point(3, 4) }, sql`true`))).toEqual([]);
      await write((tx) =>
        tracked.update(tx, cortex, { at: new Point(5, 6) }, eq(places.id, new Point(1, 2))),
      );
      await write((tx) => tracked.restore(tx, cortex, created));
      expect(await rows(places)).toEqual([{ id: new Point(1, 2), at: new Point(3, 4) }]);
      const [purged] = await write((tx) => tracked.delete(tx, cortex, sql`true`));
      await write((tx) => tracked.restore(tx, cortex, purged!));
      expect(await rows(places)).toEqual([{ id: new Point(1, 2), at: new Point(3, 4) }]);
    });

    test("`values` are for a row that is gone: of one that is there, what the log does not tell stays as it is", async () => {
      const { write, rows } = await newWorld();
      const created = await write((tx) => tracked.insert(tx, cortex, { id: "n", secret: "s3cret" }));
      await write((tx) => tracked.update(tx, cortex, { views: 1 }, sql`true`));
      const values = { secret: "" };
      const restore = () => write((tx) => tracked.restore(tx, cortex, created, { values }));
      await restore();
      expect(await rows()).toMatchObject([{ views: 0, secret: "s3cret" }]);
      await write((tx) => tracked.delete(tx, cortex, sql`true`));
      await restore();
      expect(await rows()).toMatchObject([{ views: 0, secret: "" }]);
    });

    test("a column that is of another type since takes the value that it has in the new one, or none", async () => {
      const types = {
        boolean: integer("c", { mode: "boolean" }),
        number: integer("c"),
        date: integer("c", { mode: "timestamp" }),
        text: text("c"),
        bytes: blob("c", { mode: "buffer" }),
        bigint: blob("c", { mode: "bigint" }),
      };
      type Type = keyof typeof types;
      const { write, execute, rows } = await newWorld("create table typed (id integer primary key, c)");
      const tableOf = (type: Type) =>
        sqliteTable("typed", { id: integer("id").primaryKey(), c: types[type] });
      const trackedAs = (type: Type) =>
        track(tableOf(type), { traceId: ({ id }) => `${id}` }) as ReturnType<typeof track<any>>;
      const restored = async (from: Type, to: Type, value: unknown, options?: object) => {
        const created = await write((tx) => trackedAs(from).insert(tx, cortex, { id: 1, c: value }));
        const error: any = await errorOf(() =>
          write((tx) => trackedAs(to).restore(tx, cortex, created, options)),
        );
        const [row] = await rows(tableOf(error ? from : to));
        await execute("delete from typed");
        return error ? [error.code, ...error.path] : row.c;
      };
      expect(await restored("number", "date", 5)).toEqual(new Date(5000));
      expect(await restored("number", "boolean", 1)).toBe(true);
      expect(await restored("boolean", "number", true)).toBe(1);
      expect(await restored("number", "text", 12)).toBe("12");
      expect(await restored("bigint", "number", 5n)).toBe(5);
      const lost: [Type, Type, unknown][] = [
        ["text", "date", "soon"],
        ["bigint", "date", 5n],
        ["text", "number", "many"],
        ["text", "bytes", "no base64"],
        ["text", "bigint", "many"],
        ["text", "boolean", "no"],
        ["date", "number", new Date(5000)],
        ["number", "bytes", 5],
        ["number", "bigint", 5],
      ];
      for (const [from, to, value] of lost) {
        expect([from, to, await restored(from, to, value)]).toEqual([from, to, ["INVALID_DATA", "c"]]);
      }
      expect(await restored("text", "number", "many", { values: { c: 7 } })).toBe(7);
    });

    test("text that a numeric column holds is not turned into nothing", async () => {
      const { write, execute, rows } = await newWorld();
      await execute("insert into notes (id, ratio) values ('n', 'much')");
      const [adopted] = await write((tx) => tracked.adopt(tx, cortex, sql`true`));
      const restore = () => write((tx) => tracked.restore(tx, cortex, adopted!));
      expect(await errorOf(restore)).toMatchObject({ code: "INVALID_DATA", path: ["ratio"] });
      expect(await rows()).toMatchObject([{ ratio: "much" }]);
    });

    test("an event of another table is refused, and writes nothing", async () => {
      const { write, rows, events } = await newWorld();
      const others = track(notes, { traceId: ({ id }) => `other:${id}` });
      const [other] = await write((tx) => others.insert(tx, cortex, [{ id: "n" }]));
      await write((tx) => others.delete(tx, cortex, sql`true`));
      const restore = () => write((tx) => tracked.restore(tx, cortex, other!));
      expect(await errorOf(restore)).toMatchObject({ code: "INVALID_TRACE_ID" });
      expect(await rows()).toEqual([]);
      expect(await events()).toHaveLength(2);
    });

    test("says so where the event is not in the log, or the log does not know the row", async () => {
      const { db, write, execute } = await newWorld();
      await execute("insert into notes (id) values ('n')");
      const [updated] = await write((tx) => tracked.update(tx, cortex, { views: 1 }, eq(notes.id, "n")));
      const restore = (place: any) => errorOf(() => write((tx) => tracked.restore(tx, cortex, place)));
      expect(await restore(updated)).toMatchObject({ name: "TrackError", code: "NO_ROW" });
      expect(await restore({ ...updated, traceId: "note:other" })).toMatchObject({ code: "NOT_IN_LOG" });
      const created = await write((tx) => tracked.insert(tx, cortex, { id: "x" }));
      const byHand = { action: "update", traceId: "note:x", data: { title: "Milk" } } as const;
      await db.transaction((tx: any) => cortex.append(tx, byHand));
      expect(await restore(created)).toMatchObject({ code: "INVALID_DATA", path: ["title"] });
      expect(await restore(null)).toMatchObject({ code: "INVALID_EVENT" });
    });
  });

  test("rows that were there before are adopted once, and then the log tells them whole", async () => {
    const { db, write, execute, events } = await newWorld();
    await execute("insert into notes (id) values ('a'), ('b'), ('c')");
    await write((tx) => tracked.insert(tx, cortex, { id: "d" }));
    await write((tx) => tracked.update(tx, cortex, { views: 1 }, eq(notes.id, "a")));
    const adopted = await write((tx) =>
      tracked.adopt(tx, cortex, sql`id <> 'c'`, { meta: { adopted: true } }),
    );
    expect(adopted.map(({ action, traceId }) => [action, traceId])).toEqual([
      ["create", "note:a"],
      ["create", "note:b"],
    ]);
    expect(await write((tx) => tracked.adopt(tx, cortex, sql`id <> 'c'`))).toEqual([]);
    expect((await events()).at(-1)).toMatchObject({ meta: { adopted: true } });
    await write((tx) => tracked.update(tx, cortex, { views: 2 }, eq(notes.id, "a")));
    const seq = (await events()).at(-2)!.seq;
    expect(await stateAt<any, any>(db, "note:a", { seq }, tracked.reducer, undefined)).toMatchObject({
      views: 1,
    });
    expect(await stateAt<any, any>(db, "note:a", { seq: 1000 }, tracked.reducer, undefined)).toMatchObject({
      views: 2,
    });
  });

  test("an update of thousands of rows is one append, in the order of their keys", async () => {
    const { write, events, statements } = await newWorld();
    const values = Array.from({ length: 3000 }, (_, i) => ({ id: String(i).padStart(5, "0") }));
    await write((tx) => tracked.insert(tx, cortex, values));
    statements.length = 0;
    const updated = await write((tx) => tracked.update(tx, cortex, { views: 1 }, gt(notes.id, "00999")));
    expect(updated.map(({ traceId }) => traceId)).toEqual(values.slice(1000).map(({ id }) => `note:${id}`));
    expect(updated.map(({ seq }) => seq)).toEqual(updated.map((_, i) => 3001 + i));
    expect(statements.filter((one: any) => /into "?events/.test(one.sql))).toHaveLength(1);
    expect(await events()).toHaveLength(5000);
  });

  describe("an update of many rows, by an expression", () => {
    const shares = sqliteTable("shares", { id: integer("id").primaryKey(), value: real("value").notNull() });
    const ddl = "create table shares (id integer primary key, value real not null)";
    const trackedShares = track(shares, { traceId: ({ id }) => `share:${id}` });
    const values = Array.from({ length: 120 }, (_, i) => ({ id: i + 1, value: 1 }));

    test("reads the table as it was before, as in one statement of Drizzle's", async () => {
      const { write, rows, told } = await newWorld(ddl);
      await write((tx) => trackedShares.insert(tx, cortex, values));
      const set = { value: sql`value / (select sum(value) from shares)` };
      await write((tx) => trackedShares.update(tx, cortex, set, sql`true`));
      expect(new Set((await rows(shares)).map(({ value }: any) => value))).toEqual(new Set([1 / 120]));
      expect((await told()).slice(120)).toEqual(
        values.map(({ id }) => ["update", `share:${id}`, { value: { from: 1, to: 1 / 120 } }]),
      );
    });

    test("is refused where its condition holds by chance, and changes nothing", async () => {
      const { write, rows, events } = await newWorld(ddl);
      await write((tx) => trackedShares.insert(tx, cortex, values));
      const where = sql`id in (select id from shares order by random() limit 60)`;
      const update = (tx: any) => trackedShares.update(tx, cortex, { value: sql`value + 1` }, where);
      expect(await errorOf(() => write(update))).toMatchObject({ code: "INVALID_WHERE" });
      expect(await rows(shares)).toEqual(values);
      expect(await events()).toHaveLength(120);
    });
  });

  test("calls of one transaction that are not awaited one by one come in turn", async () => {
    const { db, write, events, rows } = await newWorld();
    await db.transaction((tx: any) => {
      const calls = [
        () => tracked.insert(tx, cortex, { id: "a" }),
        () => tracked.update(tx, cortex, { views: 1 }, sql`true`),
        () => cortex.append(tx, { action: "update", traceId: "other" }),
        () => tracked.insert(tx, cortex, { id: "b" }),
      ];
      const pending = calls.map((call) => call() as unknown);
      return pending.some((one) => one instanceof Promise) ? Promise.all(pending) : pending;
    });
    expect((await events()).map(({ traceId }) => traceId)).toEqual(["note:a", "note:a", "other", "note:b"]);
    expect(await rows()).toHaveLength(2);
    await write((tx) => tracked.delete(tx, cortex, inArray(notes.id, ["a", "b"])));
    expect(await rows()).toEqual([]);
  });

  test("a log of another name is looked up and restored from, too", async () => {
    const audit = createEventsTable("audit");
    const { db, write, rows } = await newWorld();
    await migrateEvents(db, { table: audit });
    const auditor = openCortex({ id: ALPHA, origin: "alpha", table: audit });
    const tracked = track(notes, { traceId: ({ id }) => id, table: audit });
    const key = { idempotencyKey: "k" };
    const created = await write((tx) => tracked.insert(tx, auditor, { id: "n" }, key));
    expect(await write((tx) => tracked.insert(tx, auditor, { id: "n" }, key))).toEqual(created);
    await write((tx) => tracked.delete(tx, auditor, sql`true`));
    await write((tx) => tracked.restore(tx, auditor, created));
    expect(await rows()).toHaveLength(1);
    expect(await getEvent<any>(db, created.id)).toBeUndefined();
  });

  test("the mutations of a row that is known can be written by other ways", async () => {
    const { db, events } = await newWorld();
    const row = {
      ...{ id: "n", title: "Milk", views: 0, at: null, big: null, bytes: null },
      ...{ ratio: null, json: null, secret: "s", deletedAt: null, shout: "MILK" },
    };
    const about = { cortexId: ALPHA, origin: "alpha" };
    const query = (before: any, after: any) =>
      appendQuery(
        db,
        tracked.mutations(before, after).map((one) => ({ ...one, ...about })),
      );
    await (query(undefined, row) as any).all();
    await (query(row, { ...row, title: "Oats" }) as any).all();
    await (query(row, undefined) as any).all();
    expect(tracked.mutations(row, { ...row })).toEqual([]);
    expect((await events()).map(({ action }) => action)).toEqual(["create", "update", "purge"]);
    expect(JSON.stringify(await events())).not.toContain("secret");
  });

  test("misuse is told before any SQL runs", async () => {
    const { write, db, statements } = await newWorld();
    const auditor = openCortex({ id: ALPHA, origin: "alpha", table: createEventsTable("audit") });
    const calls: [string, (tx: any) => unknown][] = [
      ["INVALID_WHERE", (tx) => tracked.update(tx, cortex, { views: 1 }, undefined)],
      ["INVALID_WHERE", (tx) => tracked.update(tx, cortex, { views: 1 }, and())],
      ["INVALID_WHERE", (tx) => tracked.delete(tx, cortex, and(undefined))],
      ["INVALID_WHERE", (tx) => tracked.delete(tx, cortex, { id: "n" } as never)],
      ["INVALID_WHERE", (tx) => tracked.adopt(tx, cortex, undefined)],
      ["INVALID_ROW", (tx) => tracked.update(tx, cortex, {}, sql`true`)],
      ["INVALID_ROW", (tx) => tracked.update(tx, cortex, { views: undefined }, sql`true`)],
      ["INVALID_ROW", (tx) => tracked.update(tx, cortex, [] as never, sql`true`)],
      ["INVALID_ROW", (tx) => tracked.insert(tx, cortex, null as never)],
      ["INVALID_ROW", (tx) => tracked.insert(tx, cortex, [{ id: "n" }, "n"] as never)],
      ["INVALID_FUNCTION", (tx) => tracked.insert(tx, {} as never, { id: "n" })],
      ["INVALID_TABLE", (tx) => tracked.insert(tx, auditor, { id: "n" })],
      ["INVALID_TABLE", (tx) => tracked.adopt(tx, { ...cortex, table: notes as never }, sql`true`)],
      ["INVALID_FUNCTION", (tx) => tracked.insert(tx, { id: "n" } as never, cortex as never)],
      ["INVALID_ACTOR", (tx) => tracked.insert(tx, cortex, { id: "n" }, { actor: "" })],
      ["INVALID_IDEMPOTENCY_KEY", (tx) => tracked.insert(tx, cortex, { id: "n" }, { idempotencyKey: "" })],
      ["UNKNOWN_FIELD", (tx) => tracked.insert(tx, cortex, { id: "n" }, { traceId: "t" } as never)],
      ["INVALID_ID", (tx) => tracked.restore(tx, cortex, { traceId: "t", id: "x" })],
      ["NOT_A_TRANSACTION", () => tracked.insert(db, cortex, { id: "n" })],
    ];
    for (const [code, call] of calls) {
      await write((tx) => {
        statements.length = 0;
        expect(inputErrorOf(() => call(tx)).code).toBe(code);
        expect(statements).toEqual([]);
      });
    }
  });
});

test("calls of many writers that share a commit are each all or nothing", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tracked-"));
  const db = await openLibsql(`file:${join(folder, "notes.db")}`);
  try {
    await migrateEvents(db);
    await db.run(sql.raw(DDL));
    const write = (i: number) =>
      writeTogether(db, async (tx) => {
        await tracked.insert(tx, cortex, [
          { id: `${i}` },
          { id: `${i}-too`, title: i % 5 ? "Milk" : "x".repeat(2 ** 20) },
        ]);
        await tracked.update(tx, cortex, { views: i }, eq(notes.id, `${i}`));
        if (i % 7 === 0) throw new Error("on purpose");
      });
    const outcomes = await Promise.allSettled(Array.from({ length: 70 }, (_, i) => write(i)));
    const written = outcomes.flatMap(({ status }, i) => (status === "fulfilled" ? [i] : []));
    expect(written).toEqual(Array.from({ length: 70 }, (_, i) => i).filter((i) => i % 5 && i % 7));
    expect(await db.$count(notes)).toBe(2 * written.length);
    expect(await db.$count(eventsTable)).toBe(3 * written.length);
    for (const { id, views } of await db.select().from(notes)) {
      const told = fold(await forTrace(db, `note:${id}`), tracked.reducer, undefined);
      expect(told).toMatchObject({ id, views });
    }
  } finally {
    db.$client.close();
    rmSync(folder, { recursive: true });
  }
});

describe("track", () => {
  const refusals: [string, () => unknown][] = [
    ["INVALID_TABLE", () => track({} as never, { traceId: () => "t" } as never)],
    ["INVALID_OPTIONS", () => track(notes, undefined as never)],
    ["INVALID_FUNCTION", () => track(notes, {} as never)],
    ["UNKNOWN_FIELD", () => track(notes, { traceId: () => "t", ommit: [] } as never)],
    ["INVALID_OPTIONS", () => track(notes, { traceId: () => "t", omit: ["nope"] as never })],
    ["INVALID_OPTIONS", () => track(notes, { traceId: () => "t", omit: ["id"] })],
    ["INVALID_OPTIONS", () => track(notes, { traceId: () => "t", softDelete: "deleted_at" as never })],
    ["INVALID_ACTION", () => track(notes, { traceId: () => "t", actions: { create: "no blanks" } })],
    ["INVALID_ACTION", () => track(notes, { traceId: () => "t", actions: { create: "update" } })],
    ["INVALID_ACTION", () => track(notes, { traceId: () => "t", actions: { trash: "purge" } })],
    ["INVALID_TABLE", () => track(notes, { traceId: () => "t", table: notes as never })],
  ];
  test.each(refusals)("%s", (code, call) => {
    expect(inputErrorOf(call).code).toBe(code);
  });
});

describe("changes", () => {
  test("has the fields that differ, in JSON", () => {
    const before = { a: 1, at: new Date(0), same: { x: [1] }, big: 1n, bytes: new Uint8Array([1]), gone: 1 };
    const after = {
      a: 2,
      at: new Date(1),
      same: { x: [1] },
      big: 2n,
      bytes: new Uint8Array([2]),
      come: true,
    };
    expect(changes(before, after)).toEqual({
      a: { from: 1, to: 2 },
      at: { from: "1970-01-01T00:00:00.000Z", to: "1970-01-01T00:00:00.001Z" },
      big: { from: "1", to: "2" },
      bytes: { from: "AQ==", to: "Ag==" },
      gone: { from: 1, to: null },
      come: { from: null, to: true },
    });
    expect(changes(before, { ...before, at: new Date(0), bytes: new Uint8Array([1]) })).toEqual({});
  });

  test("refuses what it cannot compare", () => {
    expect(inputErrorOf(() => changes({ a: new Map() }, { a: 1 })).code).toBe("INVALID_DATA");
    expect(inputErrorOf(() => changes(null as never, {})).code).toBe("INVALID_ROW");
  });
});

describe("rowData", () => {
  const row = { id: "n", title: "Milk", views: 1, at: new Date(0), secret: "s" } as typeof notes.$inferSelect;

  test("makes an ordinary row one that an event takes", () => {
    expect(rowData(notes, row, { omit: ["secret"] })).toEqual({
      ...{ id: "n", title: "Milk", views: 1, at: "1970-01-01T00:00:00.000Z" },
    });
  });

  test("refuses what is no table or no row", () => {
    expect(inputErrorOf(() => rowData({} as never, row as never)).code).toBe("INVALID_TABLE");
    expect(inputErrorOf(() => rowData(notes, null as never)).code).toBe("INVALID_ROW");
    expect(inputErrorOf(() => rowData(notes, row, { omit: ["nope"] as never })).code).toBe("INVALID_OPTIONS");
  });
});

test("a TrackError has a code and a message that holds no value", () => {
  expect(new TrackError("NO_ROW")).toMatchObject({ code: "NO_ROW", name: "TrackError" });
});
