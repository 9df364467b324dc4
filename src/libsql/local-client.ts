import {
  type Client,
  type InArgs,
  type InStatement,
  type IntMode,
  LibsqlBatchError,
  LibsqlError,
  type ResultSet,
  type TransactionMode,
} from "@libsql/client";
import { nextTurn } from "../wait.js";
import type { Connection } from "./connection.js";
import type { DatabaseFile } from "./database-file.js";
import { isTurnOver } from "./event-loop-turn.js";
import { takeHandedOver } from "./hand-over.js";
import { IdleWatch } from "./idle-watch.js";
import { type AnyStatement, type Lease, LocalTransaction, runBatch, textOf } from "./local-transaction.js";
import { isBusy, isReadonly } from "./native.js";
import { type Patience, patienceOf, retried } from "./patience.js";
import { rememberWrite } from "./statement-kind.js";

export interface LocalOptions {
  intMode: IntMode;
  deadline: number;
  idleLimit: number | false;
}

/**
 * @libsql/client's interface to a local file. All that writes waits for its turn, in the order of the calls and
 * with all other clients of the file in this process; what only reads does not wait.
 */
export class LocalClient implements Client {
  closed = true;
  readonly protocol = "file";
  /** How long a write waits, in milliseconds. */
  readonly deadline: number;
  #open: () => DatabaseFile;
  #file!: DatabaseFile;
  /** What every transaction that writes is given. */
  #writing!: Lease;
  #intMode: IntMode;
  #transactions = new Set<LocalTransaction>();
  #idle: IdleWatch;

  /** @throws DeadlineError another process kept the file locked. */
  static async open(open: () => DatabaseFile, options: LocalOptions): Promise<LocalClient> {
    const client = new LocalClient(open, options);
    await client.reconnect();
    return client;
  }

  private constructor(open: () => DatabaseFile, { intMode, deadline, idleLimit }: LocalOptions) {
    this.#open = open;
    this.#intMode = intMode;
    this.deadline = deadline;
    this.#idle = new IdleWatch(idleLimit, this.#transactions);
  }

  async execute(statement: InStatement, args?: InArgs): Promise<ResultSet> {
    const file = this.#opened();
    const isText = typeof statement === "string";
    const sql = isText ? statement : statement.sql;
    const values = (isText ? args : statement.args) ?? [];
    if (file.runsOn(sql) === "reader") {
      try {
        return await this.#read((reader) => reader.run(sql, values, this.#intMode));
      } catch (error) {
        if (!isReadonly(error)) throw error;
        rememberWrite(sql);
      }
    }
    return this.#submit(
      file.runsOn(sql) === "writer"
        ? () => file.writeAlone(sql, values, this.#intMode)
        : () => file.runBare(sql, values, this.#intMode),
    );
  }

  async batch(statements: AnyStatement[], mode: TransactionMode = "deferred"): Promise<ResultSet[]> {
    const file = this.#opened();
    checkMode(mode);
    const texts = statements.map(textOf);
    const run = (connection: Connection) => this.#runBatch(connection, statements);
    if (mode === "read" || (mode === "deferred" && texts.every((sql) => file.runsOn(sql) === "reader"))) {
      try {
        return await this.#read((reader) => reader.inSnapshot(() => run(reader)));
      } catch (error) {
        if (mode === "read" || !isReadonly(error)) throw error;
        rememberWrite(texts[(error as LibsqlBatchError).statementIndex]!);
      }
    }
    return this.#submit(() => file.writeAtOnce(run));
  }

  async migrate(statements: InStatement[]): Promise<ResultSet[]> {
    const file = this.#opened();
    return this.#submit(() => {
      file.writer.exec("PRAGMA foreign_keys = off");
      try {
        return file.writeAtOnce((writer) => this.#runBatch(writer, statements));
      } finally {
        file.writer.exec("PRAGMA foreign_keys = on");
      }
    });
  }

  async executeMultiple(sql: string): Promise<void> {
    const file = this.#opened();
    const outcome = await this.#submit(() => file.runScript(sql));
    if (outcome) throw outcome.error;
  }

  async transaction(mode: TransactionMode = "write"): Promise<LocalTransaction> {
    const { patience, begun } = takeHandedOver();
    const file = this.#opened();
    checkMode(mode);
    const transaction = await (mode === "read" ? this.#beginRead(file) : this.#beginWrite(file, patience));
    begun?.(transaction);
    return transaction;
  }

  async sync(): Promise<never> {
    throw new LibsqlError("Only an embedded replica can be synchronized", "SYNC_NOT_SUPPORTED");
  }

  /** Opens the client again after it was closed, or after its file was replaced. What had waited stays refused. */
  async reconnect(): Promise<void> {
    if (!this.closed && !this.#file.isReplaced) return;
    this.close();
    const file = this.#open();
    try {
      await file.ready(patienceOf(this.deadline));
    } catch (error) {
      file.close();
      throw error;
    }
    if (!this.closed) return file.close(); // Another call was faster.
    this.#file = file;
    this.#writing = {
      ...this.#lease(file.writer, () => file.writes.release()),
      isWrite: true,
      committing: () => file.committing(),
      committed: () => file.committed(),
    };
    this.closed = false;
  }

  /** Refuses what waits, and rolls back the client's open transactions. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#file.writes.withdraw(this, clientClosed());
    for (const transaction of this.#transactions) transaction.end();
    this.#file.close();
  }

  #opened(): DatabaseFile {
    if (this.closed) throw clientClosed();
    return this.#file;
  }

  #submit<T>(attempt: () => T, patience = patienceOf(this.deadline)): T | Promise<T> {
    return this.#file.writes.submit(attempt, patience, this);
  }

  async #read<T>(work: (reader: Connection) => T): Promise<T> {
    while (isTurnOver()) await nextTurn();
    try {
      return work(this.#opened().reader);
    } catch (error) {
      if (!isBusy(error)) throw error;
    }
    return retried(() => work(this.#opened().reader), isBusy, patienceOf(this.deadline));
  }

  #runBatch(connection: Connection, statements: AnyStatement[]): ResultSet[] {
    return runBatch(statements, (sql, args, i) => {
      if (!connection.inTransaction) {
        throw new LibsqlBatchError("The transaction has been rolled back", i, "TRANSACTION_CLOSED");
      }
      return connection.run(sql, args, this.#intMode);
    });
  }

  async #beginRead(file: DatabaseFile): Promise<LocalTransaction> {
    const connection = file.borrowReader();
    try {
      const begin = () => {
        this.#opened(); // It may have been closed meanwhile.
        connection.beginSnapshot();
      };
      await retried(begin, isBusy, patienceOf(this.deadline));
      this.#opened();
    } catch (error) {
      file.giveBack(connection);
      throw error;
    }
    return this.#begun(this.#lease(connection, () => file.giveBack(connection)));
  }

  #beginWrite(
    file: DatabaseFile,
    patience: Patience | undefined,
  ): LocalTransaction | Promise<LocalTransaction> {
    return this.#submit(() => {
      file.begin();
      file.writes.hold();
      this.#idle.start();
      return this.#begun(this.#writing);
    }, patience);
  }

  #lease(connection: Connection, free: () => void): Lease {
    return {
      connection,
      intMode: this.#intMode,
      isWrite: false,
      committing: () => {},
      committed: () => {},
      ended: (transaction) => {
        this.#transactions.delete(transaction);
        free();
      },
    };
  }

  #begun(lease: Lease): LocalTransaction {
    const transaction = new LocalTransaction(lease);
    this.#transactions.add(transaction);
    return transaction;
  }
}

function checkMode(mode: TransactionMode): void {
  if (["write", "read", "deferred"].includes(mode)) return;
  throw RangeError('Unknown transaction mode, supported values are "write", "read" and "deferred"');
}

function clientClosed(): LibsqlError {
  return new LibsqlError("The client is closed", "CLIENT_CLOSED");
}
