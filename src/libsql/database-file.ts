import { realpathSync, statSync } from "node:fs";
import { type InArgs, type IntMode, LibsqlError, type ResultSet } from "@libsql/client";
import { Connection } from "./connection.js";
import { LibsqlFileError } from "./libsql-file-error.js";
import { isBusy, type NativeDatabase, openNative } from "./native.js";
import { type Patience, retried } from "./patience.js";
import { controlsTransactions, kindOf, type StatementKind } from "./statement-kind.js";
import { WriteQueue } from "./write-queue.js";

/** The most readers that are kept open while nobody uses them. */
const IDLE_READERS = 4;

/** By device and inode, and by the key that opens it. */
const files = new Map<string, DatabaseFile>();

/** A file that is open in this process: one writer and one queue for all clients of it, and its readers. */
export class DatabaseFile {
  readonly writes = new WriteQueue();
  readonly writer: Connection;
  /** Called in every commit. */
  readonly listeners = new Set<() => void>();
  /** It was deleted or replaced: what is open is no longer what the path names. */
  isReplaced = false;
  #path: string;
  #identity: Identity;
  #key: string;
  #readers: Connection[] = [];
  #secret: string | undefined;
  #walLimit: number;
  #users = 0;
  #watcher = this.#newReader();
  /** How many connections the watcher has had: each counts anew. */
  #watchers = 0;
  #ready: Promise<void> | undefined;
  /** The PRAGMAs that each connection is opened with, by what they set. */
  #settings = new Map<string, string>();

  /** Every `open` has its `close`. The first decides the size to which the log is truncated. */
  static open(path: string, encryptionKey: string | undefined, walLimit: number): DatabaseFile {
    const real = realpathSync(path);
    const { dev, ino } = identityOf(real)!;
    const key = `${dev}:${ino}:${encryptionKey ?? ""}`;
    const file = files.get(key) ?? new DatabaseFile(real, key, encryptionKey, walLimit);
    files.set(key, file);
    file.#users++;
    return file;
  }

  private constructor(path: string, key: string, encryptionKey: string | undefined, walLimit: number) {
    this.#path = path;
    this.#key = key;
    this.#identity = identityOf(path)!;
    this.#secret = encryptionKey;
    this.#walLimit = walLimit;
    // SQLite itself truncates the log to this, when it starts it anew after a whole checkpoint.
    this.writer = new Connection(() => this.#connect(`PRAGMA journal_size_limit = ${this.#walLimit}`));
  }

  close(): void {
    if (--this.#users > 0) return;
    files.delete(this.#key);
    this.writer.discard();
    this.#watcher.discard();
    for (const reader of this.#readers.splice(0)) reader.discard();
  }

  /** The reader for one read at once; the same one for all. */
  get reader(): Connection {
    this.checkKept();
    const reader = this.#readers.at(-1) ?? this.#newReader();
    if (this.#readers.length === 0) this.#readers.push(reader);
    return reader;
  }

  /** A reader for somebody's own use, until it is given back. */
  borrowReader(): Connection {
    this.checkKept();
    return this.#readers.shift() ?? this.#newReader();
  }

  giveBack(reader: Connection): void {
    // What it still sees would be everybody's answer.
    reader.rollback();
    if (this.#users > 0 && this.#readers.length < IDLE_READERS) this.#readers.push(reader);
    else reader.discard();
  }

  /** Another text after every commit, of any process; and always, if the file cannot be asked. */
  version(): string {
    if (this.#users === 0) return `${++this.#watchers}`;
    try {
      const { rows } = this.#watcher.run("PRAGMA data_version", [], "number");
      return `${this.#watchers} ${rows[0]!.data_version}`;
    } catch {
      return `${++this.#watchers}`;
    }
  }

  /** Where a text runs: what only the writer sees, only the writer reads. */
  runsOn(sql: string): StatementKind["runsOn"] {
    const { runsOn } = kindOf(sql);
    return runsOn === "reader" && this.writer.seesMore ? "bare" : runsOn;
  }

  /** Sets the journal mode, which the file keeps. Others may have to let go of it first. */
  ready(patience: Patience): Promise<void> {
    this.#ready ??= retried(() => this.writer.exec("PRAGMA journal_mode = WAL"), isBusy, patience);
    this.#ready.catch(() => {
      this.#ready = undefined;
    });
    return this.#ready;
  }

  // What follows are attempts for the queue: they throw SQLITE_BUSY only as long as they have written nothing.

  /** Runs `work` in a transaction: all of it, or nothing. */
  writeAtOnce<T>(work: (writer: Connection) => T): T {
    const { writer } = this;
    this.checkKept();
    writer.begin();
    try {
      const answer = work(writer);
      writer.commit();
      this.committed();
      return answer;
    } catch (error) {
      writer.rollback();
      throw error;
    }
  }

  /** Runs one statement in a transaction of its own. */
  writeAlone(sql: string, args: InArgs, intMode: IntMode): ResultSet {
    const outcome = this.writeAtOnce((writer) => {
      try {
        return writer.run(sql, args, intMode);
      } catch (error) {
        // What was written before an OR FAIL stays, and is committed. Of an OR ABORT nothing has stayed.
        if (error instanceof LibsqlError && error.code === "SQLITE_CONSTRAINT" && writer.inTransaction)
          return error;
        throw error;
      }
    });
    if (outcome instanceof LibsqlError) throw outcome;
    return outcome;
  }

  /** Runs one statement outside a transaction. */
  runBare(sql: string, args: InArgs, intMode: IntMode): ResultSet {
    const { writer } = this;
    this.checkKept();
    try {
      const result = writer.run(sql, args, intMode);
      this.#noticeSetting(sql);
      this.committed();
      return result;
    } finally {
      writer.forget(sql);
      writer.rollback();
    }
  }

  /** Runs statements that may begin and end transactions. Those before a failure stay, so it is an answer. */
  runScript(sql: string): { error: unknown } | undefined {
    const { writer } = this;
    this.checkKept();
    writer.begin();
    // One that controls transactions itself gets the lock when it was free a moment ago.
    const isPlain = !controlsTransactions(sql);
    if (!isPlain) writer.exec("ROLLBACK");
    let failure: { error: unknown } | undefined;
    try {
      writer.exec(sql);
    } catch (error) {
      failure = { error };
    }
    if (isPlain && writer.inTransaction) writer.commit();
    writer.rollback();
    this.committed();
    return failure;
  }

  #noticeSetting(sql: string): void {
    const { setting } = kindOf(sql);
    if (setting === undefined) return;
    this.#settings.set(setting, sql);
    for (const reader of this.#readers) reader.exec(sql);
  }

  /** After a commit, before it is acknowledged. @throws LibsqlFileError `FILE_REPLACED`. */
  committed(): void {
    for (const listener of this.listeners) listener();
    this.#checkSame();
  }

  #checkSame(): void {
    const now = identityOf(this.#path);
    if (now?.ino !== this.#identity.ino || now.dev !== this.#identity.dev) this.isReplaced = true;
    this.checkKept();
  }

  checkKept(): void {
    if (this.isReplaced) throw new LibsqlFileError("FILE_REPLACED");
  }

  #newReader(): Connection {
    return new Connection(() => this.#connect("PRAGMA query_only = 1"));
  }

  #connect(first: string): NativeDatabase {
    this.#checkSame(); // By its path another file would be opened, or a new one made.
    const db = openNative(this.#path, this.#secret);
    db.exec(first);
    for (const setting of this.#settings.values()) db.exec(setting);
    return db;
  }
}

type Identity = { dev: number; ino: number };

// Never opened for it: closing any descriptor of a file drops all locks that the process has on it.
function identityOf(path: string): Identity | undefined {
  return statSync(path, { throwIfNoEntry: false });
}
