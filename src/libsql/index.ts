export { DeadlineError, type DeadlineErrorCode, deadlineErrorCodes } from "../deadline-error.js";
export type { LibsqlDatabase, LibsqlTransaction } from "./database.js";
export { LibsqlFileError, type LibsqlFileErrorCode, libsqlFileErrorCodes } from "./libsql-file-error.js";
export { type OpenOptions, openLibsql } from "./open-libsql.js";
export type { WriteOptions } from "./patience.js";
export { writeTogether } from "./write-together.js";
export { writeTransaction } from "./write-transaction.js";
