export { openLibsql } from "./open-libsql.js";
export { writeTogether } from "./write-together.js";
export {
  DeadlineError,
  type LibsqlDatabase,
  type LibsqlTransaction,
  type WriteOptions,
  writeTransaction,
} from "./write-transaction.js";
