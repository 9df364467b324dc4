import { realpathSync } from "node:fs";
import { type InArgs, type IntMode, LibsqlError, type ResultSet } from "@libsql/client";
import { Connection } from "./connection.js";
import { FileIdentity } from "./file-identity.js";
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
  #identity: FileIdentity;
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
    const identity = new FileIdentity(realpathSync(path));
    const key = `${identity.key}:${encryptionKey ?? ""}`;
    const file = files.get(key) ?? new DatabaseFile(identity, key, encryptionKey, walLimit);
    files.set(key, file);
    file.#users++;
    return file;
  }

  private constructor(identity: FileIdentity, key: string, secret: string | undefined, walLimit: number) {
    this.#identity = identity;
    this.#key = key;
    this.#secret = secret;
    this.#walLimit = walLimit;
    // SQLite itself truncates the log to this, when it starts it anew after a whole checkpoint.
    this.writer = new Connection(() => {
      this.#identity.forgetLog();
      return this.#connect(`PRAGMA journal_size_limit = ${this.#walLimit}`);
    });
  }

  close(): void {
    if (--this.#users > 0 || this.#identity.isTorn) return;
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
      this.#identity.check();
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
    this.checkKept();
    const setMode = () => {
      this.writer.exec("PRAGMA journal_mode = WAL");
      this.#identity.noteLog();
    };
    this.#ready ??= retried(setMode, isBusy, patience);
    this.#ready.catch(() => {
      this.#ready = undefined;
    });
    return this.#ready;
  }

  // What follows are attempts for the queue: they throw SQLITE_BUSY only as long as they have written nothing.

  begin(): void {
    this.checkKept();
    this.writer.begin();
    this.#identity.noteLog();
  }

  /** Runs `work` in a transaction: all of it, or nothing. */
  writeAtOnce<T>(work: (writer: Connection) => T): T {
    const { writer } = this;
    this.begin();
    try {
      const answer = work(writer);
      this.committing();
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
    this.committing();
    try {
      const result = writer.run(sql, args, intMode);
      this.#noticeSetting(sql);
      if (SETS_MODE.test(sql)) this.#identity.forgetLog();
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
    this.committing();
    this.begin();
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
    if (SETS_MODE.test(sql)) this.#identity.forgetLog();
    this.committed();
    return failure;
  }

  #noticeSetting(sql: string): void {
    const { setting } = kindOf(sql);
    if (setting === undefined) return;
    this.#settings.set(setting, sql);
    for (const reader of this.#readers) reader.exec(sql);
  }

  /** Before a commit: not to a log that nobody reads. @throws LibsqlFileError `WAL_REMOVED`, `FILE_REPLACED`. */
  committing(): void {
    this.#identity.check();
  }

  /** After a commit, before it is acknowledged. @throws LibsqlFileError `FILE_REPLACED`, `WAL_REMOVED`. */
  committed(): void {
    for (const listener of this.listeners) listener();
    this.#identity.check();
  }

  /** @throws LibsqlFileError what was found at an earlier commit. */
  checkKept(): void {
    this.#identity.checkFound();
  }

  get isReplaced(): boolean {
    return this.#identity.isReplaced;
  }

  #newReader(): Connection {
    return new Connection(() => this.#connect("PRAGMA query_only = 1"));
  }

  #connect(first: string): NativeDatabase {
    this.#identity.checkFile(); // By its path another file would be opened, or a new one made.
    const db = openNative(this.#identity.path, this.#secret);
    db.exec(first);
    for (const setting of this.#settings.values()) db.exec(setting);
    return db;
  }
}

// What may end the write-ahead log by the app's own wish.
const SETS_MODE = /\bjournal_mode\b/i;
