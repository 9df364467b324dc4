import { readFileSync } from "node:fs";

/** The files of SQL that the package ships, in their order. */
export function readMigrations(): string[] {
  const folder = new URL("../node_modules/drizzle-event-log/drizzle/", import.meta.url);
  return ["0000_events.sql", "0001_append_only.sql"].map((file) =>
    readFileSync(new URL(file, folder), "utf8"),
  );
}
