/**
 * - `read`: on a reader, unless it says that it would write.
 * - `write`: in a transaction of its own on the writer.
 * - `bare`: on the writer as it is. It may not be in a transaction, or it is about the connection itself.
 */
export type StatementKind = "read" | "write" | "bare";

/** The most texts that are remembered. */
const REMEMBERED = 1000;

const START = String.raw`^(?:\s|--[^\n]*(?:\n|$)|/\*[\s\S]*?\*/)*`;
const WRITE = new RegExp(
  `${START}(?:insert|update|delete|replace|create|drop|alter|analyze|reindex)\\b`,
  "i",
);
const BARE = new RegExp(
  `${START}(?:pragma|vacuum|attach|detach|begin|commit|end|rollback|savepoint|release)\\b`,
  "i",
);
/** Asks about the schema or the content only. */
const SCHEMA_PRAGMA = new RegExp(
  `${START}pragma\\s+(?:\\w+\\.)?(?:table_x?info|table_list|index_list|index_x?info|foreign_key_(?:list|check)|integrity_check|quick_check)\\b`,
  "i",
);
const ABOUT_WRITES = /\b(?:total_changes|changes|last_insert_rowid)\s*\(/i;
const CONTROL = new RegExp(`${START}(?:begin|commit|end|rollback)\\b`, "i");
const COMMIT = new RegExp(`${START}(?:commit|end)\\b`, "i");
const PRIVATE = /\b(?:temp|temporary|attach|detach)\b/i;

/** The kinds of texts. A guess by its first word errs towards the writer; that a read is one, the reader checks. */
export class StatementKinds {
  #kinds = new Map<string, StatementKind>();

  of(sql: string): StatementKind {
    const known = this.#kinds.get(sql);
    if (known) return known;
    const kind = WRITE.test(sql) ? "write" : isBare(sql) ? "bare" : "read";
    this.remember(sql, kind);
    return kind;
  }

  remember(sql: string, kind: StatementKind): void {
    if (this.#kinds.size >= REMEMBERED) this.#kinds.clear();
    this.#kinds.set(sql, kind);
  }
}

function isBare(sql: string): boolean {
  return ABOUT_WRITES.test(sql) || (BARE.test(sql) && !SCHEMA_PRAGMA.test(sql));
}

/** Begins or ends a transaction: what must not be a prepared statement, as SQLITE_BUSY would leave it open. */
export function isControl(sql: string): boolean {
  return CONTROL.test(sql);
}

export function isCommit(sql: string): boolean {
  return COMMIT.test(sql);
}

const SCRIPT_CONTROL = /\b(?:begin|commit|end|rollback|savepoint|release|vacuum|pragma|attach|detach)\b/i;

/** Whether a script may not run in a transaction. */
export function controlsTransactions(sql: string): boolean {
  return SCRIPT_CONTROL.test(sql);
}

/** May change what only the writer sees: tables in its temporary schema, and databases attached to it. */
export function mayBePrivate(sql: string): boolean {
  return PRIVATE.test(sql);
}

const SETTING =
  /^\s*pragma\s+(?:main\.)?(synchronous|foreign_keys|recursive_triggers|case_sensitive_like|cache_size|mmap_size|temp_store|trusted_schema|ignore_check_constraints|secure_delete|reverse_unordered_selects|automatic_index)\s*(?:=|\()/i;

/** The name of the connection's setting that a PRAGMA changes: all connections have to have it. */
export function settingOf(sql: string): string | undefined {
  return SETTING.exec(sql)?.[1]?.toLowerCase();
}
