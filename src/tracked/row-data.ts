import { getTableColumns, type InferSelectModel, is } from "drizzle-orm";
import { type SQLiteColumn, SQLiteTable } from "drizzle-orm/sqlite-core";
import { checkMaxDataBytes, type EventLimits } from "../event.js";
import {
  checkedOptions,
  entriesOf,
  InputError,
  isArray,
  isRecord,
  reading,
  shapeOf,
} from "../input-error.js";
import { encodeJson, sameJson } from "../json.js";
import { columnJson, isBytes, type JsonOf, jsonOf, sameBytes } from "./json-value.js";

/** A row as Drizzle selects it: a key for each column. */
export type Row = Record<string, unknown>;

export type ColumnKey<T extends SQLiteTable> = keyof InferSelectModel<T> & string;

/** A row as JSON, as the events of a tracked table hold it, without the columns `O` that are omitted. */
export type RowData<T extends SQLiteTable, O extends PropertyKey = never> = {
  [K in Exclude<ColumnKey<T>, O>]: JsonOf<InferSelectModel<T>[K]>;
};

/** What changed: each field that did, with its value before and after. */
export type Changes<Data = Record<string, unknown>> = ChangesOf<Data, Data>;

type ChangesOf<B, A> = {
  [K in keyof A | keyof B]?: { from: ValueOf<B, K>; to: ValueOf<A, K> };
};

type ValueOf<Row, K> = K extends keyof Row ? JsonOf<Row[K]> : null;

/**
 * A row as JSON, for the `data` of an event: a Date as ISO text, a bigint as its digits, bytes as base64, the content
 * of a JSON column as it is, Infinity as text, a column of a custom type as what it gives the driver. A column that
 * the row lacks is left out, and so are those in `omit`.
 *
 * @throws InputError `INVALID_TABLE`, `INVALID_ROW`, `INVALID_OPTIONS`; `INVALID_DATA`, `DATA_TOO_LARGE`,
 * `DATA_TOO_DEEP`: an event cannot hold it.
 */
export function rowData<T extends SQLiteTable, const O extends ColumnKey<T> = never>(
  table: T,
  row: InferSelectModel<T>,
  options?: EventLimits & { omit?: readonly O[] },
): RowData<T, O> {
  checkTable(table);
  const { omit, ...limits } = checkedOptions(options);
  const omitted = checkedOmit(table, omit);
  const most = mostBytes(limits);
  return reading("row", () => {
    checkRow(row, "row");
    const columns = columnsOf(table).filter(([key]) => !omitted.includes(key));
    for (const [key, column] of columns) refuseHuge(row[key as never], most, key, column);
    return encodeJson(dataOf(columns, row as Row), "row", most).copy as RowData<T, O>;
  });
}

/**
 * The fields in which two rows differ, as `{ field: { from, to } }` in JSON; empty where they do not. Dates are
 * compared as times, bytes and JSON by value. A field that one of them lacks counts as null there. Takes rows,
 * or what `rowData` made of them.
 *
 * @throws InputError `INVALID_ROW`; `INVALID_DATA`, `DATA_TOO_LARGE`, `DATA_TOO_DEEP`: an event cannot hold it.
 */
export function changes<B extends object, A extends object>(
  before: B,
  after: A,
  options?: EventLimits,
): ChangesOf<B, A> {
  const most = mostBytes(checkedOptions(options));
  return reading("row", () => {
    checkRow(before, "before");
    checkRow(after, "after");
    const changed: [string, unknown][] = [];
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const [a, b] = [before, after].map((row) => (Object.hasOwn(row, key) ? row[key as never] : null));
      if (Object.is(a, b) || (isBytes(a) && isBytes(b) && sameBytes(a, b))) continue;
      const [from, to] = [a, b].map((value) => boundJson(value, most, key));
      if (!sameJson(from, to)) changed.push([key, { from, to }]);
    }
    return encodeJson(Object.fromEntries(changed), "row", most).copy as ChangesOf<B, A>;
  });
}

function boundJson(value: unknown, most: number, key: string): unknown {
  refuseHuge(value, most, key);
  return encodeJson(jsonOf(value), key, most).copy;
}

/** Before it is turned into text: of a few objects, JSON can make more than there is memory for. */
function refuseHuge(value: unknown, most: number, key: string, column?: SQLiteColumn): void {
  const tooMany = isBytes(value) && value.byteLength > most;
  if (tooMany) throw new InputError("DATA_TOO_LARGE", key, `is larger than ${most} bytes as JSON`);
  if (column && /json/.test(column.dataType) && value !== undefined) encodeJson(value, key, most);
}

function mostBytes({ maxDataBytes = 2 ** 20 }: EventLimits): number {
  checkMaxDataBytes(maxDataBytes);
  return maxDataBytes;
}

export type Columns = readonly (readonly [key: string, column: SQLiteColumn])[];

export function columnsOf(table: SQLiteTable): Columns {
  return Object.entries(getTableColumns(table)) as [string, SQLiteColumn][];
}

export function dataOf(columns: Columns, row: Row): Row {
  const known = columns.filter(([key]) => row[key] !== undefined);
  return Object.fromEntries(known.map(([key, column]) => [key, columnJson(column, row[key], key)]));
}

export function checkTable(table: unknown): asserts table is SQLiteTable {
  if (!reading("table", () => is(table, SQLiteTable))) {
    throw new InputError("INVALID_TABLE", "table", `must be a Drizzle SQLite table, got ${shapeOf(table)}`);
  }
}

export function checkRow(row: unknown, field: string): asserts row is Row {
  if (!isRecord(row)) throw new InputError("INVALID_ROW", field, `must be an object, got ${shapeOf(row)}`);
}

export function checkedOmit(table: SQLiteTable, omit: unknown = []): string[] {
  if (!isArray(omit)) {
    throw new InputError("INVALID_OPTIONS", "omit", `must be an array, got ${shapeOf(omit)}`);
  }
  return entriesOf(omit, "omit", "INVALID_OPTIONS").map((key) => checkedKey(table, key, "omit"));
}

/** The key of a column in the table's definition, which need not be the column's name. */
export function checkedKey(table: SQLiteTable, key: unknown, field: string): string {
  if (typeof key === "string" && Object.hasOwn(getTableColumns(table), key)) return key;
  throw new InputError("INVALID_OPTIONS", field, `must name columns of the table, got ${shapeOf(key)}`);
}
