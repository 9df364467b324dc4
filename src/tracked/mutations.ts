import { InputError } from "../input-error.js";
import { type Definition, isTrashed } from "./definition.js";
import { sameValue } from "./json-value.js";
import { type Columns, checkRow, dataOf, type Row } from "./row-data.js";
import type { Pair } from "./rows.js";

/** What a cortex is to append for a row. */
interface RowMutation {
  action: string;
  traceId: string;
  data: Row;
}

/**
 * What the log is to be told of a row: nothing where nothing changed, and of a row whose trace is another one now that
 * the one is gone and the other there.
 */
function mutationsOf(definition: Definition, { before, after }: Pair): RowMutation[] {
  if (!before || !after)
    return before ? [purged(definition, before)] : after ? [created(definition, after)] : [];
  const traceId = definition.traceId(after);
  if (definition.traceId(before) !== traceId) return [purged(definition, before), created(definition, after)];
  const changed = changedColumns(definition, before, after);
  if (changed.length === 0) return [];
  const { actions, recorded } = definition;
  const [was, is] = [isTrashed(definition, before), isTrashed(definition, after)];
  const action = was === is ? actions.update : is ? actions.trash : actions.recover;
  const told = changed.filter((column) => recorded.includes(column));
  const [from, to] = [dataOf(told, before), dataOf(told, after)];
  const data = Object.fromEntries(
    told.map(([key]) => [key, { from: from[key] ?? null, to: to[key] ?? null }]),
  );
  return [{ action, traceId, data }];
}

/** In the order of the rows; but a trace that one row leaves and another takes is free before it is taken. */
export function allMutations(definition: Definition, pairs: readonly Pair[]): RowMutation[][] {
  const each = pairs.map((pair) => mutationsOf(definition, pair));
  const left = new Set<string>();
  const taken = new Set<string>();
  for (const [first, second] of each) {
    if (first) refuseTwice(second ? left : taken, first.traceId);
    if (second) refuseTwice(taken, second.traceId);
  }
  const moved = each.filter((one) => one.length === 2);
  return moved.length < 2 ? each : [...moved.map(([gone]) => [gone!]), ...each.map((one) => one.slice(-1))];
}

function refuseTwice(traceIds: Set<string>, traceId: string): void {
  if (traceIds.has(traceId)) throw new InputError("INVALID_TRACE_ID", "traceId", "is the same for two rows");
  traceIds.add(traceId);
}

/** The mutations of one row, given by the caller. */
export function checkedMutations(definition: Definition, before: unknown, after: unknown): RowMutation[] {
  if (before !== undefined) checkRow(before, "before");
  if (after !== undefined) checkRow(after, "after");
  return mutationsOf(definition, { before, after });
}

function created({ actions, traceId, recorded }: Definition, row: Row): RowMutation {
  return { action: actions.create, traceId: traceId(row), data: dataOf(recorded, row) };
}

function purged({ actions, traceId, recorded }: Definition, row: Row): RowMutation {
  return { action: actions.purge, traceId: traceId(row), data: dataOf(recorded, row) };
}

/** The columns that differ, also those that the log is not told: that they changed it is. */
function changedColumns({ columns }: Definition, before: Row, after: Row): Columns {
  return columns.filter(([key, column]) => !sameValue(column, before[key], after[key]));
}
