import { sql } from "drizzle-orm";
import { check, index, integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import type { Action, ActionOf, Actions, Meta } from "./event.js";
import type { EventsTable } from "./events-table.js";
import { checkTableName } from "./table-name.js";
import type { VectorClock } from "./vector-clock.js";

export { type ConsumersTable, consumers, createConsumersTable } from "./consumers-table.js";
export type { EventsTable } from "./events-table.js";

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
  checkTableName(name);
  return defineTable(name);
}

/** Its type is written out in events-table.ts, where the columns are explained. */
function defineTable(name: string): EventsTable<any> {
  return sqliteTable(
    name,
    {
      seq: integer("seq").primaryKey({ autoIncrement: true }),
      id: text("id").notNull(),
      action: text("action").$type<ActionOf<any>>().notNull(),
      traceId: text("trace_id").notNull(),
      cortexId: text("cortex_id").notNull(),
      origin: text("origin").notNull(),
      actor: text("actor"),
      timestamp: text("timestamp").notNull(),
      // Before what may be long: a column after a large text is read through all of that.
      proof: text("proof"),
      data: text("data", { mode: "json" }).$type<unknown>(),
      meta: text("meta", { mode: "json" }).$type<Meta>(),
      vclock: text("vclock", { mode: "json" }).$type<VectorClock>(),
      idempotencyKey: text("idempotency_key"),
      counter: integer("counter"),
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

const ulidRule = (column: string) =>
  `length(${column}) = 26 and ${column} < '8' and ${column} = upper(${column})`;
const nameRule = (column: string) => `length(${column}) between 1 and 255`;

// Column names in the checks are bare, so that they hold in a table rebuild under a temporary name.
const CHECKS: readonly [column: string, rule: string][] = [
  ["seq", "seq between 1 and 9007199254740991"],
  ["id", ulidRule("id")],
  ["cortex_id", ulidRule("cortex_id")],
  ["action", "length(action) <= 128 and action glob '[A-Za-z]*' and action not glob '*[^A-Za-z0-9_.:/-]*'"],
  ["trace_id", nameRule("trace_id")],
  ["origin", nameRule("origin")],
  ["actor", nameRule("actor")],
  ["timestamp", "timestamp glob '????-??-??T??:??:??*Z'"],
  ["data", "json_valid(data)"],
  [
    "meta",
    "case when json_valid(meta) then json_type(meta) = 'object' and octet_length(meta) <= 16384 else meta is null end",
  ],
  ["vclock", "json_valid(vclock)"],
  ["idempotency_key", nameRule("idempotency_key")],
  ["counter", `counter is json_extract(vclock, '$."' || cortex_id || '"')`],
  ["branched", "branched = 1"],
  [
    "proof",
    // On one line: `drizzle-kit push` takes another for a change, and rebuilds the table without its triggers.
    "case when proof is null then counter is null else counter is not null and length(proof) between 97 and 5098 " +
      // A glob of hex digits takes twice as long as `unhex`.
      "and unhex(substr(proof, 1, 64)) is not null and substr(proof, 65, 1) = '.' " +
      "and unhex(substr(proof, 66, 32)) is not null and lower(substr(proof, 1, 97)) = substr(proof, 1, 97) " +
      "and (length(proof) = 97 or substr(proof, 98, 1) = '.' and length(proof) > 98 " +
      "and substr(proof, 99) not glob '*[^A-Za-z0-9_-]*') end",
  ],
];

/** The log: one row per event, only ever added to. */
export const events: EventsTable<Action, "events"> = createEventsTable();
