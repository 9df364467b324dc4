import { sql } from "drizzle-orm";
import { check, index, integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import type { Action, ActionOf, Actions } from "./event.js";
import { InputError, shapeOf } from "./input-error.js";
import type { VectorClock } from "./vector-clock.js";

/** An events table and, in its type, the actions that its events carry. */
export type EventsTable<A extends Actions = Action> = ReturnType<typeof defineTable<A>> & {
  // Never set: carries the type parameter to the functions that are given the table.
  readonly $actions?: A;
};

/**
 * An events table under another name, or typed with the app's own actions:
 * `createEventsTable<Action | "publish">()`, or `createEventsTable<{ publish: { url: string } }>()` to type
 * `data` per action. Pass it to every function as `{ table }`, and export it at the top level of a schema
 * file, where drizzle-kit finds it. The names of its indexes and checks begin with the table's name.
 *
 * @throws InputError `INVALID_TABLE_NAME` unless the name is `[A-Za-z_][A-Za-z0-9_]*`.
 */
export function createEventsTable<A extends Actions = Action>(name = "events"): EventsTable<A> {
  if (typeof name !== "string" || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw new InputError(
      "INVALID_TABLE_NAME",
      "name",
      `must match [A-Za-z_][A-Za-z0-9_]*, got ${shapeOf(name)}`,
    );
  }
  return defineTable<A>(name);
}

// Column names in the checks are bare, so that they hold in a table rebuild under a temporary name.
const isULID = (column: string) =>
  sql.raw(`length(${column}) = 26 and ${column} < '8' and ${column} = upper(${column})`);
const isName = (column: string) => sql.raw(`length(${column}) between 1 and 255`);

function defineTable<A extends Actions>(name: string) {
  return sqliteTable(
    name,
    {
      /** The order of arrival in this database, and the consumer's cursor. Never reused once committed. */
      seq: integer("seq").primaryKey({ autoIncrement: true }),
      /** ULID. The order by id is the order of time as far as the writers' clocks agree. */
      id: text("id").notNull(),
      action: text("action").$type<ActionOf<A>>().notNull(),
      traceId: text("trace_id").notNull(),
      cortexId: text("cortex_id").notNull(),
      origin: text("origin").notNull(),
      timestamp: text("timestamp").notNull(),
      /** JSON text, NULL when the event has no data. */
      data: text("data", { mode: "json" }).$type<unknown>(),
      /** JSON text, NULL when the event has no clock. */
      vclock: text("vclock", { mode: "json" }).$type<VectorClock>(),
      /** The event's own entry in its vclock: (cortex_id, counter) is unique, so no two events share one place. */
      counter: integer("counter"),
      /** 1 if the event did not follow on from its trace's last one: a mark for `divergences`, local like seq. */
      branched: integer("branched"),
    },
    (table) => [
      uniqueIndex(`${name}_id_unique`).on(table.id),
      index(`${name}_trace_id_id_index`).on(table.traceId, table.id),
      uniqueIndex(`${name}_cortex_id_counter_unique`).on(table.cortexId, table.counter),
      index(`${name}_branched_index`).on(table.traceId).where(sql.raw("branched = 1")),
      check(`${name}_id_check`, isULID("id")),
      check(`${name}_cortex_id_check`, isULID("cortex_id")),
      check(`${name}_action_check`, sql.raw("action glob '[a-z]*' and action not glob '*[^a-z0-9_]*'")),
      check(`${name}_trace_id_check`, isName("trace_id")),
      check(`${name}_origin_check`, isName("origin")),
      check(`${name}_timestamp_check`, sql.raw("timestamp glob '????-??-??T??:??:??*Z'")),
      check(`${name}_data_check`, sql.raw("json_valid(data)")),
      check(`${name}_vclock_check`, sql.raw("json_valid(vclock)")),
      check(`${name}_counter_check`, sql.raw(`counter is json_extract(vclock, '$."' || cortex_id || '"')`)),
      check(`${name}_branched_check`, sql.raw("branched = 1")),
    ],
  );
}

/** The log: one row per event, only ever added to. */
export const events: EventsTable = createEventsTable();
