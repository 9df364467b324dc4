import SQLite from "better-sqlite3";
import { drizzle as drizzleExpo } from "drizzle-orm/expo-sqlite/driver";
import { logOf, migrated, type Open } from "./local.js";
import { prepareSync } from "./stand-ins.js";

export const expo: Open = async (statements) => {
  const client = new SQLite(":memory:");
  const db = drizzleExpo({ prepareSync: (source: string) => prepareSync(client, source) } as any);
  return migrated(
    logOf(
      db,
      (sql) => client.exec(sql),
      () => void client.close(),
    ),
    statements,
  );
};
