import { createEventsTable } from "drizzle-event-log";
import { sql } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** What can happen to a file, and what each event says about it. */
export interface FileEvents {
  create: FileState;
  update: FileState;
  recover: FileState;
  trash: { path: string };
}

export interface FileState {
  path: string;
  mode: string;
  blob: string;
}

/** The log. Its table comes from the package's own migrations. */
export const log = createEventsTable<FileEvents>();

/** The app's state: each path that the repository ever had, as its last commit left it. */
export const files = sqliteTable("files", {
  /** The trace: a path that is deleted and comes back keeps its id. */
  id: text("id").primaryKey(),
  path: text("path").notNull().unique(),
  mode: text("mode").notNull(),
  blob: text("blob").notNull(),
  trashed: integer("trashed", { mode: "boolean" }).notNull(),
});

/** One row: who writes here, made once and kept, and the commit that `files` and the log stand at. */
export const progress = sqliteTable("progress", {
  id: integer("id").primaryKey(),
  cortexId: text("cortex_id").notNull(),
  commit: text("commit"),
});

export const createAppTables = [
  sql`create table if not exists files (
    id text primary key not null, path text not null unique, mode text not null, blob text not null,
    trashed integer not null)`,
  sql`create table if not exists progress (id integer primary key not null, cortex_id text not null, "commit" text)`,
];
