// Compiled beside each major of Drizzle; nothing here runs.
import { createEventsTable, fold, openCortex, type StoredEvent } from "drizzle-event-log";
import { changes, rowData, type TrackedActions, track } from "drizzle-event-log/tracked";
import { and, eq, sql } from "drizzle-orm";
import type { drizzle as openSqlite } from "drizzle-orm/better-sqlite3";
import type { drizzle as openLibsqlClient } from "drizzle-orm/libsql";
import { blob, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { expectTypeOf } from "expect-type";

declare const libsql: ReturnType<typeof openLibsqlClient>;
declare const sqlite: ReturnType<typeof openSqlite>;

const notes = sqliteTable("notes", {
  id: integer("id").primaryKey(),
  title: text("title").notNull(),
  at: integer("created_at", { mode: "timestamp" }).$defaultFn(() => new Date()),
  big: blob("big", { mode: "bigint" }).notNull().default(0n),
  secret: text("secret"),
  shout: text("shout").generatedAlwaysAs(sql`upper(title)`),
});
const cortex = openCortex({ id: "01ARZ3NDEKTSV4RRFFQ69G5FAV", origin: "o" });
const trackedNotes = track(notes, { traceId: (row) => `note:${row.id}`, omit: ["secret"] });
const where = eq(notes.id, 1);

export function aTrackedTableIsTypedByItsTable() {
  libsql.transaction(async (tx) => {
    const { data, action } = await trackedNotes.insert(tx, cortex, { title: "Milk", at: new Date() });
    expectTypeOf(action).toEqualTypeOf<"create">();
    expectTypeOf(data.at).toEqualTypeOf<string | null>();
    expectTypeOf(data.big).toEqualTypeOf<string>();
    expectTypeOf(data).not.toHaveProperty("secret");
  });
  sqlite.transaction((tx) => {
    expectTypeOf(trackedNotes.insert(tx, cortex, { title: sql`'Milk'` }).data.id).toEqualTypeOf<number>();
    for (const event of trackedNotes.update(tx, cortex, { title: "Oats" }, and(where))) {
      if (event.action === "update") expectTypeOf(event.data.title?.to).toEqualTypeOf<string | undefined>();
    }
    // @ts-expect-error title is missing
    trackedNotes.insert(tx, cortex, {});
    // @ts-expect-error no such column
    trackedNotes.insert(tx, cortex, { title: "Milk", color: "red" });
    // @ts-expect-error no such column
    trackedNotes.update(tx, cortex, { color: "red" }, where);
    // @ts-expect-error a Date, not text
    trackedNotes.update(tx, cortex, { at: "2026" }, where);
    // @ts-expect-error which rows?
    trackedNotes.delete(tx, cortex);
  });
  // @ts-expect-error not a transaction
  trackedNotes.insert(libsql, cortex, { title: "Milk" });
  // @ts-expect-error no such column
  track(notes, { traceId: () => "t", omit: ["password"] });
  // @ts-expect-error a trace is text
  track(notes, { traceId: (row) => row.id });
}

export function itsEventsAreTypedToo(history: StoredEvent[], row: typeof notes.$inferSelect) {
  expectTypeOf(fold(history, trackedNotes.reducer, undefined)?.title).toEqualTypeOf<string | undefined>();
  expectTypeOf(rowData(notes, row).big).toEqualTypeOf<string>();
  expectTypeOf(changes(row, row).at?.from).toEqualTypeOf<string | null | undefined>();
  type Actions = TrackedActions<typeof trackedNotes>;
  const auditor = openCortex({ id: cortex.id, origin: "o", table: createEventsTable<Actions>("audit") });
  sqlite.transaction((tx) => trackedNotes.mutations(row, undefined).map((one) => auditor.append(tx, one)));
}
