import { and, asc, eq, inArray, is, isNull, or, SQL } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import type { Transaction } from "../database.js";
import { InputError, MAX_LIST } from "../input-error.js";
import { done, type Steps } from "../steps.js";
import type { Definition } from "./definition.js";
import { columnJson } from "./json-value.js";
import type { Row } from "./row-data.js";
import { TrackError } from "./track-error.js";

/** How a row was before a statement, and after: undefined where it was not there. */
export interface Pair {
  before: Row | undefined;
  after: Row | undefined;
}

// Of one statement. D1 and Durable Objects take 100, and what is set needs some of them.
const MOST_PARAMETERS = 100;
const MOST_KEY_PARAMETERS = 50;

/** The rows for which the condition holds, by primary key. */
export function* selectWhere(tx: Transaction, definition: Definition, where: SQL): Steps<Row[]> {
  const { table, key } = definition;
  const order = key.map(([, column]) => asc(column));
  const query = fresh(queries(tx).select().from(table)).where(where);
  const rows: Row[] = yield* done(
    query
      .orderBy(...order)
      .limit(MAX_LIST + 1)
      .all(),
  );
  if (rows.length > MAX_LIST) {
    throw new InputError("BATCH_TOO_LARGE", "where", `holds for more than ${MAX_LIST} rows`);
  }
  byKey(definition, rows);
  return rows;
}

/** Inserts the rows; answers with those that are there then, as they are then, in the order given. */
export function* insertValues(
  tx: Transaction,
  definition: Definition,
  values: readonly Row[],
): Steps<Pair[]> {
  const { table, key, columns } = definition;
  const returned = Object.fromEntries(key);
  const keys: Row[] = [];
  for (const some of chunks(values, Math.floor(MOST_PARAMETERS / columns.length))) {
    const rows: Row[] = yield* done(queries(tx).insert(table).values(some).returning(returned).all());
    keys.push(...rows);
  }
  // A trigger may have changed them since; where it changed the key, nobody could say which row it is.
  const found = yield* selectByKeys(tx, definition, keys);
  return keys.map((row) => {
    const after = found.get(keyText(definition, row));
    if (after) return { before: undefined, after };
    throw new TrackError("NOT_INSERTED");
  });
}

/** Updates these rows, which are all for which `where` holds. */
export function* updateRows(
  tx: Transaction,
  definition: Definition,
  set: Row,
  rows: readonly Row[],
  where?: SQL,
): Steps<Pair[]> {
  const { table, key, columns } = definition;
  const update = (condition: SQL) => queries(tx).update(table).set(set).where(condition);
  const moves = key.some(([name, column]) => set[name] !== undefined || column.onUpdateFn !== undefined);
  const atOnce = keysPerStatement(definition);
  const isComputed = columns.some(([name, column]) => is(set[name], SQL) || column.onUpdateFn !== undefined);
  let keys = rows;
  if (moves) {
    // Row by row, to know which came from where.
    keys = yield* movedKeys(definition, rows, update);
  } else if (where && isComputed && rows.length > atOnce) {
    // In one statement, for in a second one an expression would see what the first has made of the table.
    const updated = yield* done(update(where).returning(Object.fromEntries(key)).all());
    refuseOthers(definition, rows, updated as Row[]);
  } else {
    for (const some of chunks(rows, atOnce)) yield* done(update(hasKeyOf(definition, some)).run());
  }
  const found = yield* selectByKeys(tx, definition, keys);
  return rows.map((before, i) => ({ before, after: found.get(keyText(definition, keys[i]!)) }));
}

function* movedKeys(
  definition: Definition,
  rows: readonly Row[],
  update: (condition: SQL) => any,
): Steps<Row[]> {
  const returned = Object.fromEntries(definition.key);
  const keys: Row[] = [];
  for (const row of rows) {
    const moved: Row[] = yield* done(
      update(hasKeyOf(definition, [row]))
        .returning(returned)
        .all(),
    );
    keys.push(moved[0] ?? row);
  }
  return keys;
}

/** A condition may hold by chance, the second time for other rows than those that were read. */
function refuseOthers(definition: Definition, rows: readonly Row[], updated: readonly Row[]): void {
  const known = new Set(rows.map((row) => keyText(definition, row)));
  if (updated.every((row) => known.has(keyText(definition, row)))) return;
  throw new InputError("INVALID_WHERE", "where", "must hold for the same rows when it is asked again");
}

export function* deleteRows(tx: Transaction, definition: Definition, rows: readonly Row[]): Steps<Pair[]> {
  for (const some of chunks(rows, keysPerStatement(definition))) {
    yield* done(queries(tx).delete(definition.table).where(hasKeyOf(definition, some)).run());
  }
  // A trigger may have kept one, or marked it instead.
  const left = yield* selectByKeys(tx, definition, rows);
  return rows.map((before) => ({ before, after: left.get(keyText(definition, before)) }));
}

/** The rows that have the primary keys of these, by the text of that. */
export function* selectByKeys(
  tx: Transaction,
  definition: Definition,
  keys: readonly Row[],
): Steps<Map<string, Row>> {
  const found = new Map<string, Row>();
  for (const some of chunks(keys, keysPerStatement(definition))) {
    const query = fresh(queries(tx).select().from(definition.table)).where(hasKeyOf(definition, some));
    for (const [key, row] of byKey(definition, yield* done<Row[]>(query.all()))) found.set(key, row);
  }
  return found;
}

function byKey(definition: Definition, rows: readonly Row[]): Map<string, Row> {
  const each = new Map(rows.map((row) => [keyText(definition, row), row]));
  // SQLite lets a key be NULL, any number of times.
  if (each.size === rows.length) return each;
  throw new InputError("INVALID_TABLE", "table", "has several rows with one primary key");
}

/** The primary key of a row, to tell rows apart. */
export function keyText({ key }: Definition, row: Row): string {
  const values = key.map(([name, column]) => columnJson(column, row[name], name));
  const rounded = values.findIndex((value) => Number.isInteger(value) && !Number.isSafeInteger(value));
  if (rounded < 0) return JSON.stringify(values);
  throw new InputError(
    "INVALID_ROW",
    key[rounded]![0],
    "is an integer past 2^53, which may be another row's",
  );
}

function hasKeyOf({ key }: Definition, rows: readonly Row[]): SQL {
  const [[name, column]] = key as [(typeof key)[number]];
  if (key.length === 1 && rows.every((row) => row[name] !== null)) {
    return inArray(
      column,
      rows.map((row) => row[name]),
    );
  }
  const each = rows.map((row) =>
    and(...key.map(([part, of]) => (row[part] === null ? isNull(of) : eq(of, row[part])))),
  );
  return or(...each)!;
}

function keysPerStatement({ key }: Definition): number {
  return Math.floor(MOST_KEY_PARAMETERS / key.length);
}

function* chunks<T>(list: readonly T[], size: number): Generator<T[], void, undefined> {
  const step = Math.max(1, size);
  for (let i = 0; i < list.length; i += step) yield list.slice(i, i + step);
}

/** The builders that the two majors of Drizzle have alike, whatever the table. */
interface Queries {
  select(): any;
  insert(table: SQLiteTable): any;
  update(table: SQLiteTable): any;
  delete(table: SQLiteTable): any;
}

/** Not from the app's cache of Drizzle: it may hold what was rolled back, or what another program has changed. */
function fresh(query: any): any {
  return query.$withCache(false);
}

function queries(tx: Transaction): Queries {
  return tx as unknown as Queries;
}
