import type { DatabaseSyncOptions } from "node:sqlite";
import SQLite from "better-sqlite3";
import { betterSQLite3Codecs } from "drizzle-orm/better-sqlite3";
import { drizzle as drizzleOpSqlite } from "drizzle-orm/op-sqlite";
import { drizzle, type SqliteProxyBatchItem } from "drizzle-orm/sqlite-proxy";
import { logOf, migrated, type Open, oneByOne } from "./local.js";
import { opSqlite } from "./stand-ins.js";

/** The drivers that only Drizzle 1.0 has, or has in a form of its own. */
export const ownDrivers: Record<string, Open> = {
  "node:sqlite": (statements) => nodeSqlite(statements),
  "node:sqlite, bigint": (statements) => nodeSqlite(statements, { readBigInts: true }),

  async "Turso Database"(statements) {
    const { Database } = await import("@tursodatabase/database");
    const { drizzle: drizzleTurso } = await import("drizzle-orm/tursodatabase/database");
    const client = new Database(":memory:");
    await client.connect();
    const log = logOf(
      drizzleTurso({ client }),
      (sql) => client.exec(sql),
      () => client.close(),
    );
    return migrated(log, statements);
  },

  async "op-sqlite"(statements) {
    const client = new SQLite(":memory:");
    const log = logOf(
      drizzleOpSqlite(opSqlite(client) as any),
      (sql) => client.exec(sql),
      () => void client.close(),
    );
    return migrated(oneByOne(log), statements);
  },

  // Keeps to the letter of Drizzle's documentation: rows, and nothing of what was written.
  async "sqlite-proxy"(statements) {
    const client = new SQLite(":memory:");
    const all = async (sql: string, params: any[], mode?: "array" | "object"): Promise<any> => {
      return client
        .prepare(sql)
        .raw(mode !== "object")
        .all(params);
    };
    const get = async (sql: string, params: any[], mode?: "array" | "object") =>
      (await all(sql, params, mode))[0];
    const run = async (sql: string, params: any[]) => void client.prepare(sql).run(params);
    const batch = async (queries: SqliteProxyBatchItem[]) => {
      client.exec("begin");
      try {
        const answers = [];
        for (const { sql, params, method, rowMode } of queries) {
          answers.push(await { all, get, run }[method](sql, params, rowMode));
        }
        client.exec("commit");
        return answers;
      } catch (error) {
        client.exec("rollback");
        throw error;
      }
    };
    // A proxy of 1.0 has to be told how its database gives a JSON column.
    const db = drizzle({ all, get, run, batch }, { codecs: betterSQLite3Codecs });
    const log = logOf(
      db,
      (sql) => client.exec(sql),
      () => void client.close(),
    );
    return migrated(oneByOne(log), statements);
  },
};

async function nodeSqlite(statements: readonly string[], options: DatabaseSyncOptions = {}) {
  // Node 20 has no such module.
  const { DatabaseSync } = await import("node:sqlite");
  const { drizzle: drizzleNode } = await import("drizzle-orm/node-sqlite");
  const client = new DatabaseSync(":memory:", options);
  const log = logOf(
    drizzleNode({ client }),
    (sql) => client.exec(sql),
    () => client.close(),
  );
  return migrated(log, statements);
}
