// What is Drizzle 1.0's own: `db.query` knows the tables by the relations.
import { append, createEventsTable, events, feed, type NewEvent, type StoredEvent } from "drizzle-event-log";
import { openLibsql, writeTransaction } from "drizzle-event-log/libsql";
import { defineRelations } from "drizzle-orm";
import { drizzle } from "drizzle-orm/better-sqlite3";
import type { LibSQLDatabase } from "drizzle-orm/libsql";
import { drizzle as openNodeSqlite } from "drizzle-orm/node-sqlite";
import { sqliteTable, text } from "drizzle-orm/sqlite-core";
import { expectTypeOf } from "expect-type";

const notes = sqliteTable("notes", { id: text().primaryKey() });
const relations = defineRelations({ notes, events }, (r) => ({
  notes: { events: r.many.events({ from: r.notes.id, to: r.events.traceId }) },
  events: { note: r.one.notes({ from: r.events.traceId, to: r.notes.id }) },
}));

declare const input: NewEvent;

export async function queriesThroughTheRelations(libsql: LibSQLDatabase<typeof relations>) {
  const sqlite = drizzle("file.db", { relations });
  const found = sqlite.query.events.findFirst({ where: { seq: { gt: 1 } }, with: { note: true } }).sync();
  expectTypeOf(found!.seq).toEqualTypeOf<number>();
  expectTypeOf(found!.note!.id).toEqualTypeOf<string>();
  const [one] = await libsql.query.notes.findMany({ with: { events: { columns: { seq: true } } } });
  expectTypeOf(one!.events).toEqualTypeOf<{ seq: number }[]>();
  // @ts-expect-error no such column
  libsql.query.events.findMany({ where: { payload: 1 } });
  // @ts-expect-error a seq is a number
  libsql.query.events.findMany({ where: { seq: "1" } });
  expectTypeOf(feed(libsql)).toEqualTypeOf<Promise<StoredEvent[]>>();
  sqlite.transaction((tx) => expectTypeOf(append(tx, input)).toEqualTypeOf<StoredEvent>());
  // @ts-expect-error not a transaction
  append(libsql, input);
  // @ts-expect-error not a transaction
  append(sqlite, input);
}

export function aTableOfTheAppsOwnName() {
  const audit = createEventsTable<{ publish: { url: string } }, "audit">("audit");
  const sqlite = drizzle("file.db", { relations: defineRelations({ audit }) });
  expectTypeOf(sqlite.query.audit.findFirst().sync()!.action).toEqualTypeOf<"publish">();
}

export function nodesOwnDriver() {
  const db = openNodeSqlite("file.db");
  expectTypeOf(feed(db)).toEqualTypeOf<StoredEvent[]>();
  db.transaction((tx) => expectTypeOf(append(tx, input)).toEqualTypeOf<StoredEvent>());
  // @ts-expect-error not a transaction
  append(db, input);
}

export async function theLibsqlDoorKnowsTheRelations() {
  const db = await openLibsql("file:app.db", { relations });
  expectTypeOf((await db.query.events.findMany())[0]!.seq).toEqualTypeOf<number>();
  await writeTransaction(db, async (tx) => {
    expectTypeOf((await tx.query.events.findMany())[0]!.seq).toEqualTypeOf<number>();
    return append(tx, input);
  });
  const plain = await openLibsql("file:app.db");
  // @ts-expect-error without relations there is nothing to query
  plain.query.events;
}
