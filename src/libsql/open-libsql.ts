import { type Config, createClient } from "@libsql/client";
import type { DrizzleConfig } from "drizzle-orm";
import { drizzle } from "drizzle-orm/libsql";
import {
  DEADLINE,
  isOnDisk,
  type LibsqlDatabase,
  patience,
  untilFree,
  writers,
} from "./write-transaction.js";

// SQLite waits by sleeping, and blocks the event loop while it does: long enough for a commit, no longer.
const BUSY_WAIT = 50;

/**
 * Opens a libsql database with the settings that keep committed data safe: on a file, WAL with synchronous
 * FULL, and a short wait for other processes, on every connection of the pool. Takes whatever `createClient`
 * takes: a `file:`, `:memory:`, `http(s):` or `ws(s):` URL, an embedded replica's `{ url, syncUrl }`.
 *
 * @throws DeadlineError another process kept the file locked.
 */
export async function openLibsql<S extends Record<string, unknown> = Record<string, never>>(
  url: string | Config,
  config: Omit<DrizzleConfig<S>, "client"> = {},
): Promise<LibsqlDatabase<S>> {
  const options = { timeout: BUSY_WAIT, ...(typeof url === "string" ? { url } : url) };
  const client = createClient(options);
  const db = drizzle(client, config as DrizzleConfig<S>) as LibsqlDatabase<S>;
  if (client.protocol !== "file" || options.syncUrl || !(await isOnDisk(client))) return db;

  // The file keeps the journal mode. FULL is a connection's default in libsql and needs no PRAGMA.
  await untilFree(client, () => client.execute("PRAGMA journal_mode = WAL"), patience(DEADLINE));
  const writer = createClient({ ...options, concurrency: 1 });
  writers.set(client, drizzle(writer, config as DrizzleConfig<S>));
  const close = client.close.bind(client);
  client.close = () => {
    writer.close();
    close();
  };
  return db;
}
