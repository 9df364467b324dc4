// Databases on files for the tests of drizzle-event-log/libsql, and other processes that lock them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import {
  type LibsqlDatabase,
  type LibsqlTransaction,
  type OpenOptions,
  openLibsql,
} from "drizzle-event-log/libsql";
import { migrateEvents } from "drizzle-event-log/migrations";
import { sql } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { afterEach, vi } from "vitest";

export const notes = sqliteTable("notes", { id: integer("id").primaryKey(), body: text("body").notNull() });

export const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0).reverse()) cleanUp();
  vi.restoreAllMocks();
});

export function newFile(): string {
  const directory = mkdtempSync(join(tmpdir(), "event-log-libsql-"));
  cleanUps.push(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "app.db");
}

/** A database with a notes table and the log; on a file unless told otherwise. */
export async function opened(url = `file:${newFile()}`, options: Omit<OpenOptions, "url"> = {}) {
  const db = await openLibsql({ url, ...options });
  cleanUps.push(() => db.$client.close());
  await migrateEvents(db);
  await db.run(sql`create table notes (id integer primary key, body text not null)`);
  return { db, file: url.slice("file:".length) };
}

export const add = (body: string) => (tx: LibsqlTransaction) => tx.insert(notes).values({ body });
export const bodies = async (db: LibsqlDatabase) =>
  (await db.select().from(notes).orderBy(notes.id)).map(({ body }) => body);

// In this process the file may be opened by one SQLite library only: POSIX locks do not hold between two of them
// in one process, and the first to close the file drops those of the other. So: libsql here, better-sqlite3 there.

/** What another connection sees. */
export async function seenBy(file: string): Promise<string[]> {
  const other = createClient({ url: `file:${file}` });
  const { rows } = await other.execute("select body from notes order by id");
  other.close();
  return rows.map(({ body }) => String(body));
}

/** Another process that holds the file's lock until told to let go. */
export async function hold(file: string, script = "begin immediate"): Promise<() => Promise<void>> {
  const program = `
    const holder = new (require("better-sqlite3"))(process.argv[1]);
    holder.exec(process.argv[2]);
    console.log("held");
    process.stdin.once("data", () => { holder.exec("rollback"); holder.close(); process.exit(); });`;
  const child = spawn(process.execPath, ["-e", program, file, script], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  cleanUps.push(() => child.kill("SIGKILL"));
  const ended = once(child, "exit");
  await once(child.stdout, "data");
  return async () => {
    child.stdin.write("go\n");
    await ended;
  };
}

/** A promise to be resolved from outside. */
export function gate() {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}
