import type { InferInsertModel, InferSelectModel, SQL } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import type { Result, Transaction } from "../database.js";
import type { StoredEvent } from "../event.js";
import type { Reducer } from "../fold.js";
import type { ActionNames } from "./definition.js";
import type { ChangeOptions, Recorder } from "./record.js";
import type { Changes, ColumnKey, RowData } from "./row-data.js";

/** What Drizzle's `values` takes. */
export type InsertValues<T extends SQLiteTable> = {
  [K in keyof InferInsertModel<T>]: InferInsertModel<T>[K] | SQL;
};

/** What Drizzle's `set` takes. */
export type UpdateValues<T extends SQLiteTable> = {
  [K in keyof InferInsertModel<T>]?: InferInsertModel<T>[K] | SQL | undefined;
};

type NameOf<N, K extends keyof ActionNames> = N extends { readonly [key in K]: infer Name extends string }
  ? Name
  : K;

/** The actions of a tracked table's events, with their data: for `createEventsTable<TrackedActions<typeof …>>()`. */
export type ActionsOf<T extends SQLiteTable, O extends PropertyKey, N> = {
  [K in keyof ActionNames as NameOf<N, K>]: K extends "create" | "purge"
    ? RowData<T, O>
    : Changes<RowData<T, O>>;
};

export interface RestoreOptions<T extends SQLiteTable> extends ChangeOptions {
  /**
   * For a row that is gone, values of columns that the log does not tell: omitted ones, and such as came later. Of columns that
   * it tells they go before what it does, also in a row that is there.
   */
  values?: UpdateValues<T>;
}

/** Any, of any table: so that tracked tables of all kinds are a `TrackedTable<any, any, any>`. */
type StateOf<T extends SQLiteTable, O extends PropertyKey> = 0 extends 1 & T
  ? any
  : RowData<T, O> | undefined;

export interface TrackedTable<
  T extends SQLiteTable,
  O extends ColumnKey<T> = never,
  N extends Partial<ActionNames> = Partial<ActionNames>,
> {
  readonly table: T;
  /**
   * Inserts a row, or several, and appends a `create` for each, whose `data` is the row as the database has it then,
   * with its defaults. Answers with the event, or events, in the order of the rows.
   *
   * @throws InputError synchronously, before any SQL runs: what is given is no transaction, cortex or row. After the
   * insert, as nothing is written: no event can hold the row (`DATA_TOO_LARGE`, `INVALID_DATA`, …).
   * @throws TrackError `NOT_INSERTED`; ConflictError, TraceError as `cortex.append` does. Nothing was written.
   */
  insert<X extends Transaction>(
    tx: X,
    cortex: Recorder,
    values: InsertValues<T>,
    options?: ChangeOptions,
  ): Result<X, Created<T, O, N>>;
  /** Several rows, all or nothing: of those that the database ignored there is no event. */
  insert<X extends Transaction>(
    tx: X,
    cortex: Recorder,
    values: readonly InsertValues<T>[],
    options?: ChangeOptions,
  ): Result<X, Created<T, O, N>[]>;
  /**
   * Updates the rows for which `where` holds, and appends an event for each that is another one then, in the order of the
   * primary key: an `update` (or `trash`, `recover`) whose `data` is what changed. A row that comes to another trace is a
   * `purge` of the one and a `create` of the other. For all rows, `where` is sql`true`.
   *
   * @throws InputError, ConflictError, TraceError as `insert` does, `INVALID_WHERE` and, of more than 2^18 rows,
   * `BATCH_TOO_LARGE`. Nothing was written.
   */
  update<X extends Transaction>(
    tx: X,
    cortex: Recorder,
    set: UpdateValues<T>,
    where: SQL | undefined,
    options?: ChangeOptions,
  ): Result<X, TrackedEvent<T, O, N>[]>;
  /** The same for a delete: a `purge` for each row, whose `data` is the row as it was. */
  delete<X extends Transaction>(
    tx: X,
    cortex: Recorder,
    where: SQL | undefined,
    options?: ChangeOptions,
  ): Result<X, TrackedEvent<T, O, N>[]>;
  /**
   * Writes the row back as it was right after the event; for a `purge`, right before. A row that is there is updated, one
   * that is gone is inserted again, and the change is an event like any other. Columns that the log does not tell stay as
   * they are; of a row that was gone they take their `values` here, or their defaults. Never deletes.
   *
   * @throws TrackError `NOT_IN_LOG`, `NO_ROW`; InputError `INVALID_DATA`, `INVALID_TRACE_ID`: a value does not fit its
   * column any more, the event is another table's; and as `insert` does. Nothing was written.
   */
  restore<X extends Transaction>(
    tx: X,
    cortex: Recorder,
    event: Pick<StoredEvent<any>, "traceId" | "id">,
    options?: RestoreOptions<T>,
  ): Result<X, TrackedEvent<T, O, N>[]>;
  /** Appends a `create` for each row that was there before it was tracked: those of which the log tells no row. */
  adopt<X extends Transaction>(
    tx: X,
    cortex: Recorder,
    where: SQL | undefined,
    options?: ChangeOptions,
  ): Result<X, Created<T, O, N>[]>;
  /**
   * What a cortex is to append where a row becomes another: undefined stands for none. For a write of your own, such as a
   * batch on D1. Of an unchanged row nothing, of one that comes to another trace two.
   */
  mutations(
    before: InferSelectModel<T> | undefined,
    after: InferSelectModel<T> | undefined,
  ): TrackedMutation<T, O, N>[];
  /** For `fold` and `stateAt`: the row as JSON, undefined where there is none. */
  readonly reducer: Reducer<StateOf<T, O>, any>;
}

export type TrackedEvent<T extends SQLiteTable, O extends PropertyKey = never, N = object> = EventOf<
  ActionsOf<T, O, N>
>;

type EventOf<Actions> = {
  [K in keyof Actions & string]: Omit<StoredEvent<any>, "action" | "data"> & { action: K; data: Actions[K] };
}[keyof Actions & string];

export type TrackedMutation<T extends SQLiteTable, O extends PropertyKey = never, N = object> = MutationOf<
  ActionsOf<T, O, N>
>;

type MutationOf<Actions> = {
  [K in keyof Actions & string]: { action: K; traceId: string; data: Actions[K] };
}[keyof Actions & string];

type Created<T extends SQLiteTable, O extends PropertyKey, N> = Extract<
  TrackedEvent<T, O, N>,
  { action: NameOf<N, "create"> }
>;

/** The actions of a tracked table, or of several (`typeof a | typeof b`), for an events table that is typed by them. */
export type TrackedActions<K> = JoinedActions<
  K extends TrackedTable<infer T, infer O, infer N> ? ActionsOf<T, O, N> : never
>;

/** Of an action that several tables have, the data is that of any. */
export type JoinedActions<Each> = {
  [K in Each extends unknown ? keyof Each : never]: Each extends { [key in K]: infer Data } ? Data : never;
};
