import type { SQLiteColumn, SQLiteTableWithColumns } from "drizzle-orm/sqlite-core";
import type { IsDrizzle1 } from "./database.js";
import type { Action, ActionOf, Actions, Meta } from "./event.js";
import type { VectorClock } from "./vector-clock.js";

/** An events table and, in its type, the actions that its events carry and its name. */
export type EventsTable<A extends Actions = Action, N extends string = string> = SQLiteTableWithColumns<
  { name: N; schema: undefined; dialect: "sqlite"; columns: Columns<A, N> } & NotAnAlias
> & {
  // Never set: carries the type parameter to the functions that are given the table.
  readonly $actions?: A;
};

// Written out, not inferred from `sqliteTable`: the inferred types are those of the Drizzle that the package was
// built with, and wrong beside the other major. These name only what both have.
type Columns<A extends Actions, N extends string> = {
  /** The order of arrival in this database, and the consumer's cursor. Never reused once committed. */
  seq: Column<N, "seq", Integer, number, true, true>;
  /** ULID. The order by id is the order of time as far as the writers' clocks agree. */
  id: Column<N, "id", Text>;
  action: Column<N, "action", Text, ActionOf<A>>;
  traceId: Column<N, "trace_id", Text>;
  cortexId: Column<N, "cortex_id", Text>;
  origin: Column<N, "origin", Text>;
  /** Who did it, NULL when that is not told. */
  actor: Column<N, "actor", Text, string, false>;
  timestamp: Column<N, "timestamp", Text>;
  /** A hash over the event and what came before it of its cortex, and more: see docs/proof.md. NULL without a clock. */
  proof: Column<N, "proof", Text, string, false>;
  /** JSON text, NULL when the event has no data. */
  data: Column<N, "data", Json, unknown, false>;
  /** JSON text of an object, NULL when the event has none. */
  meta: Column<N, "meta", Json, Meta, false>;
  /** JSON text, NULL when the event has no clock. */
  vclock: Column<N, "vclock", Json, VectorClock, false>;
  /** The same for every retry of one request; (idempotency_key, cortex_id) is unique. */
  idempotencyKey: Column<N, "idempotency_key", Text, string, false>;
  /** The event's own entry in its vclock: (cortex_id, counter) is unique, so no two events share one place. */
  counter: Column<N, "counter", Integer, number, false>;
  /** 1 if the event did not follow on from its trace's last one: a mark for `divergences`, local like seq. */
  branched: Column<N, "branched", Integer, number, false>;
};

export type Column<
  TableName extends string,
  Name extends string,
  K extends Kind,
  Data = string,
  NotNull extends boolean = true,
  IsKey extends boolean = false,
  HasDefault extends boolean = IsKey,
> = SQLiteColumn<{
  name: Name;
  tableName: TableName;
  dataType: K["dataType"];
  columnType: K["columnType"];
  data: Data;
  driverParam: K["driverParam"];
  notNull: NotNull;
  hasDefault: HasDefault;
  isPrimaryKey: IsKey;
  isAutoincrement: false;
  hasRuntimeDefault: false;
  enumValues: K["enumValues"];
  baseColumn: never;
  identity: undefined;
  generated: undefined;
}>;

export type NotAnAlias = IsDrizzle1 extends true ? { isAlias: false } : unknown;

type Kind = Text | Integer | Json;

export interface Text {
  dataType: "string";
  columnType: "SQLiteText";
  driverParam: string;
  enumValues: [string, ...string[]];
}

export interface Integer {
  dataType: IsDrizzle1 extends true ? "number int53" : "number";
  columnType: "SQLiteInteger";
  driverParam: number;
  enumValues: undefined;
}

interface Json {
  dataType: IsDrizzle1 extends true ? "object json" : "json";
  columnType: "SQLiteTextJson";
  driverParam: string;
  enumValues: undefined;
}
