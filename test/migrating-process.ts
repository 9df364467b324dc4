// Migrates the files it is told of, at the same time as others do, and then writes to each outside a transaction:
// a connection of libsql that was refused before would answer OK and never commit that.
import { once } from "node:events";
import { createClient } from "@libsql/client";
import SQLite from "better-sqlite3";
import { checkLog, migrateEvents } from "drizzle-event-log/migrations";
import { sql } from "drizzle-orm";
import { drizzle as drizzleSync } from "drizzle-orm/better-sqlite3";
import { drizzle } from "drizzle-orm/libsql";

const [driver = "", name = "", ...files] = process.argv.slice(2);
console.log("ready");
await once(process.stdin, "data");
for (const file of files) {
  // No wait of its own: of two at once one is refused.
  const db =
    driver === "libsql"
      ? drizzle(createClient({ url: `file:${file}` }))
      : drizzleSync(new SQLite(file, { timeout: 0 }));
  await migrateEvents(db);
  // A look is not tried again, and others may be committing.
  const { ok } = await checkLog(drizzle(createClient({ url: `file:${file}`, timeout: 5000 })));
  if (!ok) throw new Error("the log is not there");
}
for (const file of files) {
  const db = drizzle(createClient({ url: `file:${file}`, timeout: 5000 }));
  await db.run(sql.raw(`create table "by ${name}" (a)`));
}
process.exit(0);
