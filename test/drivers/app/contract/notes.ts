import { sqliteTable, text } from "drizzle-orm/sqlite-core";

/** A table of the app's own. */
export const notes = sqliteTable("notes", { id: text("id") });
