import type { InArgs, IntMode, ResultSet } from "@libsql/client";
import { isBusy, libsqlErrorOf, type NativeDatabase } from "./native.js";
import { Statement } from "./statement.js";
import { kindOf } from "./statement-kind.js";

/** The most statements that a connection keeps. */
const KEPT = 100;

/** One connection to the file. It opens with its first use, and anew after it was discarded. */
export class Connection {
  /** It has temporary tables or attached databases, which no other connection sees. */
  seesMore = false;
  #open: () => NativeDatabase;
  #db: NativeDatabase | undefined;
  /** By their texts, the one used last at the end. */
  #kept = new Map<string, Statement>();
  #last: Statement | undefined;
  /** Undefined where it has to be asked: asking after every statement took 2 % of an append. */
  #inTransaction: boolean | undefined;

  constructor(open: () => NativeDatabase) {
    this.#open = open;
  }

  get inTransaction(): boolean {
    this.#inTransaction ??= this.#db?.inTransaction ?? false;
    return this.#inTransaction;
  }

  /**
   * Runs statements that take no arguments and answer nothing. The binding closes each of them, also when it
   * fails: what may be refused with SQLITE_BUSY goes this way.
   */
  exec(sql: string): void {
    this.#inTransaction = undefined;
    try {
      this.#opened().exec(sql);
    } catch (error) {
      throw libsqlErrorOf(error);
    } finally {
      if (kindOf(sql).isPrivate && this.#db) this.#look();
    }
  }

  /** Runs one statement, and keeps it for the next time. */
  run(sql: string, args: InArgs, intMode: IntMode): ResultSet {
    let statement: Statement;
    let result: ResultSet;
    try {
      statement = this.#statement(sql);
      result = statement.run(args, intMode);
    } catch (error) {
      this.#inTransaction = undefined;
      this.forget(sql);
      const refusal = libsqlErrorOf(error);
      // The refused statement stays open: later writes would be acknowledged and never committed.
      if (isBusy(refusal)) this.discard();
      throw refusal;
    }
    if (!statement.mayBeKept) this.forget(sql);
    if (statement.kind.isControl) this.#inTransaction = undefined;
    if (statement.kind.isPrivate) this.#look();
    // The binding's row id is a double.
    if (result.lastInsertRowid && result.lastInsertRowid > Number.MAX_SAFE_INTEGER) {
      const { rows } = this.run("select last_insert_rowid()", [], "bigint");
      return Object.assign(result, { lastInsertRowid: rows[0]![0] });
    }
    return result;
  }

  /** Begins a transaction that writes. @throws SQLITE_BUSY: another process has the lock. */
  begin(): void {
    this.exec("BEGIN IMMEDIATE");
    this.#inTransaction = true;
  }

  commit(): void {
    this.exec("COMMIT");
    this.#inTransaction = false;
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
    this.#last = undefined;
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
    this.#last = undefined;
    this.#inTransaction = undefined;
    this.seesMore = false;
    this.#db?.close();
    this.#db = undefined;
  }

  #opened(): NativeDatabase {
    this.#db ??= this.#open();
    return this.#db;
  }

  #statement(sql: string): Statement {
    if (this.#last?.sql === sql) return this.#last;
    const statement = this.#kept.get(sql) ?? new Statement(this.#opened().prepare(sql), sql);
    this.#kept.delete(sql);
    this.#kept.set(sql, statement);
    this.#last = statement;
    if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value!);
    return statement;
  }

  #look(): void {
    const { rows } = this.run("PRAGMA database_list", [], "number");
    this.seesMore = rows.some(({ name }) => name !== "main");
  }
}
