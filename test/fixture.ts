import { type Client, createClient } from "@libsql/client";
import SQLite from "better-sqlite3";
import { append, type Event, feed, InputError, type NewEvent, newULID } from "drizzle-event-log";
import { migrateEvents } from "drizzle-event-log/migrations";
import { sql } from "drizzle-orm";
import { drizzle as drizzleSync } from "drizzle-orm/better-sqlite3";
import { drizzle } from "drizzle-orm/libsql";

export const ALPHA = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
export const BETA = "01BX5ZZKBKACTAV9WEVGEMMVS0";

/** A statement as the driver was given it. */
export interface Statement {
  sql: string;
  params: unknown[];
}

/** A migrated libsql database, in memory unless a file is named, and the statements drizzle ran on it. */
export async function openLibsql(url = ":memory:") {
  const client: Client = createClient({ url });
  const statements: Statement[] = [];
  const logger = { logQuery: (sql: string, params: unknown[]) => void statements.push({ sql, params }) };
  const db = drizzle({ client, logger });
  await migrateEvents(db);
  statements.length = 0;
  return { client, db, statements };
}

/** The same on better-sqlite3, the synchronous driver. */
export function openSqlite(file = ":memory:") {
  const client = new SQLite(file);
  const statements: Statement[] = [];
  const logger = { logQuery: (sql: string, params: unknown[]) => void statements.push({ sql, params }) };
  const db = drizzleSync(client, { logger });
  migrateEvents(db);
  statements.length = 0;
  return { client, db, statements };
}

export type Libsql = Awaited<ReturnType<typeof openLibsql>>["db"];

/** How to open each kind of driver, by its name. */
export const drivers = Object.entries({ libsql: openLibsql, "better-sqlite3": async () => openSqlite() });

export const add = (db: Libsql, input: NewEvent) => db.transaction((tx) => append(tx, input));
export const addAll = (db: Libsql, input: readonly NewEvent[]) => db.transaction((tx) => append(tx, input));
export const everything = (db: Libsql) => feed(db, { limit: 1_000_000 });
export const ids = (list: readonly { id: string }[]) => list.map(({ id }) => id);

/** A valid event; `over` may hold anything, also what no event may. */
export function event(over: Partial<Event> | Record<string, unknown> = {}): NewEvent {
  return { action: "update", traceId: "trace", cortexId: ALPHA, origin: "alpha", ...over } as NewEvent;
}

/**
 * Puts into the log, past all that append asks, an event of each cortex with the counter that this clock has for it:
 * for clocks that no test could come to.
 */
export function pretendToHold(db: Pick<Libsql, "run">, clock: Record<string, number>): unknown {
  const rows = Object.entries(clock).map(([cortexId, counter]) => [newULID(), cortexId, counter]);
  return db.run(sql`insert into events (id, action, trace_id, cortex_id, origin, timestamp, proof, vclock, counter)
    select value->>0, 'update', 'pretended', value->>1, 'nobody', '2026-01-01T00:00:00Z',
      ${`${"0".repeat(64)}.${"0".repeat(32)}`}, json_object(value->>1, value->2), value->>2
    from json_each(${JSON.stringify(rows)})`);
}

/** What `run` throws, or rejects with; undefined when it does neither. */
export async function errorOf(run: () => unknown): Promise<unknown> {
  try {
    await run();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** What `run` throws before it returns. */
export function thrownBy(run: () => unknown): unknown {
  try {
    const pending = run();
    if (pending instanceof Promise) pending.catch(() => {});
  } catch (error) {
    return error;
  }
  return undefined;
}

/** The InputError that `run` throws before it returns. */
export function inputErrorOf(run: () => unknown): InputError {
  const error = thrownBy(run);
  if (!(error instanceof InputError)) throw new Error("expected an InputError", { cause: error });
  return error;
}

/** A generator of the same numbers for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
