import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { type LibsqlDatabase, openLibsql, writeTransaction } from "drizzle-event-log/libsql";
import { checkLog, migrateEvents } from "drizzle-event-log/migrations";
import { createAppTables } from "./schema.js";

export type Db = LibsqlDatabase;
export type Tx = Parameters<Parameters<Db["transaction"]>[0]>[0];

/** `file` is relative, so that no character of the working directory's name has a meaning in the URL. */
export async function openDatabase(file: string): Promise<Db> {
  mkdirSync(dirname(file), { recursive: true });
  const db = await openLibsql(`file:${file}`);
  await migrateEvents(db);
  const { ok, problems } = await checkLog(db);
  if (!ok) throw new Error(`the log is not as it should be: ${JSON.stringify(problems)}`);
  await writeTransaction(db, async (tx) => {
    for (const statement of createAppTables) await tx.run(statement);
  });
  return db;
}
