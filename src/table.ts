import { getTableColumns, is } from "drizzle-orm";
import { SQLiteTable } from "drizzle-orm/sqlite-core";
import type { Actions } from "./event.js";
import { InputError, reading, shapeOf } from "./input-error.js";
import { type EventsTable, events } from "./schema.js";

const known = new WeakSet<object>();

/** The table that a function was given, or `events`. */
export function tableOf<A extends Actions>({
  table,
}: {
  table?: EventsTable<A> | undefined;
}): EventsTable<A> {
  if (table === undefined) return events as unknown as EventsTable<A>;
  if (typeof table !== "object" || table === null || !known.has(table)) checkTable(table);
  return table;
}

function checkTable(table: unknown): void {
  // By its columns, not by who made it: bundles may hold this module twice.
  const isEvents = reading("table", () => {
    if (!is(table, SQLiteTable)) return false;
    const columns = getTableColumns(table);
    return Object.keys(getTableColumns(events)).every((key) => Object.hasOwn(columns, key));
  });
  if (!isEvents) {
    const problem = `must be an events table, as createEventsTable makes it, got ${shapeOf(table)}`;
    throw new InputError("INVALID_TABLE", "table", problem);
  }
  known.add(table as object);
}
