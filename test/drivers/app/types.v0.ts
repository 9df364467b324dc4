// What is Drizzle 0.45's own: `db.query` knows the tables by the schema.
import { append, events, feed, type NewEvent, type StoredEvent } from "drizzle-event-log";
import { openLibsql, writeTransaction } from "drizzle-event-log/libsql";
import { relations } from "drizzle-orm";
import { type BetterSQLite3Database, drizzle } from "drizzle-orm/better-sqlite3";
import type { LibSQLDatabase } from "drizzle-orm/libsql";
import { sqliteTable, text } from "drizzle-orm/sqlite-core";
import { expectTypeOf } from "expect-type";

const notes = sqliteTable("notes", { id: text().primaryKey() });
const history = relations(notes, ({ many }) => ({ events: many(events) }));
const note = relations(events, ({ one }) => ({
  note: one(notes, { fields: [events.traceId], references: [notes.id] }),
}));
const schema = { notes, events, history, note };

declare const input: NewEvent;

export async function queriesThroughTheSchema(libsql: LibSQLDatabase<typeof schema>) {
  const sqlite = drizzle("file.db", { schema });
  const found = sqlite.query.events.findFirst({ with: { note: true } }).sync();
  expectTypeOf(found!.seq).toEqualTypeOf<number>();
  expectTypeOf(found!.note!.id).toEqualTypeOf<string>();
  const [one] = await libsql.query.notes.findMany({ with: { events: { columns: { seq: true } } } });
  expectTypeOf(one!.events).toEqualTypeOf<{ seq: number }[]>();
  // @ts-expect-error no such column
  libsql.query.events.findMany({ columns: { payload: true } });
  expectTypeOf(feed(libsql)).toEqualTypeOf<Promise<StoredEvent[]>>();
  sqlite.transaction((tx) => expectTypeOf(append(tx, input)).toEqualTypeOf<StoredEvent>());
  // @ts-expect-error not a transaction
  append(libsql, input);
  // @ts-expect-error not a transaction
  append(sqlite, input);
}

export async function theLibsqlDoorKnowsTheSchema() {
  const db = await openLibsql("file:app.db", { schema });
  expectTypeOf((await db.query.events.findMany())[0]!.seq).toEqualTypeOf<number>();
  await writeTransaction(db, async (tx) => {
    expectTypeOf((await tx.query.events.findMany())[0]!.seq).toEqualTypeOf<number>();
    return append(tx, input);
  });
  const plain = await openLibsql("file:app.db");
  // @ts-expect-error without a schema there is nothing to query
  plain.query.events;
}

export type Named = BetterSQLite3Database<typeof schema>;
