// What the consumers under stress write: the effect of each event, and a cursor of their own where the package's is not used.
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const applied = sqliteTable("applied", { seq: integer("seq").notNull() });
export const cursors = sqliteTable("cursors", {
  name: text("name").primaryKey(),
  seq: integer("seq").notNull(),
});
