// Checked by `npx tsc`; nothing here runs.
import {
  type Action,
  append,
  appendQuery,
  createEventsTable,
  type Event,
  feed,
  forTrace,
  getEvent,
  latest,
  type NewEvent,
  pages,
  parseEvent,
  type StoredEvent,
  since,
} from "drizzle-event-log";
import type { BetterSQLite3Database } from "drizzle-orm/better-sqlite3";
import type { BunSQLiteDatabase } from "drizzle-orm/bun-sqlite";
import type { DrizzleD1Database } from "drizzle-orm/d1";
import type { DrizzleSqliteDODatabase } from "drizzle-orm/durable-sqlite";
import type { ExpoSQLiteDatabase } from "drizzle-orm/expo-sqlite";
import type { LibSQLDatabase } from "drizzle-orm/libsql";
import type { SQLJsDatabase } from "drizzle-orm/sql-js";
import type { SqliteRemoteDatabase } from "drizzle-orm/sqlite-proxy";
import { expectTypeOf } from "vitest";

type AppSchema = { notes: ReturnType<typeof createEventsTable> };

declare const input: NewEvent;

// Drivers -----------------------------------------------------------------------------------------------------

export function asynchronousDrivers(
  libsql: LibSQLDatabase,
  libsqlWithSchema: LibSQLDatabase<AppSchema>,
  d1: DrizzleD1Database,
  proxy: SqliteRemoteDatabase,
) {
  for (const db of [libsql, libsqlWithSchema] as const) {
    expectTypeOf(feed(db)).toEqualTypeOf<Promise<StoredEvent[]>>();
  }
  libsql.transaction(async (tx) => {
    expectTypeOf(append(tx, input)).toEqualTypeOf<Promise<StoredEvent>>();
    expectTypeOf(append(tx, [input])).toEqualTypeOf<Promise<StoredEvent[]>>();
    expectTypeOf(forTrace(tx, "t")).toEqualTypeOf<Promise<StoredEvent[]>>();
    tx.transaction((inner) => append(inner, input));
  });
  libsqlWithSchema.transaction((tx) => append(tx, input));
  d1.transaction(async (tx) => {
    expectTypeOf(append(tx, input)).toEqualTypeOf<Promise<StoredEvent>>();
  });
  proxy.transaction(async (tx) => {
    expectTypeOf(append(tx, input)).toEqualTypeOf<Promise<StoredEvent>>();
  });
  for (const db of [libsql, d1, proxy] as const) {
    expectTypeOf(forTrace(db, "t")).toEqualTypeOf<Promise<StoredEvent[]>>();
  }
  expectTypeOf(since(d1, "", 1)).toEqualTypeOf<Promise<StoredEvent[]>>();
  expectTypeOf(latest(proxy)).toEqualTypeOf<Promise<StoredEvent[]>>();
  expectTypeOf(getEvent(libsql, "id")).toEqualTypeOf<Promise<StoredEvent | undefined>>();
}

export function synchronousDrivers(
  sqlite: BetterSQLite3Database,
  sqliteWithSchema: BetterSQLite3Database<AppSchema>,
  bun: BunSQLiteDatabase,
  sqljs: SQLJsDatabase,
  durable: DrizzleSqliteDODatabase,
  expo: ExpoSQLiteDatabase,
) {
  sqlite.transaction((tx) => {
    expectTypeOf(append(tx, input)).toEqualTypeOf<StoredEvent>();
    expectTypeOf(append(tx, [input])).toEqualTypeOf<StoredEvent[]>();
    expectTypeOf(getEvent(tx, "id")).toEqualTypeOf<StoredEvent | undefined>();
  });
  sqliteWithSchema.transaction((tx) => expectTypeOf(append(tx, input)).toEqualTypeOf<StoredEvent>());
  bun.transaction((tx) => expectTypeOf(append(tx, input)).toEqualTypeOf<StoredEvent>());
  sqljs.transaction((tx) => expectTypeOf(append(tx, input)).toEqualTypeOf<StoredEvent>());
  durable.transaction((tx) => expectTypeOf(append(tx, input)).toEqualTypeOf<StoredEvent>());
  expo.transaction((tx) => expectTypeOf(append(tx, input)).toEqualTypeOf<StoredEvent>());
  expectTypeOf(feed(sqlite)).toEqualTypeOf<StoredEvent[]>();
  expectTypeOf(feed(sqliteWithSchema)).toEqualTypeOf<StoredEvent[]>();
  expectTypeOf(forTrace(bun, "t")).toEqualTypeOf<StoredEvent[]>();
  expectTypeOf(since(sqljs, "", 1)).toEqualTypeOf<StoredEvent[]>();
  expectTypeOf(latest(durable)).toEqualTypeOf<StoredEvent[]>();
  expectTypeOf(getEvent(expo, "id")).toEqualTypeOf<StoredEvent | undefined>();
  expectTypeOf(pages(sqlite)).toEqualTypeOf<AsyncGenerator<StoredEvent[], void, undefined>>();
}

export function aPlainDatabaseIsRefused(
  libsql: LibSQLDatabase,
  sqlite: BetterSQLite3Database,
  d1: DrizzleD1Database,
  bun: BunSQLiteDatabase,
  sqljs: SQLJsDatabase,
  proxy: SqliteRemoteDatabase,
  durable: DrizzleSqliteDODatabase,
  expo: ExpoSQLiteDatabase,
) {
  // @ts-expect-error not a transaction
  append(libsql, input);
  // @ts-expect-error not a transaction
  append(sqlite, input);
  // @ts-expect-error not a transaction
  append(d1, input);
  // @ts-expect-error not a transaction
  append(bun, input);
  // @ts-expect-error not a transaction
  append(sqljs, input);
  // @ts-expect-error not a transaction
  append(proxy, input);
  // @ts-expect-error not a transaction
  append(durable, input);
  // @ts-expect-error not a transaction
  append(expo, input);
  // @ts-expect-error not a transaction
  append(libsql, [input]);
}

export async function appendQueryGoesIntoABatch(
  libsql: LibSQLDatabase,
  libsqlWithSchema: LibSQLDatabase<AppSchema>,
  d1: DrizzleD1Database,
) {
  type Appended = { seq: number; id: string }[];
  const [stored] = await libsql.batch([appendQuery(libsql, input), libsql.run("select 1")]);
  expectTypeOf(stored).toEqualTypeOf<Appended>();
  const [[one]] = await libsqlWithSchema.batch([appendQuery(libsqlWithSchema, [input, input])]);
  expectTypeOf(one).toEqualTypeOf<Appended[number] | undefined>();
  const [onD1] = await d1.batch([appendQuery(d1, input)]);
  expectTypeOf(onD1).toEqualTypeOf<Appended>();
  expectTypeOf(await appendQuery(libsql, input)).toEqualTypeOf<Appended>();
}

// Events ------------------------------------------------------------------------------------------------------

export function theSeedsActions() {
  expectTypeOf<Event["action"]>().toEqualTypeOf<Action>();
  expectTypeOf<Action>().toEqualTypeOf<
    "create" | "update" | "archive" | "unarchive" | "trash" | "recover" | "purge"
  >();
  const base = { traceId: "t", cortexId: "c", origin: "o" };
  const ok: NewEvent = { ...base, action: "create" };
  // @ts-expect-error no such action
  const unknown: NewEvent = { ...base, action: "publish" };
  // @ts-expect-error no trace
  const incomplete: NewEvent = { action: "create", cortexId: "c", origin: "o" };
  // @ts-expect-error no such field
  const extra: NewEvent = { ...base, action: "create", payload: 1 };
  // @ts-expect-error a vclock counts in numbers
  const badClock: NewEvent = { ...base, action: "create", vclock: { c: "1" } };
  expectTypeOf<Event["data"]>().toBeUnknown();
  expectTypeOf<NewEvent["id"]>().toEqualTypeOf<string | undefined>();
  expectTypeOf<Event["id"]>().toEqualTypeOf<string>();
  expectTypeOf<StoredEvent["seq"]>().toEqualTypeOf<number>();
  expectTypeOf<Event>().not.toHaveProperty("seq");
  return [ok, unknown, incomplete, extra, badClock];
}

export function aStoredEventCanBeAppendedAgain(db: BetterSQLite3Database, stored: StoredEvent) {
  db.transaction((tx) => append(tx, stored));
  db.transaction((tx) => append(tx, [stored, parseEvent("")]));
}

export function theAppsOwnActions(db: LibSQLDatabase, sqlite: BetterSQLite3Database) {
  const table = createEventsTable<Action | "publish">();
  const base = { traceId: "t", cortexId: "c", origin: "o" };
  sqlite.transaction((tx) => {
    const stored = append(tx, { ...base, action: "publish" }, { table });
    expectTypeOf(stored).toEqualTypeOf<StoredEvent<Action | "publish">>();
    append(
      tx,
      [
        { ...base, action: "create" },
        { ...base, action: "publish" },
      ],
      { table },
    );
    // @ts-expect-error no such action
    append(tx, { ...base, action: "nope" }, { table });
    const [publish, nope] = [{ ...base, action: "publish" } as const, { ...base, action: "nope" } as const];
    // @ts-expect-error no such action
    append(tx, [publish, nope], { table });
    // @ts-expect-error the default table does not know it
    append(tx, { ...base, action: "publish" });
  });
  appendQuery(db, { ...base, action: "publish" }, { table });
  // @ts-expect-error no such action
  appendQuery(db, { ...base, action: "nope" }, { table });
  feed(db, { table, actions: ["publish", "create"] });
  // @ts-expect-error no such action
  feed(db, { table, actions: ["nope"] });
  // @ts-expect-error the default table does not know it
  feed(db, { actions: ["publish"] });
  expectTypeOf(feed(db, { table })).toEqualTypeOf<Promise<StoredEvent<Action | "publish">[]>>();
  expectTypeOf(forTrace(sqlite, "t", { table })).toEqualTypeOf<StoredEvent<Action | "publish">[]>();
  expectTypeOf(since(sqlite, "", 1, { table })).toEqualTypeOf<StoredEvent<Action | "publish">[]>();
  expectTypeOf(latest(sqlite, { table })).toEqualTypeOf<StoredEvent<Action | "publish">[]>();
  expectTypeOf(getEvent(sqlite, "id", { table })).toEqualTypeOf<
    StoredEvent<Action | "publish"> | undefined
  >();
}

interface Article {
  publish: { url: string };
  rename: { from: string; to: string };
  remind: { at: string } | undefined;
  touch: undefined;
}

export function dataPerAction(sqlite: BetterSQLite3Database) {
  const table = createEventsTable<Article>("articles");
  const base = { traceId: "t", cortexId: "c", origin: "o" };
  sqlite.transaction((tx) => {
    append(tx, { ...base, action: "publish", data: { url: "/" } }, { table });
    append(tx, { ...base, action: "remind" }, { table });
    append(tx, { ...base, action: "remind", data: { at: "noon" } }, { table });
    append(tx, { ...base, action: "touch" }, { table });
    // @ts-expect-error data is required
    append(tx, { ...base, action: "publish" }, { table });
    // @ts-expect-error another action's data
    append(tx, { ...base, action: "publish", data: { from: "a", to: "b" } }, { table });
    // @ts-expect-error no such data
    append(tx, { ...base, action: "touch", data: 1 }, { table });
    // @ts-expect-error no such action
    append(tx, { ...base, action: "create" }, { table });
    const [touch, rename] = [{ ...base, action: "touch" } as const, { ...base, action: "rename" } as const];
    // @ts-expect-error the second event's data is missing
    append(tx, [touch, rename], { table });
  });
  feed(sqlite, { table, actions: ["publish", "touch"] });
  // @ts-expect-error no such action
  feed(sqlite, { table, actions: ["create"] });

  for (const event of forTrace(sqlite, "t", { table })) {
    if (event.action === "publish") expectTypeOf(event.data).toEqualTypeOf<{ url: string }>();
    else if (event.action === "rename") expectTypeOf(event.data.to).toEqualTypeOf<string>();
    else if (event.action === "remind") expectTypeOf(event.data).toEqualTypeOf<{ at: string } | undefined>();
    else expectTypeOf(event.action).toEqualTypeOf<"touch">();
  }
  const parsed = parseEvent<Article>("");
  if (parsed.action === "publish") expectTypeOf(parsed.data.url).toEqualTypeOf<string>();
}

// The columns an app may use in queries of its own.
export function theTablesRows(sqlite: BetterSQLite3Database) {
  const table = createEventsTable<Action | "publish">();
  const [row] = sqlite.select().from(table).all();
  expectTypeOf(row!.action).toEqualTypeOf<Action | "publish">();
  expectTypeOf(row!.seq).toEqualTypeOf<number>();
  expectTypeOf(row!.vclock).toEqualTypeOf<Readonly<Record<string, number>> | null>();
  expectTypeOf(row!.data).toBeUnknown();
}
