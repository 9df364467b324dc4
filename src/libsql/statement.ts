import { type InArgs, type IntMode, LibsqlError, type ResultSet, type Value } from "@libsql/client";
import type { NativeArguments, NativeStatement } from "./native.js";
import { areNamed } from "./parameters.js";
import { Result } from "./result.js";
import { type RowMaker, rowMaker } from "./row.js";
import { kindOf, type StatementKind } from "./statement-kind.js";
import { fromNative, toNative } from "./value.js";

/** Characters or bytes: a kept statement holds its last arguments in memory. */
const HEAVY = 32_768;

/** A prepared statement. It may run again and again, unless it has failed. */
export class Statement {
  /** Whether it may be run with other arguments later on. */
  mayBeKept = true;
  readonly kind: StatementKind;
  #native: NativeStatement;
  #returnsRows: boolean;
  #isExplain: boolean;
  /** Its columns may change while it is kept. */
  #hasStar: boolean;
  #columns: string[] | undefined;
  #columnTypes: string[] = [];
  #rowOf: RowMaker | undefined;
  /** How many arguments have been bound. */
  #bound = 0;

  constructor(
    native: NativeStatement,
    readonly sql: string,
  ) {
    this.#native = native.safeIntegers(true);
    this.kind = kindOf(sql);
    this.#returnsRows = native.reader;
    if (this.#returnsRows) native.raw(true);
    this.#isExplain = /^\s*explain\b/i.test(sql);
    this.#hasStar = sql.replaceAll("(*)", "").includes("*");
  }

  run(args: InArgs, intMode: IntMode): ResultSet {
    const values = this.#bind(toNative(args, intMode));
    if (!this.#returnsRows) {
      const { changes, lastInsertRowid } = this.#native.run(values);
      return new Result([], [], [], changes, BigInt(lastInsertRowid));
    }
    // Never `run`: a RETURNING would stay open, and keep the lock.
    const found = this.#native.all(values);
    // An EXPLAIN stays open after its last row, and with it the state of the database that it saw.
    if (this.#isExplain) this.#native.get(values);
    if (this.#rowOf === undefined || this.#hasStar) this.#describe();
    const rowOf = this.#rowOf!;
    const rows = found.map((row) => {
      for (let i = 0; i < row.length; i++) row[i] = fromNative(row[i], intMode);
      return rowOf(row as Value[]);
    });
    return new Result([...this.#columns!], [...this.#columnTypes], rows, 0, undefined);
  }

  #describe(): void {
    const columns = this.#native.columns();
    this.#columns = columns.map(({ name }) => name);
    this.#columnTypes = columns.map(({ type }) => type ?? "");
    this.#rowOf = rowMaker(this.#columns);
  }

  // What is not bound anew keeps its last value: the missing ones are bound to NULL, as in a new statement.
  #bind(values: NativeArguments): NativeArguments {
    if (!Array.isArray(values)) {
      if (!areNamed(this.sql)) {
        throw new LibsqlError("Named arguments were given for a parameter without a name", "SQLITE_RANGE");
      }
      this.mayBeKept = false; // How many it has bound is not known.
      return values;
    }
    while (values.length < this.#bound) values.push(null);
    this.#bound = values.length;
    for (const value of values) {
      if (value !== null && typeof value === "object" && value.length > HEAVY) this.mayBeKept = false;
      if (typeof value === "string" && value.length > HEAVY) this.mayBeKept = false;
    }
    return values;
  }
}
