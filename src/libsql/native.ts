import { LibsqlError } from "@libsql/client";

/** What a statement takes. Anything else, a boolean above all, may abort the process. */
export type NativeValue = null | number | bigint | string | Uint8Array;
export type NativeArguments = NativeValue[] | Record<string, NativeValue>;

export interface NativeStatement {
  readonly reader: boolean;
  raw(on: boolean): this;
  safeIntegers(on: boolean): this;
  columns(): { name: string; type: string | null }[];
  all(args: NativeArguments): unknown[][];
  get(args: NativeArguments): unknown;
  run(args: NativeArguments): { changes: number; lastInsertRowid: number };
}

export interface NativeDatabase {
  /** On a closed database this aborts the process. */
  readonly inTransaction: boolean;
  prepare(sql: string): NativeStatement;
  exec(sql: string): void;
  close(): void;
}

interface Native {
  new (path: string, options: { encryptionKey?: string }): NativeDatabase;
  SqliteError: new () => Error & { code: string; rawCode?: number };
}

// Not imported: webpack would follow its calls, and leave nothing of the second.
const { createRequire } = process.getBuiltinModule("node:module");
// A strict layout, as pnpm's, gives a package only what it names itself: the binding is @libsql/client's.
const Database = createRequire(clientFile())("libsql") as Native;

/** A bundle has moved the code: one of CommonJS knows its file, but no `import.meta.url`, or that of the build. */
function clientFile(): string {
  const places = [
    typeof __filename === "string" ? __filename : undefined,
    import.meta.url,
    `${process.cwd()}/`,
  ];
  let failure: unknown;
  for (const place of places) {
    try {
      if (place) return createRequire(place).resolve("@libsql/client");
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** With a busy timeout of 0: SQLite waits by sleeping, and would block the event loop. */
export function openNative(path: string, encryptionKey: string | undefined): NativeDatabase {
  try {
    return new Database(path, encryptionKey === undefined ? {} : { encryptionKey });
  } catch (error) {
    throw libsqlErrorOf(error);
  }
}

/** The error as @libsql/client gives it. */
export function libsqlErrorOf(error: unknown): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  const { message, code, rawCode } = error;
  return new LibsqlError(message, baseCode(rawCode), code, rawCode, error);
}

export function isBusy(error: unknown): boolean {
  return error instanceof LibsqlError && error.code === "SQLITE_BUSY";
}

export function isReadonly(error: unknown): boolean {
  return error instanceof LibsqlError && error.code === "SQLITE_READONLY";
}

// By SQLite's primary result codes, from 1.
const BASE_CODES =
  "ERROR INTERNAL PERM ABORT BUSY LOCKED NOMEM READONLY INTERRUPT IOERR CORRUPT NOTFOUND FULL CANTOPEN PROTOCOL EMPTY SCHEMA TOOBIG CONSTRAINT MISMATCH MISUSE NOLFS AUTH FORMAT RANGE NOTADB NOTICE WARNING".split(
    " ",
  );

function baseCode(rawCode: number | undefined): string {
  if (rawCode === undefined) return "SQLITE_UNKNOWN";
  const base = rawCode & 0xff;
  return `SQLITE_${BASE_CODES[base - 1] ?? `UNKNOWN_${base}`}`;
}
