import { sql } from "drizzle-orm";
import type { Transaction } from "../database.js";
import type { Event } from "../event.js";
import type { Reducer } from "../fold.js";
import { InputError, isRecord, shapeOf } from "../input-error.js";
import { eachPiece } from "../select.js";
import { done, type Steps } from "../steps.js";
import type { ActionNames, Definition } from "./definition.js";
import { valueFromJson } from "./json-value.js";
import type { Columns, Row } from "./row-data.js";
import { TrackError } from "./track-error.js";

/** What each of a table's events does to the row that the log tells: undefined where it tells none. */
export function reducerOf({
  create,
  update,
  trash,
  recover,
  purge,
}: ActionNames): Reducer<Row | undefined, any> {
  const change = (row: Row | undefined, { data }: Event<any>) => row && changed(row, data);
  return {
    [create]: (_row, { data }) => rowOf(data),
    [update]: change,
    [trash]: change,
    [recover]: change,
    [purge]: () => undefined,
  };
}

function rowOf(data: unknown): Row {
  if (isRecord(data)) return data;
  throw new InputError("INVALID_DATA", "data", `of an event must be a row, got ${shapeOf(data)}`);
}

function changed(row: Row, data: unknown): Row {
  const next = { ...row };
  for (const [key, change] of Object.entries(rowOf(data))) {
    if (!isRecord(change) || !Object.hasOwn(change, "to")) {
      throw new InputError("INVALID_DATA", "data", "of an event must be { from, to }", [key]);
    }
    next[key] = change.to;
  }
  return next;
}

/** A trace's row as of one of its events, and as of the last. */
export interface History {
  then: Row;
  now: Row | undefined;
}

/**
 * Folds the trace in the order of ids. As of a `purge` the row is the one that went.
 *
 * @throws TrackError `NOT_IN_LOG`, `NO_ROW`.
 */
export function* readHistory(
  tx: Transaction,
  { log, actions }: Definition,
  traceId: string,
  id: string,
): Steps<History> {
  const reducer = reducerOf(actions) as Record<
    string,
    (row: Row | undefined, event: Event<any>) => Row | undefined
  >;
  let now: Row | undefined;
  let then: Row | undefined;
  let found = false;
  const filters = [sql`trace_id = ${traceId}`];
  yield* eachPiece<any>(tx, { table: log, filters, key: "id", order: "asc" }, (events) => {
    for (const event of events) {
      if (Object.hasOwn(reducer, event.action)) now = reducer[event.action]!(now, event);
      if (event.id !== id) continue;
      found = true;
      then = event.action === actions.purge ? rowOf(event.data) : now;
    }
  });
  if (!found) throw new TrackError("NOT_IN_LOG");
  if (!then) throw new TrackError("NO_ROW");
  return { then, now };
}

/**
 * Whether the row that the log tells as of the event has the event's trace: that of another table has not. A row that is
 * older than the log may be any.
 */
export function* isOfTable(tx: Transaction, definition: Definition, event: Event<any>): Steps<boolean> {
  const { traceId, id } = event;
  let row: Row;
  try {
    ({ then: row } = yield* readHistory(tx, definition, traceId, id));
  } catch (error) {
    if (error instanceof TrackError) return true;
    if (error instanceof InputError) return false;
    throw error;
  }
  try {
    return definition.traceId(rowFromJson(definition.recorded, row)) === traceId;
  } catch {
    // The app's own function, of a row that is none of its table.
    return false;
  }
}

/** What the log tells of a row, as Drizzle has it. Columns that are gone since are left out. */
export function rowFromJson(columns: Columns, data: Row): Row {
  const known = columns.filter(([key]) => Object.hasOwn(data, key));
  return Object.fromEntries(known.map(([key, column]) => [key, valueFromJson(column, data[key], key)]));
}

/** Those of the traces of which the log tells a row. */
export function* tracesWithRow(
  tx: Transaction,
  { log, actions }: Definition,
  traceIds: readonly string[],
): Steps<Set<string>> {
  const rows = tx.values(sql`select trace.value from json_each(${JSON.stringify(traceIds)}) as trace
    where (select action from ${log} where trace_id = trace.value and action in (${actions.create}, ${actions.purge})
      order by id desc limit 1) = ${actions.create}`);
  return new Set((yield* done(rows as [string][])).map((row) => row[0]));
}
