import { sql } from "drizzle-orm";
import { check, index, integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import type { Action, ActionOf, Actions, Meta } from "./event.js";
import { InputError, shapeOf } from "./input-error.js";
import type { VectorClock } from "./vector-clock.js";

/** An events table and, in its type, the actions that its events carry and its name. */
export type EventsTable<A extends Actions = Action, N extends string = string> = ReturnType<
  typeof defineTable<A, N>
> & {
  // Never set: carries the type parameter to the functions that are given the table.
  readonly $actions?: A;
};

/**
 * An events table under another name, or typed with the app's own actions:
 * `createEventsTable<Action | "publish">()`, or `createEventsTable<{ publish: { url: string } }>()` to type
 * `data` per action. For Drizzle's relations the name has to be a type as well: with actions of your own write
 * `createEventsTable<MyActions, "audit">("audit")`. Pass it to every function as `{ table }`, and export it at the
 * top level of a schema file, where drizzle-kit finds it. The names of its indexes and checks begin with the table's name.
 *
 * @throws InputError `INVALID_TABLE_NAME` unless the name is `[A-Za-z_][A-Za-z0-9_]*`.
 */
export function createEventsTable<A extends Actions = Action, const N extends string = "events">(
  name?: N,
): EventsTable<A, N>;
export function createEventsTable<A extends Actions>(name: string): EventsTable<A>;
export function createEventsTable(name = "events"): EventsTable<any> {
  if (typeof name !== "string" || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    const problem = `must match [A-Za-z_][A-Za-z0-9_]*, got ${shapeOf(name)}`;
    throw new InputError("INVALID_TABLE_NAME", "name", problem);
  }
  return defineTable<any, string>(name);
}

function defineTable<A extends Actions, N extends string>(name: N) {
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
      /** Who did it, NULL when that is not told. */
      actor: text("actor"),
      timestamp: text("timestamp").notNull(),
      /** JSON text, NULL when the event has no data. */
      data: text("data", { mode: "json" }).$type<unknown>(),
      /** JSON text of an object, NULL when the event has none. */
      meta: text("meta", { mode: "json" }).$type<Meta>(),
      /** JSON text, NULL when the event has no clock. */
      vclock: text("vclock", { mode: "json" }).$type<VectorClock>(),
      /** The same for every retry of one request; (idempotency_key, cortex_id) is unique. */
      idempotencyKey: text("idempotency_key"),
      /** The event's own entry in its vclock: (cortex_id, counter) is unique, so no two events share one place. */
      counter: integer("counter"),
      /** 1 if the event did not follow on from its trace's last one: a mark for `divergences`, local like seq. */
      branched: integer("branched"),
    },
    (table) => [
      uniqueIndex(`${name}_id_unique`).on(table.id),
      index(`${name}_trace_id_id_index`).on(table.traceId, table.id),
      uniqueIndex(`${name}_cortex_id_counter_unique`).on(table.cortexId, table.counter),
      // The key first: a retry may come to another cortex of the log.
      uniqueIndex(`${name}_idempotency_key_cortex_id_unique`)
        .on(table.idempotencyKey, table.cortexId)
        .where(sql.raw("idempotency_key is not null")),
      // In an index the rows of one actor lie in the order of seq.
      index(`${name}_actor_index`).on(table.actor).where(sql.raw("actor is not null")),
      index(`${name}_branched_index`).on(table.traceId).where(sql.raw("branched = 1")),
      ...CHECKS.map(([column, rule]) => check(`${name}_${column}_check`, sql.raw(rule))),
    ],
  );
}

const isULID = (column: string) =>
  `length(${column}) = 26 and ${column} < '8' and ${column} = upper(${column})`;
const isName = (column: string) => `length(${column}) between 1 and 255`;

// Column names in the checks are bare, so that they hold in a table rebuild under a temporary name.
const CHECKS: readonly [column: string, rule: string][] = [
  ["seq", "seq between 1 and 9007199254740991"],
  ["id", isULID("id")],
  ["cortex_id", isULID("cortex_id")],
  ["action", "length(action) <= 128 and action glob '[A-Za-z]*' and action not glob '*[^A-Za-z0-9_.:/-]*'"],
  ["trace_id", isName("trace_id")],
  ["origin", isName("origin")],
  ["actor", isName("actor")],
  ["timestamp", "timestamp glob '????-??-??T??:??:??*Z'"],
  ["data", "json_valid(data)"],
  [
    "meta",
    "case when json_valid(meta) then json_type(meta) = 'object' and octet_length(meta) <= 16384 else meta is null end",
  ],
  ["vclock", "json_valid(vclock)"],
  ["idempotency_key", isName("idempotency_key")],
  ["counter", `counter is json_extract(vclock, '$."' || cortex_id || '"')`],
  ["branched", "branched = 1"],
];

/** The log: one row per event, only ever added to. */
export const events: EventsTable<Action, "events"> = createEventsTable();
