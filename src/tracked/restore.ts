import type { Transaction } from "../database.js";
import { checkName, checkULID } from "../field.js";
import { InputError, isRecord, reading, shapeOf } from "../input-error.js";
import type { Steps } from "../steps.js";
import type { Definition } from "./definition.js";
import { readHistory, rowFromJson } from "./history.js";
import type { Columns, Row } from "./row-data.js";
import { insertValues, keyText, type Pair, selectByKeys, updateRows } from "./rows.js";

interface Place {
  traceId: string;
  id: string;
}

export function checkedPlace(event: unknown): Place {
  return reading("event", () => {
    if (!isRecord(event)) {
      throw new InputError("INVALID_EVENT", "event", `must be an object, got ${shapeOf(event)}`);
    }
    const { traceId, id } = event;
    checkName(traceId, "INVALID_TRACE_ID", "event.traceId");
    checkULID(id, "INVALID_ID", "event.id");
    return { traceId, id };
  });
}

/** Writes the row of a trace as it was: where there is one now, over it, and otherwise anew. */
export function* writeBack(tx: Transaction, definition: Definition, place: Place, fill: Row): Steps<Pair[]> {
  const { then, now } = yield* readHistory(tx, definition, place.traceId, place.id);
  const told = definition.recorded.filter(([key]) => Object.hasOwn(then, key));
  const taken = told.filter(([key]) => !Object.hasOwn(fill, key));
  const values = { ...valuesOf(taken, then), ...fill };
  // What the log does not tell of a row that is there stays: it may be newer than what is given for one that is gone.
  const untold = Object.keys(fill).filter((key) => !told.some(([name]) => name === key));
  const current = yield* currentRow(tx, definition, valuesOf(definition.key, now ?? then));
  const pairs =
    current && definition.traceId(current) === place.traceId
      ? yield* writeOver(tx, definition, current, without(values, untold))
      : yield* insertValues(tx, definition, [values]);
  for (const { after } of pairs) if (after) checkTrace(definition, after, place);
  return pairs;
}

/** Another table's event may hold columns that this one has, too. */
function checkTrace({ traceId }: Definition, row: Row, place: Place): void {
  if (traceId(row) === place.traceId) return;
  const problem = "is not that of the row: the event is another table's, or `traceId` has changed since";
  throw new InputError("INVALID_TRACE_ID", "event.traceId", problem);
}

function* writeOver(tx: Transaction, definition: Definition, current: Row, values: Row): Steps<Pair[]> {
  // Only a key that differs moves the row.
  const sameKey = keyText(definition, { ...current, ...values }) === keyText(definition, current);
  const set = sameKey
    ? without(
        values,
        definition.key.map(([name]) => name),
      )
    : values;
  return Object.keys(set).length > 0 ? yield* updateRows(tx, definition, set, [current]) : [];
}

function* currentRow(tx: Transaction, definition: Definition, key: Row): Steps<Row | undefined> {
  if (!definition.key.every(([name]) => key[name] !== undefined)) return undefined;
  const found = yield* selectByKeys(tx, definition, [key]);
  return [...found.values()][0];
}

/** Without those that are computed. */
function valuesOf(columns: Columns, data: Row): Row {
  return rowFromJson(
    columns.filter(([, { generated }]) => !generated),
    data,
  );
}

function without(row: Row, keys: readonly string[]): Row {
  return Object.fromEntries(Object.entries(row).filter(([key]) => !keys.includes(key)));
}
