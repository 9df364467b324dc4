import SQLite from "better-sqlite3";
import { drizzle } from "drizzle-orm/sqlite-proxy";
import { logOf, migrated, type Open, oneByOne } from "./local.js";

/** The drivers that Drizzle 0.45 has in a form of its own. */
export const ownDrivers: Record<string, Open> = {
  // Keeps to the letter of Drizzle's documentation: rows, and nothing of what was written.
  async "sqlite-proxy"(statements) {
    const client = new SQLite(":memory:");
    const query = async (sql: string, params: unknown[], method: string) => {
      const statement = client.prepare(sql);
      if (!statement.reader) {
        statement.run(params);
        return { rows: [] };
      }
      const rows = statement.raw().all(params) as unknown[][];
      return { rows: method === "get" ? (rows[0] as unknown[]) : rows };
    };
    const batch = async (queries: { sql: string; params: unknown[]; method: string }[]) => {
      client.exec("begin");
      try {
        const answers = [];
        for (const { sql, params, method } of queries) answers.push(await query(sql, params, method));
        client.exec("commit");
        return answers;
      } catch (error) {
        client.exec("rollback");
        throw error;
      }
    };
    const db = drizzle(query, batch);
    const log = logOf(
      db,
      (sql) => client.exec(sql),
      () => void client.close(),
    );
    return migrated(oneByOne(log), statements);
  },
};
