// Checked by `npx tsc`; nothing here runs.
import {
  type Action,
  createEventsTable,
  feed,
  fold,
  forTrace,
  openCortex,
  type StoredEvent,
  stateAt,
} from "drizzle-event-log";
import { changes, rowData, type TrackedActions, type TrackedTable, track } from "drizzle-event-log/tracked";
import { and, eq, sql } from "drizzle-orm";
import type { BetterSQLite3Database } from "drizzle-orm/better-sqlite3";
import type { DrizzleD1Database } from "drizzle-orm/d1";
import type { LibSQLDatabase } from "drizzle-orm/libsql";
import { blob, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { expectTypeOf } from "vitest";

const notes = sqliteTable("notes", {
  id: integer("id").primaryKey(),
  title: text("title").notNull(),
  at: integer("created_at", { mode: "timestamp" }).$defaultFn(() => new Date()),
  big: blob("big", { mode: "bigint" }).notNull().default(0n),
  json: text("json", { mode: "json" }).$type<{ tags: string[] }>(),
  secret: text("secret"),
  shout: text("shout").generatedAlwaysAs(sql`upper(title)`),
});
const seats = sqliteTable(
  "seats",
  { row: integer("row").notNull(), place: text("place").notNull() },
  (table) => [primaryKey({ columns: [table.row, table.place] })],
);

interface NoteData {
  id: number;
  title: string;
  at: string | null;
  big: string;
  json: { tags: string[] } | null;
  shout: string | null;
}

const cortex = openCortex({ id: "01ARZ3NDEKTSV4RRFFQ69G5FAV", origin: "o" });
const trackedNotes = track(notes, { traceId: (row) => `note:${row.id}`, omit: ["secret"] });
const where = eq(notes.id, 1);

export function answersAreOfTheDriversKind(
  libsql: LibSQLDatabase,
  d1: DrizzleD1Database,
  sqlite: BetterSQLite3Database,
) {
  libsql.transaction(async (tx) => {
    const event = await trackedNotes.insert(tx, cortex, { title: "Milk" });
    expectTypeOf(event.data).toEqualTypeOf<{ [K in keyof NoteData]: NoteData[K] }>();
    expectTypeOf(event.action).toEqualTypeOf<"create">();
    expectTypeOf(event.seq).toEqualTypeOf<number>();
    expectTypeOf(trackedNotes.insert(tx, cortex, [{ title: "Milk" }])).resolves.items.toEqualTypeOf<
      typeof event
    >();
    expectTypeOf(trackedNotes.update(tx, cortex, { title: "Oats" }, where)).toExtend<Promise<unknown[]>>();
  });
  sqlite.transaction((tx) => {
    expectTypeOf(trackedNotes.insert(tx, cortex, { title: "Milk" }).data.title).toEqualTypeOf<string>();
    for (const event of trackedNotes.update(tx, cortex, { title: "Oats" }, and(where, where), {
      actor: "ann",
    })) {
      if (event.action === "update") {
        expectTypeOf(event.data.at).toEqualTypeOf<{ from: string | null; to: string | null } | undefined>();
        // @ts-expect-error an omitted column
        event.data.secret;
      } else if (event.action === "purge") expectTypeOf(event.data.big).toEqualTypeOf<string>();
    }
    const [purged] = trackedNotes.delete(tx, cortex, where);
    if (purged) trackedNotes.restore(tx, cortex, purged, { values: { secret: "s" }, idempotencyKey: "k" });
  });
  // @ts-expect-error not a transaction
  trackedNotes.insert(libsql, cortex, { title: "Milk" });
  // @ts-expect-error not a transaction
  trackedNotes.update(sqlite, cortex, { title: "Milk" }, where);
  // @ts-expect-error not a transaction
  trackedNotes.delete(d1, cortex, where);
}

export function rowsAreThoseOfTheTable(sqlite: BetterSQLite3Database) {
  sqlite.transaction((tx) => {
    trackedNotes.insert(tx, cortex, { title: sql`'Milk'`, at: new Date(), big: 1n, json: { tags: [] } });
    // @ts-expect-error title is missing
    trackedNotes.insert(tx, cortex, {});
    // @ts-expect-error title is missing in the second
    trackedNotes.insert(tx, cortex, [{ title: "Milk" }, {}]);
    // @ts-expect-error no such column
    trackedNotes.insert(tx, cortex, { title: "Milk", color: "red" });
    // @ts-expect-error a generated column
    trackedNotes.insert(tx, cortex, { title: "Milk", shout: "MILK" });
    // @ts-expect-error a Date, not text
    trackedNotes.insert(tx, cortex, { title: "Milk", at: "2026" });
    trackedNotes.update(tx, cortex, { title: sql`title || '!'`, at: undefined }, where);
    // @ts-expect-error no such column
    trackedNotes.update(tx, cortex, { color: "red" }, where);
    // @ts-expect-error title may not be null
    trackedNotes.update(tx, cortex, { title: null }, where);
    // @ts-expect-error which rows?
    trackedNotes.update(tx, cortex, { title: "Oats" });
    // @ts-expect-error which rows?
    trackedNotes.delete(tx, cortex);
    // @ts-expect-error not a condition
    trackedNotes.delete(tx, cortex, { id: 1 });
    // @ts-expect-error not a cortex
    trackedNotes.delete(tx, {}, where);
    // @ts-expect-error no such option
    trackedNotes.delete(tx, cortex, where, { traceId: "t" });
    // @ts-expect-error a seq or "none"
    trackedNotes.delete(tx, cortex, where, { expect: "some" });
    // @ts-expect-error not an event
    trackedNotes.restore(tx, cortex, { data: {} });
  });
}

export function optionsAreThoseOfTheTable() {
  track(seats, { traceId: ({ row, place }) => `${row}/${place}`, softDelete: "place" });
  // @ts-expect-error which trace?
  track(notes, {});
  // @ts-expect-error a trace is text
  track(notes, { traceId: (row) => row.id });
  // @ts-expect-error no such column
  track(notes, { traceId: (row) => row.color });
  // @ts-expect-error no such column
  track(notes, { traceId: () => "t", omit: ["password"] });
  // @ts-expect-error no such column
  track(notes, { traceId: () => "t", softDelete: "deletedAt" });
  // @ts-expect-error not a table
  track({}, { traceId: () => "t" });
}

export async function aLogOfSeveralTables(libsql: LibSQLDatabase) {
  const orgs = sqliteTable("orgs", { id: text("id").primaryKey(), name: text("name").notNull() });
  const trackedOrgs = track(orgs, { traceId: ({ id }) => id, actions: { create: "OrgAdded" } });
  const table = createEventsTable<TrackedActions<typeof trackedNotes | typeof trackedOrgs>>();
  const upcasters = { OrgAdded: () => ({ id: "o", name: "" }) };
  for (const event of await feed(libsql, { table, actions: ["create", "OrgAdded"], upcasters })) {
    if (event.action === "OrgAdded") expectTypeOf(event.data.name).toEqualTypeOf<string>();
    if (event.action === "create") expectTypeOf(event.data.title).toEqualTypeOf<string>();
    // @ts-expect-error of which table?
    if (event.action === "purge") event.data.title;
    if (event.action === "purge" && "title" in event.data) event.data.title;
  }
  const titled = { OrgAdded: (_: string, { data }: { data: { name: string } }) => data.name };
  expectTypeOf(await stateAt(libsql, "o", { seq: 1 }, titled, "", { table })).toEqualTypeOf<string>();
  // @ts-expect-error no such action
  feed(libsql, { table, actions: ["NoteAdded"] });
}

export async function tablesOfAnyKind(libsql: LibSQLDatabase, event: StoredEvent) {
  const trackedSeats = track(seats, { traceId: ({ row, place }) => `${row}/${place}` });
  const all: Record<string, TrackedTable<any, any, any>> = { note: trackedNotes, seat: trackedSeats };
  await libsql.transaction(async (tx) => {
    for (const one of Object.values(all)) await one.restore(tx, cortex, event);
  });
  fold([event], all.note!.reducer, undefined);
}

export function namesOfItsOwn(libsql: LibSQLDatabase, sqlite: BetterSQLite3Database) {
  const named = track(notes, {
    traceId: (row) => `${row.id}`,
    omit: ["secret", "big", "json", "at", "shout"],
    actions: { create: "NoteAdded", update: "NoteChanged", trash: "NoteChanged" },
  });
  type Named = TrackedActions<typeof named>;
  expectTypeOf<keyof Named>().toEqualTypeOf<"NoteAdded" | "NoteChanged" | "recover" | "purge">();
  const audit = createEventsTable<Named, "audit">("audit");
  const auditor = openCortex({ id: cortex.id, origin: "o", table: audit });
  sqlite.transaction((tx) => {
    const { action, data } = named.insert(tx, auditor, { title: "Milk" });
    expectTypeOf(action).toEqualTypeOf<"NoteAdded">();
    expectTypeOf(data).toEqualTypeOf<{ id: number; title: string }>();
    for (const event of forTrace(tx, "1", { table: audit })) {
      if (event.action === "NoteAdded") expectTypeOf(event.data.title).toEqualTypeOf<string>();
      if (event.action === "NoteChanged")
        expectTypeOf(event.data.title?.to).toEqualTypeOf<string | undefined>();
    }
  });
  const row = { id: 1, title: "Milk", at: null, big: 0n, json: null, secret: null, shout: null };
  for (const mutation of named.mutations(undefined, row)) {
    expectTypeOf(mutation.action).toEqualTypeOf<keyof Named>();
    sqlite.transaction((tx) => auditor.append(tx, mutation));
  }
  // @ts-expect-error a whole row
  named.mutations(undefined, { id: 1 });
  return libsql;
}

export function foldsToTheRow(sqlite: BetterSQLite3Database, history: StoredEvent[]) {
  expectTypeOf(fold(history, trackedNotes.reducer, undefined)?.title).toEqualTypeOf<string | undefined>();
  const state = stateAt(sqlite, "note:1", { seq: 3 }, trackedNotes.reducer, undefined);
  expectTypeOf(state?.at).toEqualTypeOf<string | null | undefined>();
}

export function alone(row: typeof notes.$inferSelect) {
  expectTypeOf(rowData(notes, row).at).toEqualTypeOf<string | null>();
  expectTypeOf(rowData(notes, row, { omit: ["secret"] })).not.toHaveProperty("secret");
  // @ts-expect-error no such column
  rowData(notes, row, { omit: ["password"] });
  // @ts-expect-error not a row of it
  rowData(notes, { id: 1 });
  expectTypeOf(changes(row, row).at).toEqualTypeOf<{ from: string | null; to: string | null } | undefined>();
  expectTypeOf(changes({ a: 1n }, { a: 2n }).a?.to).toEqualTypeOf<string | undefined>();
  const action: Action = "update";
  return action;
}
