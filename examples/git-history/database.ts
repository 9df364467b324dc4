import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { type Client, createClient } from "@libsql/client";
import { migrationsFolder, migrationsTable } from "drizzle-event-log";
import { drizzle, type LibSQLDatabase } from "drizzle-orm/libsql";
import { migrate } from "drizzle-orm/libsql/migrator";
import { createAppTables } from "./schema.js";

export type Db = LibSQLDatabase & { $client: Client };
export type Tx = Parameters<Parameters<Db["transaction"]>[0]>[0];

/** `file` is relative, so that no character of the working directory's name has a meaning in the URL. */
export async function openDatabase(file: string): Promise<Db> {
  mkdirSync(dirname(file), { recursive: true });
  const client = createClient({ url: `file:${file}`, timeout: 5000 });
  // What is committed survives a crash and a power cut.
  await client.execute("pragma journal_mode = wal");
  await client.execute("pragma synchronous = full");
  const db = drizzle(client);
  await migrate(db, { migrationsFolder, migrationsTable });
  await write(db, async (tx) => {
    for (const statement of createAppTables) await tx.run(statement);
  });
  return db;
}

/** The one way this app writes: all of `work` or nothing. */
export function write(db: Db, work: (tx: Tx) => Promise<void>): Promise<void> {
  return db.transaction(work);
}
