import { createEventsTable } from "drizzle-event-log";
import { sql } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export interface FileState {
  path: string;
  mode: string;
  blob: string;
  commit: string;
}

/** What can happen to a file, and what each event says about it. */
export interface FileEvents {
  create: FileState;
  update: FileState;
  recover: FileState;
  trash: { path: string; commit: string };
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

export const authors = sqliteTable("authors", {
  /** The cortex. */
  id: text("id").primaryKey(),
  email: text("email").notNull().unique(),
});

/** One row: the commit that `files` and the log stand at. */
export const progress = sqliteTable("progress", {
  id: integer("id").primaryKey(),
  commit: text("commit").notNull(),
});

export const createAppTables = [
  sql`create table if not exists files (
    id text primary key not null, path text not null unique, mode text not null, blob text not null,
    trashed integer not null)`,
  sql`create table if not exists authors (id text primary key not null, email text not null unique)`,
  sql`create table if not exists progress (id integer primary key not null, "commit" text not null)`,
];
