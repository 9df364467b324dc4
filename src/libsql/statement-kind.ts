/** What has to be known of a statement's text before it runs. */
export interface StatementKind {
  /**
   * - `reader`: on a reader, unless that says that it would write.
   * - `writer`: in a transaction of its own on the writer.
   * - `bare`: on the writer as it is. It may not be in a transaction, or it is about the connection itself.
   */
  runsOn: "reader" | "writer" | "bare";
  /** It may begin or end a transaction. */
  isControl: boolean;
  /** It may change what only its connection sees: tables in the temporary schema, attached databases. */
  isPrivate: boolean;
  /** The connection's setting that it changes, and that all connections have to have. */
  setting: string | undefined;
}

/** The most texts that are remembered. */
const REMEMBERED = 1000;

const WRITE = starting("insert|update|delete|replace|create|drop|alter|analyze|reindex");
const BARE = starting("pragma|vacuum|attach|detach|begin|commit|end|rollback|savepoint|release");
/** Asks about the schema or the content only. */
const SCHEMA = starting(
  String.raw`pragma\s+(?:\w+\.)?(?:table_x?info|table_list|index_list|index_x?info|foreign_key_(?:list|check)|integrity_check|quick_check)`,
);
const ABOUT_WRITES = /\b(?:total_changes|changes|last_insert_rowid)\s*\(/i;
const PRIVATE = /\b(?:temp|temporary|attach|detach)\b/i;
const SETTING = starting(
  String.raw`pragma\s+(?:main\.)?(synchronous|foreign_keys|recursive_triggers|case_sensitive_like|cache_size|mmap_size|temp_store|trusted_schema|ignore_check_constraints|secure_delete|reverse_unordered_selects|automatic_index)\s*[=(]\s*['"-]?\w+`,
);
const COMMIT = starting("commit|end");
const CONTROL = /\b(?:begin|commit|end|rollback|savepoint|release)\b/i;
const SCRIPT_CONTROL = /\b(?:begin|commit|end|rollback|savepoint|release|vacuum|pragma|attach|detach)\b/i;

const kinds = new Map<string, StatementKind>();

/** The kind of a text, which is kept. A guess by its first word errs towards the writer. */
export function kindOf(sql: string): StatementKind {
  let kind = kinds.get(sql);
  if (kind === undefined) {
    kind = guess(sql);
    if (kinds.size >= REMEMBERED) kinds.clear();
    kinds.set(sql, kind);
  }
  return kind;
}

/** Called after a reader has refused the text. */
export function rememberWrite(sql: string): void {
  kindOf(sql).runsOn = "writer";
}

function guess(sql: string): StatementKind {
  const isBare = ABOUT_WRITES.test(sql) || (BARE.test(sql) && !SCHEMA.test(sql));
  return {
    runsOn: WRITE.test(sql) ? "writer" : isBare ? "bare" : "reader",
    isControl: CONTROL.test(sql),
    isPrivate: PRIVATE.test(sql),
    setting: SETTING.exec(sql)?.[1]?.toLowerCase(),
  };
}

/** Whether a script may not run in a transaction. */
export function controlsTransactions(sql: string): boolean {
  return SCRIPT_CONTROL.test(sql);
}

export function isCommit(sql: string): boolean {
  return COMMIT.test(sql);
}

/** The words at the beginning of a statement, after any comments and empty statements. */
function starting(words: string): RegExp {
  return new RegExp(String.raw`^(?:[\s;]|--[^\n]*(?:\n|$)|/\*[\s\S]*?\*/)*(?:${words})\b`, "i");
}
