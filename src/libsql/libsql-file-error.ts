const MESSAGES = {
  FILE_REPLACED:
    "The database file was deleted or replaced while it was open, so what was written is not in it.",
  WAL_REMOVED:
    "The database's -wal file was removed while it was open, by hand or by another SQLite in this process, so nothing more is written.",
  TRANSACTION_EXPIRED: "The transaction ran no statement for too long, so it was rolled back.",
  WRITE_UNSETTLED: "The function of a shared write did not settle in time, so its writes were rolled back.",
  COMMIT_IN_SHARED: "A function that shares a transaction must not end it by itself.",
};

export type LibsqlFileErrorCode = keyof typeof MESSAGES;

/** Every `code` of a `LibsqlFileError`. */
export const libsqlFileErrorCodes = Object.keys(MESSAGES) as readonly LibsqlFileErrorCode[];

/** The package's own client of a local file refuses, where SQLite would not. */
export class LibsqlFileError extends Error {
  override readonly name = "LibsqlFileError";

  constructor(readonly code: LibsqlFileErrorCode) {
    super(MESSAGES[code]);
  }
}
