import { getTableColumns, getTableName, is } from "drizzle-orm";
import { SQLiteTable } from "drizzle-orm/sqlite-core";
import type { Actions } from "./event.js";
import { InputError, reading, shapeOf } from "./input-error.js";
import { type ConsumersTable, consumers, createConsumersTable, type EventsTable, events } from "./schema.js";

export interface ConsumersOptions {
  /** Default `consumers`; for a log of another name, the table of its name with `_consumers`. */
  consumers?: ConsumersTable;
}

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
  if (!reading("table", () => isLike(events, table))) {
    const problem = `must be an events table, as createEventsTable makes it, got ${shapeOf(table)}`;
    throw new InputError("INVALID_TABLE", "table", problem);
  }
  known.add(table as object);
}

/** By its columns, not by who made it: bundles may hold this module twice. */
function isLike(model: SQLiteTable, table: unknown): boolean {
  if (!is(table, SQLiteTable)) return false;
  const columns = getTableColumns(table);
  return Object.keys(getTableColumns(model)).every((key) => Object.hasOwn(columns, key));
}

const derived = new Map<string, ConsumersTable>();

/** The table of a log's consumers. */
export function consumersOf(log: EventsTable<any>, given?: ConsumersTable): ConsumersTable {
  if (given !== undefined) {
    if (reading("consumers", () => isLike(consumers, given))) return given;
    const problem = `must be a consumers table, as createConsumersTable makes it, got ${shapeOf(given)}`;
    throw new InputError("INVALID_TABLE", "consumers", problem);
  }
  const name = getTableName(log);
  const own =
    name === "events" ? consumers : (derived.get(name) ?? createConsumersTable(`${name}_consumers`));
  derived.set(name, own);
  return own;
}
