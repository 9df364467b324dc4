// Compiled beside each major of Drizzle; nothing here runs. What follows from the major alone is in types.v0.ts and
// types.v1.ts.
import {
  type Action,
  append,
  appendQuery,
  clock,
  createEventsTable,
  type Database,
  divergences,
  type Event,
  type EventsTable,
  events,
  feed,
  forTrace,
  getEvent,
  heads,
  latest,
  type NewEvent,
  openCortex,
  pages,
  type Result,
  type StoredEvent,
  since,
  stateAt,
  type Transaction,
} from "drizzle-event-log";
import { type Accepted, accept, acceptBatch, missing, type Peer, pull } from "drizzle-event-log/federation";
import { openLibsql, writeTogether, writeTransaction } from "drizzle-event-log/libsql";
import { eq, getTableColumns, type InferInsertModel, type InferSelectModel } from "drizzle-orm";
import type { drizzle as openSqlite } from "drizzle-orm/better-sqlite3";
import type { drizzle as openBun } from "drizzle-orm/bun-sqlite";
import type { drizzle as openD1 } from "drizzle-orm/d1";
import type { drizzle as openDurable } from "drizzle-orm/durable-sqlite";
import type { drizzle as openExpo } from "drizzle-orm/expo-sqlite";
import type { drizzle as openLibsqlClient } from "drizzle-orm/libsql";
import type { drizzle as openSqlJs } from "drizzle-orm/sql-js";
import { int, sqliteTable } from "drizzle-orm/sqlite-core";
import type { drizzle as openProxy } from "drizzle-orm/sqlite-proxy";
import { expectTypeOf } from "expect-type";

declare const libsql: ReturnType<typeof openLibsqlClient>;
declare const d1: ReturnType<typeof openD1>;
declare const proxy: ReturnType<typeof openProxy>;
declare const sqlite: ReturnType<typeof openSqlite>;
declare const bun: ReturnType<typeof openBun>;
declare const sqljs: ReturnType<typeof openSqlJs>;
declare const durable: ReturnType<typeof openDurable>;
declare const expo: ReturnType<typeof openExpo>;
declare const input: NewEvent;
declare const stored: StoredEvent;
declare const peer: Peer;

const base = { traceId: "t", cortexId: "c", origin: "o" };

export function theTypesAreNotAny() {
  expectTypeOf<Database>().not.toBeAny();
  expectTypeOf<Database>().not.toBeNever();
  expectTypeOf<Transaction>().not.toBeAny();
  expectTypeOf<Transaction>().not.toBeNever();
  expectTypeOf<EventsTable>().not.toBeAny();
  expectTypeOf<EventsTable["seq"]>().not.toBeAny();
  expectTypeOf<Result<typeof libsql, 1>>().toEqualTypeOf<Promise<1>>();
  expectTypeOf<Result<typeof sqlite, 1>>().toEqualTypeOf<1>();
  expectTypeOf<typeof libsql>().toExtend<Database>();
  expectTypeOf<typeof libsql>().not.toExtend<Transaction>();
}

// Drivers -----------------------------------------------------------------------------------------------------

export function anAsynchronousDriverAnswersWithPromises() {
  libsql.transaction(async (tx) => {
    expectTypeOf(append(tx, input)).toEqualTypeOf<Promise<StoredEvent>>();
    expectTypeOf(append(tx, [input])).toEqualTypeOf<Promise<StoredEvent[]>>();
    expectTypeOf(forTrace(tx, "t")).toEqualTypeOf<Promise<StoredEvent[]>>();
    expectTypeOf(accept(tx, [stored])).toEqualTypeOf<Promise<Accepted[]>>();
    await tx.transaction((inner) => append(inner, input));
  });
  d1.transaction(async (tx) => expectTypeOf(append(tx, input)).toEqualTypeOf<Promise<StoredEvent>>());
  proxy.transaction(async (tx) => expectTypeOf(append(tx, input)).toEqualTypeOf<Promise<StoredEvent>>());
  expectTypeOf(feed(libsql)).toEqualTypeOf<Promise<StoredEvent[]>>();
  expectTypeOf(forTrace(d1, "t")).toEqualTypeOf<Promise<StoredEvent[]>>();
  expectTypeOf(since(proxy, "", 1)).toEqualTypeOf<Promise<StoredEvent[]>>();
  expectTypeOf(latest(proxy)).toEqualTypeOf<Promise<StoredEvent[]>>();
  expectTypeOf(getEvent(d1, "id")).toEqualTypeOf<Promise<StoredEvent | undefined>>();
  expectTypeOf(heads(libsql, "t")).toEqualTypeOf<Promise<StoredEvent[]>>();
  expectTypeOf(divergences(d1)).resolves.toBeArray();
  expectTypeOf(stateAt(libsql, "t", { seq: 1 }, {}, input)).toEqualTypeOf<Promise<NewEvent>>();
  expectTypeOf(clock(libsql)).resolves.not.toBeAny();
  expectTypeOf(missing(libsql, {})).toEqualTypeOf<Promise<StoredEvent[]>>();
}

export function aSynchronousDriverAnswersWithValues() {
  sqlite.transaction((tx) => {
    expectTypeOf(append(tx, input)).toEqualTypeOf<StoredEvent>();
    expectTypeOf(append(tx, [input])).toEqualTypeOf<StoredEvent[]>();
    expectTypeOf(getEvent(tx, "id")).toEqualTypeOf<StoredEvent | undefined>();
    expectTypeOf(accept(tx, [stored])).toEqualTypeOf<Accepted[]>();
    tx.transaction((inner) => append(inner, input));
  });
  bun.transaction((tx) => expectTypeOf(append(tx, input)).toEqualTypeOf<StoredEvent>());
  sqljs.transaction((tx) => expectTypeOf(append(tx, input)).toEqualTypeOf<StoredEvent>());
  durable.transaction((tx) => expectTypeOf(append(tx, input)).toEqualTypeOf<StoredEvent>());
  expo.transaction((tx) => expectTypeOf(append(tx, input)).toEqualTypeOf<StoredEvent>());
  expectTypeOf(feed(sqlite)).toEqualTypeOf<StoredEvent[]>();
  expectTypeOf(forTrace(bun, "t")).toEqualTypeOf<StoredEvent[]>();
  expectTypeOf(since(sqljs, "", 1)).toEqualTypeOf<StoredEvent[]>();
  expectTypeOf(latest(durable)).toEqualTypeOf<StoredEvent[]>();
  expectTypeOf(getEvent(expo, "id")).toEqualTypeOf<StoredEvent | undefined>();
  expectTypeOf(heads(sqlite, "t")).toEqualTypeOf<StoredEvent[]>();
  expectTypeOf(stateAt(sqlite, "t", { seq: 1 }, {}, 0)).toEqualTypeOf<number>();
  expectTypeOf(stateAt(sqlite, "t", { seq: 1 }, {}, input).action).toEqualTypeOf<NewEvent["action"]>();
  expectTypeOf(missing(sqlite, {})).toEqualTypeOf<StoredEvent[]>();
  expectTypeOf(pages(sqlite)).toEqualTypeOf<AsyncGenerator<StoredEvent[], void, undefined>>();
  // @ts-expect-error a value, not a promise
  feed(sqlite).then(() => {});
}

export function aPlainDatabaseIsNoTransaction() {
  // @ts-expect-error
  append(libsql, input);
  // @ts-expect-error
  append(libsql, [input]);
  // @ts-expect-error
  append(d1, input);
  // @ts-expect-error
  append(proxy, input);
  // @ts-expect-error
  append(sqlite, input);
  // @ts-expect-error
  append(bun, input);
  // @ts-expect-error
  append(sqljs, input);
  // @ts-expect-error
  append(durable, input);
  // @ts-expect-error
  append(expo, input);
  // @ts-expect-error
  accept(libsql, [stored]);
  // @ts-expect-error
  accept(sqlite, [stored]);
  // @ts-expect-error
  openCortex({ id: "c", origin: "o" }).append(libsql, { action: "create", traceId: "t" });
}

export function whatIsNoDatabaseIsRefused() {
  // @ts-expect-error
  forTrace(42, "t");
  // @ts-expect-error
  feed("file:app.db");
  // @ts-expect-error
  feed({});
  // @ts-expect-error
  feed(undefined);
  // @ts-expect-error
  since(libsql.$client, "", 1);
  // @ts-expect-error
  append({}, input);
  // @ts-expect-error
  append(events, input);
  // @ts-expect-error
  appendQuery({}, input);
  // @ts-expect-error
  pull(42, peer);
  pull(libsql, peer);
  pull(sqlite, peer);
}

// What an event may be ------------------------------------------------------------------------------------------

export function theSeedsActions() {
  sqlite.transaction((tx) => {
    append(tx, { ...base, action: "create" });
    // @ts-expect-error no such action
    append(tx, { ...base, action: "publish" });
    // @ts-expect-error no trace
    append(tx, { action: "create", cortexId: "c", origin: "o" });
    // @ts-expect-error no such field
    append(tx, { ...base, action: "create", payload: 1 });
    // @ts-expect-error a number is no event
    append(tx, 42);
  });
  // @ts-expect-error a trace is a string
  forTrace(libsql, 42);
  // @ts-expect-error no such order
  forTrace(libsql, "t", { order: "up" });
  // @ts-expect-error no such action
  feed(libsql, { actions: ["publish"] });
  expectTypeOf<Event["action"]>().toEqualTypeOf<Action>();
}

interface Article {
  publish: { url: string };
  rename: { from: string; to: string };
  touch: undefined;
}

export function dataPerAction() {
  const table = createEventsTable<Article>("articles");
  sqlite.transaction((tx) => {
    append(tx, { ...base, action: "publish", data: { url: "/" } }, { table });
    append(tx, { ...base, action: "touch" }, { table });
    // @ts-expect-error data is required
    append(tx, { ...base, action: "publish" }, { table });
    // @ts-expect-error another action's data
    append(tx, { ...base, action: "publish", data: { from: "a", to: "b" } }, { table });
    // @ts-expect-error no such action
    append(tx, { ...base, action: "create" }, { table });
  });
  for (const event of forTrace(sqlite, "t", { table })) {
    if (event.action === "publish") expectTypeOf(event.data).toEqualTypeOf<{ url: string }>();
    else if (event.action === "rename") expectTypeOf(event.data.to).toEqualTypeOf<string>();
    else expectTypeOf(event.action).toEqualTypeOf<"touch">();
  }
  expectTypeOf(feed(libsql, { table })).toEqualTypeOf<Promise<StoredEvent<Article>[]>>();
  // @ts-expect-error no such action
  feed(libsql, { table, actions: ["create"] });
  // @ts-expect-error another table
  feed(libsql, { table: sqliteTable("notes", { id: int().primaryKey() }) });

  const cortex = openCortex({ id: "c", origin: "o", table });
  sqlite.transaction((tx) => {
    expectTypeOf(cortex.append(tx, { action: "publish", traceId: "t", data: { url: "/" } })).toEqualTypeOf<
      StoredEvent<Article>
    >();
    // @ts-expect-error data is required
    cortex.append(tx, { action: "publish", traceId: "t" });
  });
}

// The table -------------------------------------------------------------------------------------------------------

interface Row {
  seq: number;
  id: string;
  action: Action | "publish";
  traceId: string;
  cortexId: string;
  origin: string;
  actor: string | null;
  timestamp: string;
  proof: string | null;
  data: unknown;
  meta: Readonly<Record<string, unknown>> | null;
  vclock: Readonly<Record<string, number>> | null;
  idempotencyKey: string | null;
  counter: number | null;
  branched: number | null;
}

export async function theTableIsOneOfTheAppsOwn() {
  const table = createEventsTable<Action | "publish">();
  type Selected = InferSelectModel<typeof table>;
  expectTypeOf<Selected>().toEqualTypeOf<Row>();
  expectTypeOf<(typeof table)["$inferSelect"]>().toEqualTypeOf<Row>();
  expectTypeOf(sqlite.select().from(table).all()).toEqualTypeOf<Row[]>();
  expectTypeOf(await libsql.select().from(table)).toEqualTypeOf<Row[]>();
  const picked = libsql
    .select({ seq: table.seq, action: table.action, vclock: table.vclock })
    .from(table)
    .where(eq(table.traceId, "t"));
  expectTypeOf(await picked).toEqualTypeOf<Pick<Row, "seq" | "action" | "vclock">[]>();
  // @ts-expect-error a trace is a string
  eq(table.traceId, 42);
  // @ts-expect-error no such action
  eq(table.action, "nope");
  // @ts-expect-error no such column
  table.payload;
  expectTypeOf<keyof InferInsertModel<typeof table>>().toEqualTypeOf<keyof Row>();
  // @ts-expect-error the id is not optional
  sqlite.insert(table).values({ action: "create", traceId: "t", cortexId: "c", origin: "o", timestamp: "" });
  const row = { id: "i", traceId: "t", cortexId: "c", origin: "o", timestamp: "" };
  sqlite.insert(table).values({ ...row, action: "publish" });
  // @ts-expect-error no such action
  sqlite.insert(table).values({ ...row, action: "nope" });
  const { seq } = getTableColumns(table);
  expectTypeOf(seq).toEqualTypeOf<typeof table.seq>();
  const { name } = events._;
  expectTypeOf(name).toEqualTypeOf<"events">();
  const audit = createEventsTable<Article, "audit">("audit")._.name;
  expectTypeOf(audit).toEqualTypeOf<"audit">();
  const notes = sqliteTable("notes", { id: int().primaryKey(), seq: int().references(() => events.seq) });
  const joined = await libsql.select().from(notes).innerJoin(events, eq(events.seq, notes.seq));
  expectTypeOf(joined[0]!.events.seq).toEqualTypeOf<number>();
}

// Queries and batches ---------------------------------------------------------------------------------------------

export async function anAppendQueryGoesIntoABatch() {
  type Appended = { seq: number; id: string }[];
  const [first, second] = await libsql.batch([appendQuery(libsql, input), libsql.select().from(events)]);
  expectTypeOf(first).toEqualTypeOf<Appended>();
  expectTypeOf(second[0]!.seq).toEqualTypeOf<number>();
  const [onD1] = await d1.batch([appendQuery(d1, input)]);
  expectTypeOf(onD1).toEqualTypeOf<Appended>();
  expectTypeOf(await appendQuery(libsql, [input, input])).toEqualTypeOf<Appended>();
  expectTypeOf(appendQuery(sqlite, input).all()).toEqualTypeOf<Appended>();
  expectTypeOf(appendQuery(libsql, input).all()).toEqualTypeOf<Promise<Appended>>();
  // @ts-expect-error no such action
  appendQuery(libsql, { ...base, action: "nope" });
}

export async function aCortexWithoutATransaction() {
  const cortex = openCortex({ id: "c", origin: "o" });
  const change = { action: "create", traceId: "t" } as const;
  const { event, results } = await cortex.batch(d1, change, [
    d1.select().from(events),
    appendQuery(d1, input),
  ]);
  expectTypeOf(event).toEqualTypeOf<StoredEvent>();
  expectTypeOf(results![0][0]!.seq).toEqualTypeOf<number>();
  expectTypeOf(results![1]).toEqualTypeOf<{ seq: number; id: string }[]>();
  const many = await cortex.batch(libsql, [change], (stored) => [
    libsql
      .insert(events)
      .values({ ...stored[0]!, seq: 1 })
      .returning({ id: events.id }),
  ]);
  expectTypeOf(many.events).toEqualTypeOf<StoredEvent[]>();
  expectTypeOf(many.results!).toEqualTypeOf<[{ id: string }[]]>();
  expectTypeOf((await cortex.batch(proxy, change)).results).toEqualTypeOf<[] | undefined>();
  expectTypeOf(acceptBatch(d1, [stored])).toEqualTypeOf<Promise<Accepted[]>>();
  pull(d1, peer, { transaction: "batch" });
  // @ts-expect-error results may be undefined: where the request was answered before, nothing is run
  results[0];
  // @ts-expect-error a synchronous driver has no batch
  cortex.batch(sqlite, change);
  // @ts-expect-error neither has a transaction
  libsql.transaction((tx) => cortex.batch(tx, change));
  // @ts-expect-error a query that was run is a promise
  cortex.batch(d1, change, [d1.select().from(events).all()]);
  // @ts-expect-error no such action
  cortex.batch(d1, { action: "nope", traceId: "t" });
  // @ts-expect-error a synchronous driver has no batch
  acceptBatch(sqlite, [stored]);
}

// libsql ----------------------------------------------------------------------------------------------------------

export async function theLibsqlDoor() {
  const db = await openLibsql("file:app.db");
  expectTypeOf(await writeTransaction(db, (tx) => append(tx, input))).toEqualTypeOf<StoredEvent>();
  expectTypeOf(await writeTogether(db, (tx) => append(tx, input))).toEqualTypeOf<StoredEvent>();
  expectTypeOf(await writeTransaction(libsql, async (tx) => tx.select().from(events))).not.toBeAny();
  // @ts-expect-error no libsql database
  writeTransaction(sqlite, async () => {});
  // @ts-expect-error the client is its own
  openLibsql("file:app.db", { client: libsql.$client });
  // @ts-expect-error not a transaction
  append(db, input);
  await openLibsql({ url: "file:app.db" }, { logger: true });
}
