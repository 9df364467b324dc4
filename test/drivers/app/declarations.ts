// Compiled with `declaration`, as libraries and packages of a workspace are: the type of what an app exports must have a
// name that it can import. Nothing here runs.
import {
  append,
  appendQuery,
  createEventsTable,
  divergences,
  type Event,
  feed,
  forTrace,
  frontier,
  heads,
  lag,
  openCortex,
  pages,
  stateAt,
  tail,
  ulidFactory,
} from "drizzle-event-log";
import { accept, acceptBatch, databasePeer, httpPeer, pull, serveLog } from "drizzle-event-log/federation";
import { openLibsql, writeTogether, writeTransaction } from "drizzle-event-log/libsql";
import { checkLog } from "drizzle-event-log/migrations";
import { createConsumersTable } from "drizzle-event-log/schema";
import { changes, rowData, type TrackedActions, track } from "drizzle-event-log/tracked";
import { sql } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export { consumers, events } from "drizzle-event-log/schema";

const CORTEX = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

export const notes = sqliteTable("notes", {
  id: text("id").primaryKey(),
  title: text("title").notNull(),
  at: integer("at", { mode: "timestamp" }),
});
export const trackedNotes = track(notes, {
  traceId: (note) => note.id,
  omit: ["title"],
  actions: { create: "NoteAdded" },
});
export const plainNotes = track(notes, { traceId: (note) => note.id });
export const { insert, update, restore, adopt, mutations, reducer } = trackedNotes;
export const audit = createEventsTable<TrackedActions<typeof trackedNotes>, "audit">("audit");
export const auditConsumers = createConsumersTable("audit_consumers");
export const typed = createEventsTable<{ rename: { from: string; to: string }; trash: undefined }>();

export const db = await openLibsql(":memory:");
export const cortex = openCortex({ id: CORTEX, origin: "app", table: audit });
export const { append: appendAudit, batch } = cortex;
export const plainCortex = openCortex({ id: CORTEX, origin: "app" });

export const rename = (id: string, title: string) =>
  writeTransaction(db, (tx) => plainNotes.update(tx, plainCortex, { title }, sql`${notes.id} = ${id}`));
export const add = (title: string) =>
  writeTogether(db, (tx) => plainNotes.insert(tx, plainCortex, [{ id: title, title }]));
export const record = (id: string) =>
  writeTransaction(db, (tx) =>
    append(tx, { action: "update", traceId: id, cortexId: CORTEX, origin: "app" }),
  );
export const recordNote = (id: string) =>
  cortex.batch(db, { action: "NoteAdded", traceId: id, data: { id, at: null } }, [db.select().from(notes)]);
export const query = appendQuery(db, { action: "update", traceId: "1", cortexId: CORTEX, origin: "app" });
export const changed = changes({ title: "a" }, { title: "b" });
export const note = rowData(notes, { id: "1", title: "a", at: null }, { omit: ["title"] });

export const history = (id: string) => forTrace(db, id, { table: audit });
export const noteAt = (id: string, timestamp: string) =>
  stateAt(db, id, { timestamp }, trackedNotes.reducer, undefined);
export const reads = () =>
  [feed(db), heads(db, "1"), divergences(db), frontier(db), lag(db, "c"), checkLog(db)] as const;
export const streams = () => [pages(db, { table: typed }), tail(db, { table: audit })] as const;
export const ids = ulidFactory();

export const peer = databasePeer(db);
export const remote = httpPeer("https://example.com/log");
export const serve = serveLog(db, { cortexId: CORTEX, authorize: () => true });
export const sync = () => pull(db, remote, { transaction: (write) => writeTransaction(db, write) });
export const take = (page: Event[]) => writeTransaction(db, (tx) => accept(tx, page));
export const takeBatch = (page: Event[]) => acceptBatch(db, page);

export class History {
  constructor(
    readonly log = audit,
    readonly writer = cortex,
  ) {}

  of(id: string) {
    return forTrace(db, id, { table: this.log });
  }
}
