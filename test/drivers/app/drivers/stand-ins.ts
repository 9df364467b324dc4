// React Native's SQLite libraries need a phone. What Drizzle's sessions call of them, and what that answers, is in their
// declarations: here better-sqlite3 answers the same. What Hermes makes of the package is in test/bundle.test.ts.
import type SQLite from "better-sqlite3";

/** As `SQLiteDatabase.prepareSync` of expo-sqlite 57. */
export function prepareSync(client: SQLite.Database, source: string) {
  const execute = (params: unknown[], isRaw: boolean) => {
    const statement = client.prepare(source);
    const rows = statement.reader ? statement.raw(isRaw).all(params) : [];
    const { changes = 0, lastInsertRowid = 0 } = statement.reader ? {} : statement.run(params);
    return {
      ...{ changes, lastInsertRowId: Number(lastInsertRowid) },
      getAllSync: () => rows,
      getFirstSync: () => rows[0] ?? null,
    };
  };
  return {
    executeSync: (params: unknown[]) => execute(params, false),
    executeForRawResultSync: (params: unknown[]) => execute(params, true),
    finalizeSync: () => {},
  };
}

/** As `DB.execute` and `DB.executeRaw` of op-sqlite 18: each on a thread of its own, in the order of the calls. */
export function opSqlite(client: SQLite.Database) {
  const query =
    (isRaw: boolean) =>
    async (source: string, params: unknown[] = []) => {
      await new Promise((resolve) => setImmediate(resolve));
      const statement = client.prepare(source);
      if (!statement.reader) {
        const { changes, lastInsertRowid } = statement.run(params);
        return { rows: [], rawRows: [], rowsAffected: changes, insertId: Number(lastInsertRowid) };
      }
      const rows = statement.raw(isRaw).all(params);
      return { rows: isRaw ? [] : rows, rawRows: isRaw ? rows : [], rowsAffected: 0 };
    };
  return { execute: query(false), executeRaw: query(true) };
}
