import { statSync } from "node:fs";
import { LibsqlFileError } from "./libsql-file-error.js";

/** Whether the path still names the database file that is open, and the write-ahead log that is open with it. */
export class FileIdentity {
  /** The file was deleted or replaced. */
  isReplaced = false;
  /** The log was. Its connections keep what they have of it, and no new ones may come beside them. */
  isTorn = false;
  /** The same for every path to the file. */
  readonly key: string;
  /** The log's, once it is known to be open. */
  #logKey: string | undefined;

  constructor(readonly path: string) {
    this.key = keyOf(path)!;
  }

  /** @throws LibsqlFileError what was found when it was looked for the last time. */
  checkFound(): void {
    if (this.isReplaced) throw new LibsqlFileError("FILE_REPLACED");
    if (this.isTorn) throw new LibsqlFileError("WAL_REMOVED");
  }

  /** @throws LibsqlFileError `FILE_REPLACED`, `WAL_REMOVED`. */
  checkFile(): void {
    if (keyOf(this.path) !== this.key) this.isReplaced = true;
    this.checkFound();
  }

  /**
   * Another SQLite in this process, which another driver brings, is not held off by the locks: when it closes the file, it
   * takes itself for the last one and removes the log (https://sqlite.org/howtocorrupt.html, 2.2.1).
   *
   * @throws LibsqlFileError `FILE_REPLACED`, `WAL_REMOVED`.
   */
  checkLog(): void {
    if (this.#logKey === undefined || keyOf(this.#logPath) === this.#logKey) return;
    this.checkFile();
    this.isTorn = true;
    this.checkFound();
  }

  /** Called while a connection has the log open. */
  noteLog(): void {
    this.#logKey ??= keyOf(this.#logPath);
  }

  /** It may be another one from now on. */
  forgetLog(): void {
    this.#logKey = undefined;
  }

  get #logPath(): string {
    return `${this.path}-wal`;
  }
}

// Never opened for it: closing any descriptor of a file drops all locks that the process has on it.
function keyOf(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats && `${stats.dev}:${stats.ino}`;
}
