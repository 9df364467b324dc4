import type { InferSelectModel } from "drizzle-orm";
import { getTableConfig, type SQLiteTable } from "drizzle-orm/sqlite-core";
import { refuseUnknownFields } from "../event.js";
import { checkAction } from "../field.js";
import { checkedOptions, checkFunction, InputError, isRecord, reading, shapeOf } from "../input-error.js";
import type { EventsTable } from "../schema.js";
import { tableOf } from "../table.js";
import {
  type ColumnKey,
  type Columns,
  checkedKey,
  checkedOmit,
  checkTable,
  columnsOf,
  type Row,
} from "./row-data.js";

/** What an event is called, by what happened to the row. */
export interface ActionNames {
  create: string;
  update: string;
  trash: string;
  recover: string;
  purge: string;
}

export interface TrackOptions<
  T extends SQLiteTable,
  O extends ColumnKey<T> = never,
  N extends Partial<ActionNames> = Partial<ActionNames>,
> {
  /**
   * The trace of a row: each row needs one of its own, that no row of another table has. Ids that two tables may share
   * need a prefix: (row) => `note:${row.id}`.
   */
  traceId: (row: InferSelectModel<T>) => string;
  /** Columns whose values never come into the log. Not those of the primary key. */
  omit?: readonly O[];
  /** Other names for the actions. `create` and `purge` must differ from all others. */
  actions?: N;
  /** The column that says that a row is in the trash: by any value but null, false and 0. */
  softDelete?: ColumnKey<T>;
  /** The events table that the cortex writes to. Default `events`. */
  table?: EventsTable<any>;
}

/** A tracked table, its options checked. */
export interface Definition {
  table: SQLiteTable;
  columns: Columns;
  recorded: Columns;
  key: Columns;
  traceId: (row: any) => string;
  softDelete: string | undefined;
  actions: ActionNames;
  log: EventsTable<any>;
}

const ACTIONS: ActionNames = {
  create: "create",
  update: "update",
  trash: "trash",
  recover: "recover",
  purge: "purge",
};
const ACTION_KEYS = Object.keys(ACTIONS) as (keyof ActionNames)[];
const OPTIONS: ReadonlySet<string> = new Set(["traceId", "omit", "actions", "softDelete", "table"]);

export function define(table: unknown, options: unknown): Definition {
  checkTable(table);
  const given = checkedOptions((options ?? null) as TrackOptions<SQLiteTable, any>);
  refuseUnknownFields(given, OPTIONS, "options");
  const { traceId, omit, actions, softDelete, table: log } = given;
  checkFunction(traceId, "INVALID_FUNCTION", "traceId");
  const omitted = checkedOmit(table, omit);
  const columns = columnsOf(table);
  const key = primaryKey(table, columns);
  const secretKey = key.find(([name]) => omitted.includes(name));
  if (secretKey) throw new InputError("INVALID_OPTIONS", "omit", "must not have a column of the primary key");
  return {
    table,
    columns,
    recorded: columns.filter(([name]) => !omitted.includes(name)),
    key,
    traceId,
    softDelete: softDelete === undefined ? undefined : checkedKey(table, softDelete, "softDelete"),
    actions: checkedActions(actions),
    log: tableOf({ table: log }),
  };
}

function primaryKey(table: SQLiteTable, columns: Columns): Columns {
  const composite = getTableConfig(table).primaryKeys[0]?.columns.map(({ name }) => name) ?? [];
  const key = columns.filter(([, column]) => column.primary || composite.includes(column.name));
  if (key.length > 0) return key;
  throw new InputError("INVALID_TABLE", "table", "must have a primary key");
}

function checkedActions(given: unknown): ActionNames {
  if (given === undefined) return ACTIONS;
  return reading("actions", () => {
    if (!isRecord(given)) {
      throw new InputError("INVALID_ACTION", "actions", `must be an object, got ${shapeOf(given)}`);
    }
    refuseUnknownFields(given, new Set(ACTION_KEYS), "actions");
    const names = { ...ACTIONS };
    for (const key of ACTION_KEYS) {
      if (given[key] === undefined) continue;
      checkAction(given[key], `actions.${key}`);
      names[key] = given[key];
    }
    for (const key of ["create", "purge"] as const) {
      const others = ACTION_KEYS.filter((other) => other !== key).map((other) => names[other]);
      if (others.includes(names[key])) {
        throw new InputError("INVALID_ACTION", `actions.${key}`, "must differ from the other names");
      }
    }
    return names;
  });
}

/** Whether the column of `softDelete` says that the row is in the trash. */
export function isTrashed({ softDelete }: Definition, row: Row): boolean {
  if (softDelete === undefined) return false;
  const mark = row[softDelete];
  return mark !== null && mark !== undefined && mark !== false && mark !== 0;
}
