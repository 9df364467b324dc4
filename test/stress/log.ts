// The log under test, with an app table beside it.
import { compareClocks, mergeClocks, pages, type StoredEvent, type VectorClock } from "drizzle-event-log";
import { type LibsqlDatabase, type LibsqlTransaction, openLibsql } from "drizzle-event-log/libsql";
import { migrateEvents } from "drizzle-event-log/migrations";
import { sql } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export type Log = LibsqlDatabase;
export type Tx = LibsqlTransaction;

/** How many operations a trace has had; what an app would write beside its events. */
export const tallies = sqliteTable("tallies", {
  traceId: text("trace_id").primaryKey(),
  n: integer("n").notNull(),
});

export async function createLog(url: string): Promise<Log> {
  const db = await openLibsql(url);
  await migrateEvents(db);
  await db.run(sql`create table tallies (trace_id text primary key, n integer not null)`);
  return db;
}

export const cortexId = (n: number) => `01BX5ZZKBKACTAV9WEVGEMMVS${n}`;

/** An app's change that is not idempotent by itself: an event's id or idempotency key tells a retry. */
export async function tallyOnce(tx: Tx, traceId: string, key: string): Promise<void> {
  const known = sql`select 1 from events where id = ${key} or idempotency_key = ${key}`;
  if ((await tx.values(known)).length > 0) return;
  await tx
    .insert(tallies)
    .values({ traceId, n: 1 })
    .onConflictDoUpdate({ target: tallies.traceId, set: { n: sql`${tallies.n} + 1` } });
}

export async function readAll(db: Log): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for await (const page of pages(db)) all.push(...page);
  return all;
}

/** What a cortex promises of a log that only cortexes wrote to, as counts of the events that break it. */
export function brokenPromises(events: readonly StoredEvent[]) {
  const broken = { counters: 0, ids: 0, clocks: 0, order: 0 };
  const lastId = new Map<string, string>();
  const counters = new Map<string, number>();
  let seen: VectorClock = {};
  let greatest = "";
  for (const { id, cortexId, vclock = {} } of events) {
    const counter = (counters.get(cortexId) ?? 0) + 1;
    if (vclock[cortexId] !== counter) broken.counters++;
    if (id <= (lastId.get(cortexId) ?? "")) broken.ids++;
    if (compareClocks(vclock, seen) !== "after") broken.clocks++;
    // It knows all that came before it.
    if (id <= greatest) broken.order++;
    else greatest = id;
    counters.set(cortexId, counter);
    lastId.set(cortexId, id);
    seen = mergeClocks(seen, vclock);
  }
  return broken;
}

/** How a list of ids differs from what it should be. */
export function difference(expected: Iterable<string>, actual: readonly string[]) {
  const set = new Set(actual);
  const wanted = new Set(expected);
  return {
    missed: [...wanted].filter((id) => !set.has(id)).length,
    doubled: actual.length - set.size,
    strange: [...set].filter((id) => !wanted.has(id)).length,
  };
}
