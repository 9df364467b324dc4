import { is, SQL } from "drizzle-orm";
import { checkTransaction, type Transaction } from "../database.js";
import { entriesOf, InputError, isArray, reading, shapeOf } from "../input-error.js";
import { inTurn } from "../steps.js";
import type { Definition } from "./definition.js";
import { tracesWithRow } from "./history.js";
import { type ChangeOptions, checkedChange, checkRecorder, recorded } from "./record.js";
import { checkedPlace, writeBack } from "./restore.js";
import { checkRow, type Row } from "./row-data.js";
import { deleteRows, insertValues, type Pair, selectWhere, updateRows } from "./rows.js";
import { TrackError } from "./track-error.js";

/** The methods of a tracked table. What can be checked is, before any SQL runs. */
export const operations = { insert, update, delete: deleteWhere, restore, adopt };

function insert(
  of: Definition,
  tx: Transaction,
  cortex: unknown,
  values: unknown,
  options: unknown,
): unknown {
  checkTransaction(tx);
  checkRecorder(cortex, of);
  const rows = checkedRows(values);
  const change = checkedChange(options);
  const actions = [of.actions.create];
  return inTurn(tx, function* () {
    const write = (inner: Transaction) => insertValues(inner, of, rows);
    const events = yield* recorded(tx, { definition: of, cortex, options: change, actions, write });
    if (isArray(values)) return events;
    if (events.length === 0) throw new TrackError("NOT_INSERTED");
    return events[0];
  });
}

function update(
  of: Definition,
  tx: Transaction,
  cortex: unknown,
  set: unknown,
  where: unknown,
  options: unknown,
): unknown {
  checkTransaction(tx);
  checkRecorder(cortex, of);
  const values = checkedSet(set, "set");
  if (!of.columns.some(([key]) => Object.hasOwn(values, key))) {
    throw new InputError("INVALID_ROW", "set", "must set a column of the table");
  }
  const condition = checkedWhere(where);
  const change = checkedChange(options);
  return inTurn(tx, () =>
    recorded(tx, { definition: of, cortex, options: change, actions: anyOf(of), write }),
  );

  function* write(inner: Transaction) {
    return yield* updateRows(inner, of, values, yield* selectWhere(inner, of, condition), condition);
  }
}

function deleteWhere(
  of: Definition,
  tx: Transaction,
  cortex: unknown,
  where: unknown,
  options: unknown,
): unknown {
  checkTransaction(tx);
  checkRecorder(cortex, of);
  const condition = checkedWhere(where);
  const change = checkedChange(options);
  const actions = anyOf(of).filter((action) => action !== of.actions.create);
  return inTurn(tx, () => recorded(tx, { definition: of, cortex, options: change, actions, write }));

  function* write(inner: Transaction) {
    return yield* deleteRows(inner, of, yield* selectWhere(inner, of, condition));
  }
}

function restore(
  of: Definition,
  tx: Transaction,
  cortex: unknown,
  event: unknown,
  options: unknown,
): unknown {
  checkTransaction(tx);
  checkRecorder(cortex, of);
  const place = checkedPlace(event);
  const { values, ...change } = checkedChange(options, ["values"]) as ChangeOptions & { values?: unknown };
  const fill = values === undefined ? {} : checkedSet(values, "values");
  const write = (inner: Transaction) => writeBack(inner, of, place, fill);
  return inTurn(tx, () =>
    recorded(tx, { definition: of, cortex, options: change, actions: anyOf(of), write }),
  );
}

function adopt(of: Definition, tx: Transaction, cortex: unknown, where: unknown, options: unknown): unknown {
  checkTransaction(tx);
  checkRecorder(cortex, of);
  const condition = checkedWhere(where);
  const change = checkedChange(options);
  const actions = [of.actions.create];
  return inTurn(tx, () => recorded(tx, { definition: of, cortex, options: change, actions, write }));

  function* write(inner: Transaction) {
    const rows = yield* selectWhere(inner, of, condition);
    const known = yield* tracesWithRow(inner, of, rows.map(of.traceId));
    const strange = rows.filter((row) => !known.has(of.traceId(row)));
    return strange.map((after): Pair => ({ before: undefined, after }));
  }
}

function anyOf({ actions }: Definition): string[] {
  return Object.values(actions);
}

/** Copies: what the caller changes meanwhile is not what was checked. */
function checkedRows(values: unknown): Row[] {
  const rows = isArray(values) ? entriesOf(values, "values", "BATCH_TOO_LARGE") : [values];
  return rows.map((row, i) => copyOf(row, isArray(values) ? `values[${i}]` : "values"));
}

function checkedSet(set: unknown, field: string): Row {
  return Object.fromEntries(Object.entries(copyOf(set, field)).filter(([, value]) => value !== undefined));
}

function copyOf(row: unknown, field: string): Row {
  return reading(field, () => {
    checkRow(row, field);
    return { ...row };
  });
}

function checkedWhere(where: unknown): SQL {
  if (reading("where", () => is(where, SQL))) return where as SQL;
  const problem = `must be a condition (sql\`true\` for all rows), got ${shapeOf(where)}`;
  throw new InputError("INVALID_WHERE", "where", problem);
}
