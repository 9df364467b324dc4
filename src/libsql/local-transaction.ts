import {
  type InArgs,
  type InStatement,
  type IntMode,
  LibsqlBatchError,
  LibsqlError,
  type ResultSet,
  type Transaction,
} from "@libsql/client";
import { monotonicNow } from "../real-time.js";
import type { Connection } from "./connection.js";
import { useTurn } from "./event-loop-turn.js";
import { LibsqlFileError } from "./libsql-file-error.js";
import { isCommit } from "./statement-kind.js";

export type AnyStatement = InStatement | [string, InArgs?];

/** A connection that a transaction has begun on. */
export interface Lease {
  connection: Connection;
  intMode: IntMode;
  /** Others wait for its end. */
  isWrite: boolean;
  /** Before the commit. */
  committing: () => void;
  /** Before the commit is acknowledged. */
  committed: () => void;
  /** The connection is free again. */
  ended: (transaction: LocalTransaction) => void;
}

/** A transaction that has begun on a connection of its own, or on the file's writer. */
export class LocalTransaction implements Transaction {
  /** When it ran its last statement, by `monotonicNow`. */
  lastUsed = monotonicNow();
  /** It is that of several writers, and none of them may commit it. */
  isShared = false;
  /** Others wait for its end. */
  readonly isWrite: boolean;
  #lease: Lease | undefined;
  #refusal: Error | undefined;

  constructor(lease: Lease) {
    this.#lease = lease;
    this.isWrite = lease.isWrite;
  }

  get closed(): boolean {
    return this.#lease === undefined || !this.#lease.connection.inTransaction;
  }

  async execute(statement: InStatement, args?: InArgs): Promise<ResultSet> {
    if (typeof statement === "string") return this.#run(statement, args ?? []);
    return this.#run(statement.sql, statement.args ?? []);
  }

  async batch(statements: AnyStatement[]): Promise<ResultSet[]> {
    return runBatch(statements, (sql, args) => this.#run(sql, args));
  }

  async executeMultiple(sql: string): Promise<void> {
    this.#opened().connection.exec(sql);
  }

  async commit(): Promise<void> {
    try {
      const { connection, committing, committed } = this.#opened();
      committing();
      connection.commit();
      committed();
    } finally {
      this.end();
    }
  }

  async rollback(): Promise<void> {
    this.end();
  }

  close(): void {
    this.end();
  }

  /** Runs a statement about savepoints at once. */
  control(sql: string): void {
    this.#opened().connection.exec(sql);
  }

  /** Rolls back what is open. Later statements are refused with the error. */
  end(refusal?: Error): void {
    const lease = this.#lease;
    if (lease === undefined) return;
    this.#lease = undefined;
    if (refusal) this.#refusal = refusal;
    try {
      lease.connection.rollback();
    } finally {
      lease.ended(this);
    }
  }

  #opened(): Lease {
    this.lastUsed = monotonicNow();
    useTurn(this.lastUsed);
    // After SQLite has rolled it back by itself, a statement would be committed at once.
    const lease = this.#lease;
    if (lease?.connection.inTransaction) return lease;
    throw this.#refusal ?? new LibsqlError("The transaction is closed", "TRANSACTION_CLOSED");
  }

  #run(sql: string, args: InArgs): ResultSet {
    const { connection, intMode } = this.#opened();
    if (this.isShared && isCommit(sql)) throw new LibsqlFileError("COMMIT_IN_SHARED");
    return connection.run(sql, args, intMode);
  }
}

/** Runs them one after another. A failure tells which of them it was. */
export function runBatch(
  statements: AnyStatement[],
  run: (sql: string, args: InArgs, i: number) => ResultSet,
): ResultSet[] {
  return statements.map((statement, i) => {
    try {
      if (typeof statement === "string") return run(statement, [], i);
      const args = Array.isArray(statement) ? statement[1] : statement.args;
      return run(textOf(statement), args ?? [], i);
    } catch (error) {
      if (!(error instanceof LibsqlError) || error instanceof LibsqlBatchError) throw error;
      const { message, code, extendedCode, rawCode, cause } = error;
      throw new LibsqlBatchError(message, i, code, extendedCode, rawCode, cause as Error | undefined);
    }
  });
}

export function textOf(statement: AnyStatement): string {
  if (typeof statement === "string") return statement;
  return Array.isArray(statement) ? statement[0] : statement.sql;
}
