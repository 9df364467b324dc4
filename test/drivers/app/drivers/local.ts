import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Config, createClient } from "@libsql/client";
import SQLite from "better-sqlite3";
import { openLibsql, writeTransaction } from "drizzle-event-log/libsql";
import { drizzle as drizzleSqlite } from "drizzle-orm/better-sqlite3";
import { drizzle as drizzleLibsql } from "drizzle-orm/libsql";
import { drizzle as drizzleSqlJs } from "drizzle-orm/sql-js";
import initSqlJs from "sql.js";
import { DROPS, type Log } from "../contract/index.js";
import type { TransactionalLog } from "../contract/log.js";

export type Open = (statements: readonly string[]) => Promise<Log>;

/** A log on any Drizzle database that has transactions. */
export function logOf(
  db: any,
  run: (statement: string) => unknown,
  close: () => void | Promise<void>,
): TransactionalLog {
  const transaction = async (work: any) => db.transaction(work);
  return { db, transaction, run: async (statement) => run(statement), close };
}

/** For a driver of one connection that does not queue: a transaction in the midst of another is refused. */
export function oneByOne({ transaction, ...log }: TransactionalLog): TransactionalLog {
  let last: Promise<unknown> = Promise.resolve();
  const gated = (work: any) => {
    const begin = () => transaction(work);
    const next = last.then(begin, begin);
    last = next;
    return next;
  };
  return { ...log, transaction: gated as any };
}

export async function migrated(log: Log, statements: readonly string[]): Promise<Log> {
  for (const statement of statements) await log.run(statement);
  return log;
}

function inFolder<T>(open: (file: string) => T): { opened: T; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "drivers-"));
  return { opened: open(join(folder, "log.db")), remove: () => rmSync(folder, { recursive: true }) };
}

const libsql = async (url: string, statements: readonly string[], config: Partial<Config> = {}) => {
  const client = createClient({ url, ...config });
  const db = drizzleLibsql({ client });
  return migrated(
    logOf(
      db,
      (statement) => client.execute(statement),
      () => client.close(),
    ),
    statements,
  );
};

async function betterSqlite(
  statements: readonly string[],
  configure: (client: SQLite.Database) => void = () => {},
): Promise<Log> {
  const { opened: client, remove } = inFolder((file) => new SQLite(file));
  configure(client);
  const close = () => {
    client.close();
    remove();
  };
  client.exec(`begin; ${statements.join(";\n")}; commit`);
  return logOf(drizzleSqlite({ client }), (statement) => client.exec(statement), close);
}

/** A database of the server at this address, emptied: each test has it for itself. */
export const libsqlServer = async (url: string, statements: readonly string[]): Promise<Log> => {
  let count = 0;
  const counting: typeof fetch = (...request) => {
    count++;
    return fetch(...request);
  };
  const log = await libsql(url, [...DROPS, ...statements], { fetch: counting });
  return url.startsWith("http") ? { ...log, trips: () => count } : log;
};

export const local: Record<string, Open> = {
  "libsql :memory:": (statements) => libsql(":memory:", statements),
  // A seq is a number in every mode.
  "libsql :memory:, bigint": (statements) => libsql(":memory:", statements, { intMode: "bigint" }),
  "libsql :memory:, string": (statements) => libsql(":memory:", statements, { intMode: "string" }),

  async "libsql file, openLibsql"(statements) {
    const { opened, remove } = inFolder((file) => openLibsql(`file:${file}`));
    const db = await opened;
    const close = () => {
      db.$client.close();
      remove();
    };
    const log = logOf(db, (statement) => db.$client.execute(statement), close);
    return migrated(
      { ...log, transaction: (work: any) => writeTransaction(db, async (tx) => work(tx)) },
      statements,
    );
  },

  "better-sqlite3 file": (statements) => betterSqlite(statements),
  "better-sqlite3 file, bigint": (statements) => {
    return betterSqlite(statements, (client) => client.defaultSafeIntegers());
  },

  async "sql.js"(statements) {
    const { Database } = await initSqlJs();
    const client = new Database();
    return migrated(
      logOf(
        drizzleSqlJs(client),
        (sql) => client.run(sql),
        () => client.close(),
      ),
      statements,
    );
  },
};
