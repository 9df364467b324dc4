// Plain Drizzle on the table one would make by hand, with nothing that keeps the log right.
import { createClient } from "@libsql/client";
import { desc, eq } from "drizzle-orm";
import { drizzle, type LibSQLDatabase } from "drizzle-orm/libsql";
import { index, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { BenchEvent } from "../content.js";
import { openOurs } from "./package.js";
import type { Log, Stack } from "./stack.js";

/** Of the table below. */
export const BARE_TABLE = `
  create table events (id text primary key, action text not null, trace_id text not null, origin text not null,
    timestamp text not null, data text, vclock text, cortex_id text not null);
  create index events_trace_id on events (trace_id);
  create index events_timestamp on events (timestamp);
  create index events_cortex_id on events (cortex_id)`;

const events = sqliteTable(
  "events",
  {
    id: text("id").primaryKey(),
    action: text("action").$type<BenchEvent["action"]>().notNull(),
    traceId: text("trace_id").notNull(),
    origin: text("origin").notNull(),
    timestamp: text("timestamp").notNull(),
    data: text("data", { mode: "json" }).$type<unknown>(),
    vclock: text("vclock", { mode: "json" }).$type<Record<string, number>>(),
    cortexId: text("cortex_id").notNull(),
  },
  (table) => [
    index("events_trace_id").on(table.traceId),
    index("events_timestamp").on(table.timestamp),
    index("events_cortex_id").on(table.cortexId),
  ],
);

export const byHand: Stack = {
  name: "by hand",
  schema: "bare",
  open: async (file) => plainLog(drizzle({ client: createClient({ url: `file:${file}` }) })),
};

/** The same on the database that this package opens. */
export const plainOnOurs: Stack = {
  name: "openLibsql",
  schema: "bare",
  open: async (file) => plainLog(await openOurs(file)),
};

function plainLog(db: LibSQLDatabase & { $client: { close(): void } }): Log {
  const insert = (event: BenchEvent) => db.transaction((tx) => tx.insert(events).values(event));
  return {
    synchronous: (mode) => db.run(`pragma synchronous = ${mode}`),
    appendOne: insert,
    appendStamped: insert,
    appendBare: (event) => db.insert(events).values(event).run(),
    appendBatch: (batch) =>
      db.transaction(async (tx) => {
        // SQLite takes 32,766 parameters in a statement.
        for (let i = 0; i < batch.length; i += 1000) await tx.insert(events).values(batch.slice(i, i + 1000));
      }),
    latest: (limit) => asEvents(db.select().from(events).orderBy(desc(events.id)).limit(limit)),
    byId: (id) => asEvents(db.select().from(events).where(eq(events.id, id))),
    close: () => db.$client.close(),
  };
}

async function asEvents(query: PromiseLike<unknown[]>): Promise<BenchEvent[]> {
  return (await query) as BenchEvent[];
}
