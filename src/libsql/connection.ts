import type { InArgs, IntMode, ResultSet } from "@libsql/client";
import { isBusy, libsqlErrorOf, type NativeDatabase } from "./native.js";
import { Statement } from "./statement.js";

/** The most statements that a connection keeps. */
const KEPT = 100;

/** One connection to the file. It opens with its first use, and anew after it was discarded. */
export class Connection {
  #open: () => NativeDatabase;
  #db: NativeDatabase | undefined;
  /** By their texts, the one used last at the end. */
  #kept = new Map<string, Statement>();

  constructor(open: () => NativeDatabase) {
    this.#open = open;
  }

  get inTransaction(): boolean {
    return this.#db?.inTransaction ?? false;
  }

  /**
   * Runs statements that take no arguments and answer nothing. The binding closes each of them, also when it
   * fails: what may be refused with SQLITE_BUSY goes this way.
   */
  exec(sql: string): void {
    try {
      this.#opened().exec(sql);
    } catch (error) {
      throw libsqlErrorOf(error);
    }
  }

  /** Runs one statement, and keeps it for the next time. */
  run(sql: string, args: InArgs, intMode: IntMode): ResultSet {
    try {
      const statement = this.#statement(sql);
      const result = statement.run(args, intMode);
      if (!statement.mayBeKept) this.#kept.delete(sql);
      // The binding's row id is a double.
      if (result.lastInsertRowid && result.lastInsertRowid > Number.MAX_SAFE_INTEGER) {
        const { rows } = this.run("select last_insert_rowid()", [], "bigint");
        return Object.assign(result, { lastInsertRowid: rows[0]![0] });
      }
      return result;
    } catch (error) {
      this.#kept.delete(sql);
      const refusal = libsqlErrorOf(error);
      // The refused statement stays open: later writes would be acknowledged and never committed.
      if (isBusy(refusal)) this.discard();
      throw refusal;
    }
  }

  /** Begins a transaction that sees the database as it is now. */
  beginSnapshot(): void {
    this.exec("BEGIN");
    this.run("SELECT 1 FROM sqlite_master LIMIT 1", [], "number");
  }

  inSnapshot<T>(work: () => T): T {
    this.beginSnapshot();
    try {
      return work();
    } finally {
      this.rollback();
    }
  }

  /** Keeps the statement no longer. */
  forget(sql: string): void {
    this.#kept.delete(sql);
  }

  /** Ends the transaction, if there still is one: SQLite ends some by itself when they fail. */
  rollback(): void {
    if (!this.inTransaction) return;
    try {
      this.exec("ROLLBACK");
    } catch {
      this.#drop();
    }
  }

  /** Closes it; the binding does so when its statements are collected. */
  discard(): void {
    this.rollback();
    this.#drop();
  }

  #drop(): void {
    this.#kept.clear();
    this.#db?.close();
    this.#db = undefined;
  }

  #opened(): NativeDatabase {
    this.#db ??= this.#open();
    return this.#db;
  }

  #statement(sql: string): Statement {
    const kept = this.#kept.get(sql);
    if (kept) {
      this.#kept.delete(sql);
      this.#kept.set(sql, kept);
      return kept;
    }
    const statement = new Statement(this.#opened().prepare(sql), sql);
    this.#kept.set(sql, statement);
    if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value!);
    return statement;
  }
}
