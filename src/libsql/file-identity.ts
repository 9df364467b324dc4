import { statSync } from "node:fs";
import { dirname } from "node:path";
import { monotonicNow } from "../real-time.js";
import { LibsqlFileError } from "./libsql-file-error.js";

// Changed twice in one tick of the file system's clock, a directory looks as it did in between. In milliseconds, a tick is
// shorter than the first; where times are whole seconds, as of ext3, HFS+ and FAT, than the second.
const TICK = 20;
const TICK_OF_SECONDS = 2_020;

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
  #directory: string;
  /** The directory since when it looks as it does, and whether all was in place a tick after that. */
  #seen = { ino: 0, mtimeMs: 0, at: 0, isSettled: false };

  constructor(readonly path: string) {
    this.key = keyOf(path)!;
    this.#directory = dirname(path);
  }

  /** @throws LibsqlFileError what was found by an earlier check. */
  checkFound(): void {
    if (this.isReplaced) throw new LibsqlFileError("FILE_REPLACED");
    if (this.isTorn) throw new LibsqlFileError("WAL_REMOVED");
  }

  /**
   * Of the file and the log. Another SQLite in this process, which another driver brings, is not held off by the locks: when it
   * closes the file, it takes itself for the last one and removes the log (https://sqlite.org/howtocorrupt.html, 2.2.1).
   *
   * @throws LibsqlFileError `FILE_REPLACED`, `WAL_REMOVED`.
   */
  check(): void {
    if (this.#mayHaveChanged()) {
      this.checkFile();
      if (this.#logKey !== undefined && keyOf(this.#logPath) !== this.#logKey) this.isTorn = true;
    }
    this.checkFound();
  }

  /** @throws LibsqlFileError `FILE_REPLACED`; `WAL_REMOVED`, if that was found by an earlier check. */
  checkFile(): void {
    if (keyOf(this.path) !== this.key) this.isReplaced = true;
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

  /**
   * What names a file is in its directory. To ask the log itself makes the next commit write down a new time of change
   * for it (Linux from 6.13): 80 µs.
   */
  #mayHaveChanged(): boolean {
    const { ino = 0, mtimeMs = 0 } = statSync(this.#directory, { throwIfNoEntry: false }) ?? {};
    const now = monotonicNow();
    if (ino !== this.#seen.ino || mtimeMs !== this.#seen.mtimeMs) {
      this.#seen = { ino, mtimeMs, at: now, isSettled: false };
    }
    if (this.#seen.isSettled) return false;
    this.#seen.isSettled = now - this.#seen.at >= (mtimeMs % 1000 === 0 ? TICK_OF_SECONDS : TICK);
    return true;
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
