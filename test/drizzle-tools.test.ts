import { append, createEventsTable, events, feed, newULID, type StoredEvent } from "drizzle-event-log";
import { generateSQLiteDrizzleJson, generateSQLiteMigration } from "drizzle-kit/api";
import { eq, getTableName, relations, sql } from "drizzle-orm";
import { drizzle as drizzleSync } from "drizzle-orm/better-sqlite3";
import { drizzle } from "drizzle-orm/libsql";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { createInsertSchema, createSelectSchema } from "drizzle-zod";
import { describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { ALPHA, BETA, event, openLibsql, openSqlite } from "./fixture.js";

interface NoteEvents {
  publish: { url: string };
  touch: undefined;
}

const audit = createEventsTable<NoteEvents, "audit">("audit");
const users = sqliteTable("users", { id: text("id").primaryKey(), name: text("name").notNull() });
const notes = sqliteTable("notes", {
  id: text("id").primaryKey(),
  lastSeq: integer("last_seq").references(() => events.seq),
});

// From and to the app's tables, of the log and of a table with another name.
const usersRelations = relations(users, ({ many }) => ({
  events: many(events),
  audit: many(audit),
}));
const notesRelations = relations(notes, ({ one, many }) => ({
  history: many(events),
  last: one(events, { fields: [notes.lastSeq], references: [events.seq], relationName: "last" }),
}));
const eventsRelations = relations(events, ({ one }) => ({
  user: one(users, { fields: [events.actor], references: [users.id] }),
  note: one(notes, { fields: [events.traceId], references: [notes.id] }),
}));
const auditRelations = relations(audit, ({ one }) => ({
  user: one(users, { fields: [audit.actor], references: [users.id] }),
}));
const tables = { users, notes, events, audit };
const schema = { ...tables, usersRelations, notesRelations, eventsRelations, auditRelations };

const openers = {
  libsql: async () => {
    const { client } = await openLibsql();
    return drizzle(client, { schema });
  },
  "better-sqlite3": async () => {
    const { client } = openSqlite();
    return drizzleSync(client, { schema });
  },
};

type Db = Awaited<ReturnType<(typeof openers)["libsql"]>>;

/** What drizzle-kit makes of the app's tables, beside the log that the migrations have made. */
async function withTables(db: Db): Promise<Db> {
  const [empty, wanted] = await Promise.all([
    generateSQLiteDrizzleJson({ events }),
    generateSQLiteDrizzleJson(tables),
  ]);
  for (const statement of await generateSQLiteMigration(empty, wanted)) await db.run(sql.raw(statement));
  await db.insert(users).values([
    { id: "user-7", name: "Ada" },
    { id: "user-8", name: "Grace" },
  ]);
  return db;
}

describe.each(Object.keys(openers) as (keyof typeof openers)[])("relational queries on %s", (driver) => {
  async function opened() {
    const db = await withTables((await openers[driver]()) as Db);
    const [first, second] = await db.transaction((tx) =>
      append(tx, [
        event({ action: "create", traceId: "note-1", actor: "user-7", data: { a: [1] }, meta: { why: "x" } }),
        event({ traceId: "note-1", actor: "user-7", cortexId: BETA, vclock: { [BETA]: 1 } }),
        event({ traceId: "note-2" }),
      ]),
    );
    await db.insert(notes).values({ id: "note-1", lastSeq: second!.seq });
    const published = await db.transaction((tx) => {
      const base = { traceId: "note-1", cortexId: ALPHA, origin: "alpha", actor: "user-8" };
      return append(tx, { ...base, action: "publish", data: { url: "/" } }, { table: audit });
    });
    return { db, first: first!, second: second!, published };
  }

  test("an event comes with the app's rows that it is about", async () => {
    const { db, first } = await opened();
    const rows = await db.query.events.findMany({ with: { user: true, note: true }, orderBy: events.seq });
    expect(rows.map(({ user }) => user?.name)).toEqual(["Ada", "Ada", undefined]);
    expect(rows.map(({ note }) => note?.id)).toEqual(["note-1", "note-1", undefined]);
    expect(rows[0]).toMatchObject({ ...first, vclock: null, branched: null });
    expectTypeOf(rows[0]!.user).toEqualTypeOf<{ id: string; name: string } | null>();
    expectTypeOf(rows[0]!.seq).toEqualTypeOf<number>();
    expectTypeOf(rows[0]!.actor).toEqualTypeOf<string | null>();
    // @ts-expect-error no such relation
    const wrong = () => db.query.events.findMany({ with: { author: true } });
    expect(wrong).toBeTypeOf("function");
  });

  test("the app's row comes with its events", async () => {
    const { db, first, second } = await opened();
    const ada = await db.query.users.findFirst({
      with: { events: true, audit: true },
      where: eq(users.id, "user-7"),
    });
    expect(ada!.events.map(({ id }) => id)).toEqual([first.id, second.id]);
    expect(ada!.audit).toEqual([]);
    expectTypeOf(ada!.events[0]!.action).toEqualTypeOf<(typeof events.$inferSelect)["action"]>();
    const note = await db.query.notes.findFirst({
      with: { history: { columns: { seq: true } }, last: true },
    });
    expect(note!.history).toEqual([{ seq: first.seq }, { seq: second.seq }]);
    expect(note!.last).toMatchObject({ id: second.id, vclock: { [BETA]: 1 } });
  });

  test("a table of another name and of the app's own actions is queried by that name", async () => {
    const { db, published } = await opened();
    const rows = await db.query.audit.findMany({ with: { user: true } });
    expect(rows).toMatchObject([
      { id: published.id, action: "publish", data: { url: "/" }, user: { name: "Grace" } },
    ]);
    expectTypeOf(rows[0]!.action).toEqualTypeOf<"publish" | "touch">();
    expectTypeOf(rows[0]!.user).toEqualTypeOf<{ id: string; name: string } | null>();
  });
});

test("the name of a table is its type", () => {
  const named = [
    createEventsTable("journal"),
    createEventsTable(),
    createEventsTable<NoteEvents>("notes_log"),
  ] as const;
  type NameOf<T extends { _: { name: string } }> = T["_"]["name"];
  expectTypeOf<NameOf<typeof events>>().toEqualTypeOf<"events">();
  expectTypeOf<NameOf<typeof audit>>().toEqualTypeOf<"audit">();
  expectTypeOf<NameOf<(typeof named)[0]>>().toEqualTypeOf<"journal">();
  expectTypeOf<NameOf<(typeof named)[1]>>().toEqualTypeOf<"events">();
  // With actions of one's own the name is a type only where it is given as one.
  expectTypeOf<NameOf<(typeof named)[2]>>().toEqualTypeOf<string>();
  expect([events, audit, ...named].map(getTableName)).toEqual([
    "events",
    "audit",
    "journal",
    "events",
    "notes_log",
  ]);
});

describe("drizzle-zod", () => {
  const rowSchema = createSelectSchema(events);
  type Row = typeof events.$inferSelect;

  test("a schema made from the table parses what select gives, and changes nothing of it", async () => {
    const { db } = openSqlite();
    const told = { actor: "user-7", meta: { request: { id: 7 } }, idempotencyKey: "key-1" };
    db.transaction((tx) =>
      append(tx, [
        event(),
        event({ data: null }),
        event({ data: { deep: [1, { a: null }, "x", true] }, vclock: { [ALPHA]: 1 }, ...told }),
        event({ data: 7, meta: {} }),
        event({ action: "io.acme/order.placed.v2", data: "text" }),
      ]),
    );
    const rows = db.select().from(events).all();
    expect(rows).toHaveLength(5);
    expect(rows.map((row) => rowSchema.parse(row))).toEqual(rows);
    for (const over of [{ seq: "1" }, { id: null }, { actor: 7 }, { traceId: undefined }]) {
      expect(rowSchema.safeParse({ ...rows[0], ...over }).success).toBe(false);
    }
  });

  test("its type is that of a row", () => {
    type Output = z.output<typeof rowSchema>;
    expectTypeOf<Row>().toExtend<z.input<typeof rowSchema>>();
    // drizzle-zod does not look at $type: to it an action is any text, unless it is told.
    expectTypeOf<Omit<Output, "action">>().toExtend<Omit<Row, "action">>();
    const told = createSelectSchema(events, { action: z.enum(["create", "update"]) });
    expectTypeOf<z.output<typeof told>>().toExtend<Row>();
  });

  test("a schema for inserts takes a row that lacks only what the log gives", () => {
    const { db } = openSqlite();
    const insert = createInsertSchema(events).omit({ seq: true });
    const [stored] = db.transaction((tx) => append(tx, [event({ id: newULID() })])) as [StoredEvent];
    const { seq, ...rest } = stored;
    expect(insert.parse(rest)).toEqual(rest);
    expect(feed(db)).toEqual([stored]);
  });
});
