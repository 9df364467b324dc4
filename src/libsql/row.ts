import type { Row, Value } from "@libsql/client";

export type RowMaker = (values: Value[]) => Row;

/**
 * Makes rows as @libsql/client does: plain objects with the values under their columns' names, and, not
 * enumerable, under their indexes; the first of several columns of one name has it.
 */
export function rowMaker(columns: readonly string[]): RowMaker {
  const isOdd = (name: string, i: number) =>
    name === "length" || name === "__proto__" || /^\d/.test(name) || columns.indexOf(name) !== i;
  if (columns.some(isOdd)) return (values) => oddRow(columns, values);
  const descriptor: { value: unknown } = { value: undefined };
  return (values) => {
    const row: Record<string, unknown> = {};
    for (let i = 0; i < columns.length; i++) row[columns[i]!] = values[i];
    for (let i = 0; i < columns.length; i++) {
      descriptor.value = values[i];
      Object.defineProperty(row, i, descriptor);
    }
    descriptor.value = columns.length;
    return Object.defineProperty(row, "length", descriptor) as unknown as Row;
  };
}

// A name may be that of an index: what is defined later wins, and stays enumerable.
function oddRow(columns: readonly string[], values: readonly Value[]): Row {
  const row = Object.defineProperty({}, "length", { value: columns.length });
  for (const [i, column] of columns.entries()) {
    const value = values[i];
    Object.defineProperty(row, i, { value });
    if (Object.hasOwn(row, column)) continue;
    Object.defineProperty(row, column, { value, enumerable: true, configurable: true, writable: true });
  }
  return row as Row;
}
