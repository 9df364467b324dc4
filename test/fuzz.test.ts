import { deepStrictEqual } from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import { types } from "node:util";
import * as root from "drizzle-event-log";
import * as cortex from "drizzle-event-log/cortex";
import * as federation from "drizzle-event-log/federation";
import * as libsql from "drizzle-event-log/libsql";
import * as migrations from "drizzle-event-log/migrations";
import * as schema from "drizzle-event-log/schema";
import * as tracked from "drizzle-event-log/tracked";
import { eq, sql } from "drizzle-orm";
import { blob, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { errorCodes } from "./error-codes.js";
import { ALPHA, BETA, openLibsql, openSqlite, seeded } from "./fixture.js";
import { CallbackFault, garbage, isPlain, nearly, type Random, SECRET, sparing } from "./garbage.js";

const doors = { root, schema, cortex, federation, libsql, migrations, tracked };

// On each of two drivers.
const CALLS = Number(process.env.FUZZ_CALLS ?? 1000);
const SEED = Number(process.env.FUZZ_SEED ?? 1);
// The longest that one call may take, in milliseconds of the processor, for others use the machine as well; and of
// three runs of it, for it may be a collection's turn.
const LONGEST = 100;

/** A database with a log of a few events, on one of the drivers. */
interface World {
  name: string;
  db: any;
  /** Runs a function in a transaction of the driver's kind. */
  write: (run: (tx: any) => any) => any;
  /** The log at the beginning. */
  stored: root.StoredEvent[];
  proofs: string[];
  /** How many events of a peer's cortex it has accepted. */
  accepted: number;
}

interface Recipe {
  /** A valid call's arguments; TX stands for an open transaction. */
  args: (world: World, random: Random) => unknown[];
  /** How the call is made; by default the function is called with the arguments. */
  call?: (world: World, fn: any, args: unknown[]) => unknown;
  /** Throws unless this is an exact answer. */
  check?: (world: World, answer: any, args: unknown[]) => void;
  /** Whether it writes: it then gets a log of its own. */
  writes?: boolean;
  /** Whether the answer may hold a promise of a callback's, whose rejection is then the caller's. */
  keepsPromises?: boolean;
  /** An error of others that this call may end with: the driver's own refusal. */
  allows?: (error: unknown) => boolean;
}

const TX = Symbol("tx");
const GAMMA = "01CX5ZZKBKACTAV9WEVGEMMVS0";

/** Ends what a call that was left has not ended yet. */
let controller = new AbortController();
const openSignal = () => controller.signal;
const newEvent = (random: Random, over: object = {}) => ({
  id: root.newULID(),
  action: "create",
  traceId: `trace-${Math.floor(random() * 5)}`,
  cortexId: BETA,
  origin: "beta",
  actor: "someone",
  timestamp: "2026-01-02T03:04:05.678Z",
  data: { list: [1, "two", null, { three: true }], text: "é🦊" },
  meta: { request: "r" },
  idempotencyKey: `key-${random()}`,
  ...over,
});

function roundTrips(event: unknown): void {
  const { seq: _, ...parts } = event as root.StoredEvent;
  const text = root.formatEvent(parts as root.Event, { maxDataBytes: 2 ** 27 });
  deepStrictEqual(root.parseEvent(text, { maxDataBytes: 2 ** 27 }), parts);
}

/** Every event is the one that the log has at its seq. */
function isOfLog({ stored }: World, answer: unknown): void {
  for (const event of answer as root.StoredEvent[]) deepStrictEqual(event, stored[event.seq - 1]);
}

/** As a peer gets them: with the proofs that the log holds. */
function isProvenOfLog({ stored, proofs }: World, answer: unknown): void {
  for (const event of answer as root.StoredEvent[]) {
    deepStrictEqual(event, { ...stored[event.seq - 1], proof: proofs[event.seq - 1] });
  }
}

const inTransaction = (world: World, fn: any, args: unknown[]) =>
  world.write((tx) => fn(...args.map((arg) => (arg === TX ? tx : arg))));

/** At most three steps; one that waits is left after a while. */
async function firstSteps(fn: any, args: unknown[]): Promise<unknown[]> {
  const seen: unknown[] = [];
  const steps = fn(...args);
  for (let i = 0; i < 3; i++) {
    const step = await Promise.race([steps.next(), new Promise((resolve) => setTimeout(resolve, 15))]);
    if (!step || step.done) break;
    seen.push(...step.value);
  }
  return seen;
}

const peerOf = ({ db }: World) => {
  const peer = federation.databasePeer(db);
  return {
    frontier: () => peer.frontier(),
    hashAt: (id: any, counter: any) => peer.hashAt(id, counter),
    missing: (known: any, limit: any) => peer.missing(known, limit),
  };
};

// Not one that adds to the state, which may be anything.
const reducer = { create: () => 1, update: () => 2 };

const vclockOf = (n: number) => ({ [BETA]: n });

const constant = Symbol("constant");
const errors = Symbol("an error class");

const recipes: Record<string, Recipe | typeof constant | typeof errors> = {
  // the root
  append: {
    writes: true,
    args: (_, random) => {
      const one = () => newEvent(random);
      return [TX, random() < 0.5 ? one() : [one(), one(), one()], { maxDataBytes: 10_000 }];
    },
    call: inTransaction,
    check: (_, answer) => [answer].flat().forEach(roundTrips),
  },
  appendQuery: {
    writes: true,
    args: ({ db }, random) => [db, random() < 0.5 ? newEvent(random) : [newEvent(random)], {}],
    call: async (_, fn, args) => (await fn(...args)).map(({ id }: root.Event) => id),
    check: (_, answer) => expect(answer.every(root.isULID)).toBe(true),
    allows: isConstraint,
  },
  clock: { args: ({ db }) => [db, {}], check: (_, answer) => expect(answer).toEqual(expect.any(Object)) },
  openCortex: {
    writes: true,
    args: () => [
      {
        ...{ id: GAMMA, origin: "gamma", maxDrift: 1000, maxDataBytes: 1000, lifecycle: false },
        ...{ now: () => Date.now(), randomness: () => 0.5, table: root.events },
        schemas: {
          create: { "~standard": { version: 1, vendor: "x", validate: (value: any) => ({ value }) } },
        },
      },
    ],
    call: (world, fn, args) => {
      const opened = fn(...args);
      const mutation = { action: "create", traceId: "trace", data: { a: 1 } };
      return world.write((tx) => opened.append(tx, mutation));
    },
    check: (_, answer) => roundTrips(answer),
  },
  "a cortex's batch": {
    writes: true,
    args: ({ db }, random) => {
      const one = () => ({
        action: "update",
        traceId: "trace",
        data: { n: 1 },
        idempotencyKey: `key-${random()}`,
      });
      return [db, random() < 0.5 ? one() : [one(), one()], [], { deadline: 1000, signal: openSignal() }];
    },
    call: (_world, _fn, args) => {
      const { batch } = root.openCortex({ id: GAMMA, origin: "gamma" });
      return (batch as any)(...args);
    },
    check: (_, answer) => [answer.event ?? answer.events].flat().forEach(roundTrips),
  },
  "a cortex's append": {
    writes: true,
    args: (_, random) => {
      const one = () => ({
        ...{ action: "update", traceId: `trace-${Math.floor(random() * 5)}`, actor: "someone" },
        ...{ data: { list: [1, { two: 2 }] }, meta: { request: "r" }, idempotencyKey: `key-${random()}` },
        ...(random() < 0.2 && { expect: "none" }),
      });
      return [TX, random() < 0.5 ? one() : [one(), one()]];
    },
    call: (world, _, args) => {
      const lifecycle = args.length % 2 === 0;
      return inTransaction(world, root.openCortex({ id: GAMMA, origin: "gamma", lifecycle }).append, args);
    },
    check: (_, answer) => [answer].flat().forEach(roundTrips),
  },
  drifted: { args: ({ db }) => [db, { now: () => 0, maxDrift: 1, limit: 5 }], check: isOfLog },
  feed: {
    args: ({ db, stored }, random) => {
      const after = random() < 0.5 ? 3 : { seq: 3, id: stored[2]!.id };
      const filters = { actions: ["create"], traceId: "trace-1", cortexId: BETA, actor: "someone" };
      return [db, { after, limit: 10, ...(random() < 0.5 && filters), table: root.events }];
    },
    check: isOfLog,
  },
  pages: {
    args: ({ db, stored }) => [db, { after: { seq: 1, id: stored[0]!.id }, limit: 7, actions: ["create"] }],
    call: (_, fn, args) => firstSteps(fn, args),
    check: isOfLog,
  },
  tail: {
    args: ({ db }) => [db, { after: 2, limit: 7, interval: 1000, signal: openSignal(), actor: "someone" }],
    call: (_, fn, args) => firstSteps(fn, args),
    check: isOfLog,
  },
  consume: {
    writes: true,
    keepsPromises: true,
    args: ({ db }, random) => [
      db,
      `consumer ${random()}`,
      () => controller.abort(),
      {
        ...{ signal: openSignal(), interval: 1000, limit: 7, from: 2, actor: "someone" },
        ...{
          retries: 1,
          backoff: () => 0,
          onError: () => "skip",
          upcasters: { create: (data: any) => data },
        },
      },
    ],
    call: (_, fn, args) => Promise.race([fn(...args), new Promise((resolve) => setTimeout(resolve, 15))]),
    check: (_, answer) => expect(answer).toBeUndefined(),
    allows: (error) => error === controller.signal.reason,
  },
  lag: {
    args: ({ db }, random) => (random() < 0.5 ? [db, "consumer", {}] : [db, undefined, {}]),
    check: (_, answer) => expect([undefined, []]).toContainEqual(answer),
  },
  resetConsumer: {
    writes: true,
    args: ({ db }) => [db, "consumer", { to: 3 }],
    check: (_, answer) => expect(answer).toBeUndefined(),
  },
  ConsumerError: errors,
  consumerErrorCodes: constant,
  consumers: constant,
  createConsumersTable: { args: () => ["audit"] },
  fold: {
    keepsPromises: true,
    args: ({ stored }) => [
      stored.slice(0, 5),
      reducer,
      0,
      { upcasters: { create: (data: unknown) => data } },
    ],
  },
  stateAt: {
    keepsPromises: true,
    args: ({ db, stored }, random) => {
      const places = [{ id: stored[9]!.id }, { seq: 9 }, { timestamp: "2030-01-01T00:00:00Z" }];
      const asOf = places[Math.floor(random() * 3)];
      return [db, "trace-1", asOf, reducer, 0, { upcasters: { create: (data: unknown) => data } }];
    },
    // A promise adopts a state that has a then, and ends as that does.
    call: (_, fn, args) => fn(...args.map((arg, i) => (i === 4 ? [arg] : i === 3 ? boxed(arg) : arg))),
  },
  divergences: {
    args: ({ db }) => [db, { after: "", limit: 2, table: root.events }],
    check: (world, answer) => {
      for (const { heads } of answer) isOfLog(world, heads);
    },
  },
  heads: { args: ({ db }) => [db, "trace-1", { table: root.events }], check: isOfLog },
  formatEvent: {
    args: (_, random) => [newEvent(random, { vclock: vclockOf(1) }), { maxDataBytes: 1000 }],
    check: (_, answer) => roundTrips(root.parseEvent(answer)),
  },
  parseEvent: {
    args: (_, random) => [
      root.formatEvent(newEvent(random) as root.Event),
      { maxDataBytes: 1000, unknownFields: "refuse" },
    ],
    check: (_, answer) => roundTrips(answer),
  },
  forTrace: {
    args: ({ db, stored }, random) => {
      const place = { after: stored[0]!.id, before: stored[20]!.id, order: "desc", limit: 3 };
      return [db, "trace-1", random() < 0.7 ? place : {}];
    },
    check: isOfLog,
  },
  getEvent: {
    args: ({ db, stored }) => [db, stored[3]!.id, { table: root.events }],
    check: (world, answer) => isOfLog(world, answer ? [answer] : []),
  },
  latest: { args: ({ db }) => [db, { limit: 4, before: 9 }], check: isOfLog },
  since: { args: ({ db, stored }) => [db, stored[3]!.id, 5, { table: root.events }], check: isOfLog },
  createEventsTable: { args: () => ["audit"] },
  isULID: { args: () => [ALPHA], check: (_, answer) => expect(answer).toEqual(expect.any(Boolean)) },
  newULID: { args: () => [], check: (_, answer) => expect(root.isULID(answer)).toBe(true) },
  ulidFactory: {
    args: () => [{ now: () => 1, randomness: () => 0.5 }],
    call: (_, fn, args) => {
      const make = fn(...args);
      return [make(), make()];
    },
    check: (_, [a, b]) => expect(root.isULID(a) && root.isULID(b) && a < b).toBe(true),
  },
  ulidTime: { args: () => [ALPHA], check: (_, answer) => expect(Number.isSafeInteger(answer)).toBe(true) },
  compareClocks: {
    args: () => [vclockOf(1), { [ALPHA]: 2 }],
    check: (_, answer) => expect(["before", "after", "equal", "concurrent"]).toContain(answer),
  },
  incrementClock: { args: () => [vclockOf(1), BETA], check: (_, answer) => isClock(answer) },
  mergeClocks: { args: () => [vclockOf(1), { [ALPHA]: 2 }], check: (_, answer) => isClock(answer) },
  events: constant,
  ConflictError: errors,
  CursorError: errors,
  InputError: errors,
  MigrationError: errors,
  TraceError: errors,
  conflictErrorCodes: constant,
  cursorErrorCodes: constant,
  inputErrorCodes: constant,
  migrationErrorCodes: constant,
  traceErrorCodes: constant,

  // drizzle-event-log/federation
  accept: {
    writes: true,
    args: (world, random) => {
      const next = (n: number) =>
        newEvent(random, { cortexId: GAMMA, vclock: { [GAMMA]: world.accepted + n } });
      const page = [1, 2, 3].map(next);
      return [TX, page, { now: () => Date.now(), maxDrift: 1000, maxDataBytes: 1000 }];
    },
    call: inTransaction,
    check: (world, answer) => {
      for (const { event } of answer) {
        roundTrips(event);
        world.accepted = Math.max(world.accepted, event.vclock[GAMMA] ?? 0);
      }
    },
  },
  acceptBatch: {
    writes: true,
    args: ({ db }, random) => {
      const next = (n: number) => newEvent(random, { cortexId: newCortex, vclock: { [newCortex]: n } });
      const newCortex = root.newULID();
      return [db, [1, 2, 3].map(next), { now: () => Date.now(), deadline: 1000, signal: openSignal() }];
    },
    check: (_, answer) => {
      for (const { event } of answer) roundTrips(event);
    },
  },
  databasePeer: {
    args: ({ db }) => [db, { table: root.events }],
    call: async (_, fn, args) => {
      const peer = fn(...args);
      return [await peer.frontier(), await peer.missing({}, 3)];
    },
    check: (world, [, page]) => isProvenOfLog(world, page),
  },
  "a database peer's missing": {
    args: () => [{ [ALPHA]: 1 }, 3, openSignal()],
    call: (world, _, args) => (federation.databasePeer(world.db).missing as any)(...args),
    check: isProvenOfLog,
  },
  httpPeer: {
    args: (world) => [
      "https://peer.example/log",
      {
        fetch: fetchOf(world),
        ...{ headers: { authorization: SECRET }, cortexId: ALPHA, maxBytes: 100_000 },
      },
    ],
    call: async (_, fn, args) => {
      const peer = fn(...args);
      await peer.frontier();
      return peer.missing({}, 3);
    },
    check: (_, answer) => answer.map((line: string) => root.parseEvent(line)).forEach(roundTrips),
  },
  "an http peer's missing": {
    args: () => [{ [ALPHA]: 1 }, 3, openSignal()],
    call: (world, _, args) => {
      const peer = federation.httpPeer("https://peer.example", { fetch: fetchOf(world) });
      return (peer.missing as any)(...args);
    },
    check: (_, answer) => answer.map((line: string) => root.parseEvent(line)).forEach(roundTrips),
  },
  missing: {
    args: ({ db }) => [db, { [ALPHA]: 1 }, { limit: 3, table: root.events }],
    check: isProvenOfLog,
  },
  pull: {
    writes: true,
    args: (world) => [
      world.db,
      peerOf(worlds[0]!),
      {
        ...{ signal: openSignal(), limit: 10, onProgress: () => {}, maxDataBytes: 1000, table: root.events },
        transaction: (write: any) => world.write(write),
      },
    ],
    check: (_, answer) =>
      expect(answer).toMatchObject({ stored: expect.any(Number), refused: expect.any(Array) }),
  },
  frontier: {
    args: ({ db }) => [db, { table: root.events }],
    check: (_, answer) => {
      for (const { counter, hash } of Object.values<any>(answer)) {
        expect(counter).toBeGreaterThan(0);
        expect(hash).toMatch(/^[0-9a-f]{64}$/);
      }
    },
  },
  hashAt: {
    args: ({ db }) => [db, ALPHA, 3, { table: root.events }],
    check: (_, answer) => expect(answer ?? "0".repeat(64)).toMatch(/^[0-9a-f]{64}$/),
  },
  salvage: {
    writes: true,
    args: (world) => [
      worlds[0]!.db,
      world.db,
      root.openCortex({ id: root.newULID(), origin: "salvage" }),
      {
        ...{ signal: openSignal(), limit: 10, table: root.events, oldTable: root.events },
        transaction: (write: any) => world.write(write),
      },
    ],
    check: (_, answer) =>
      expect(answer).toEqual({
        ...{ salvaged: expect.any(Number), copied: expect.any(Number), present: expect.any(Number) },
      }),
  },
  serveLog: {
    args: ({ db }) => [db, { cortexId: ALPHA, authorize: () => true, table: root.events }],
    call: async (_, fn, args) => {
      const handler = fn(...args);
      return (await handler(new Request("https://node.example/log/frontier"))).status;
    },
    check: (_, status) => expect([200, 403]).toContain(status),
  },
  "a served log's answer": {
    args: () => ["missing", JSON.stringify({ clock: { [ALPHA]: 1 }, limit: 3 })],
    call: async (world, _, [path, body]) => {
      const init = { method: "POST", body: textOf(body) };
      return (await served(world)(new Request(new URL(textOf(path), "https://node.example/"), init))).status;
    },
    check: (_, status) => expect([200, 400, 404, 413]).toContain(status),
  },
  PeerError: errors,
  peerErrorCodes: constant,

  // drizzle-event-log/libsql: not before its new implementation is here (FUZZ_LIBSQL=1 runs them)
  openLibsql: {
    args: () => [{ url: ":memory:" }, {}],
    call: async (_, fn, args) => (await fn(...args.map(sparing))).$client.close(),
    allows: () => true,
  },
  writeTransaction: {
    args: () => [libsqlWorld().db, async () => 1, { deadline: 100, signal: openSignal() }],
    allows: () => true,
  },
  writeTogether: { args: () => [libsqlWorld().db, async () => 1], allows: () => true },
  DeadlineError: errors,
  deadlineErrorCodes: constant,
  LibsqlFileError: errors,
  libsqlFileErrorCodes: constant,

  // drizzle-event-log/tracked
  track: {
    writes: true,
    keepsPromises: true,
    args: () => [
      notes,
      {
        ...{ traceId: (row: any) => `note:${row.id}`, omit: ["secret"], softDelete: "deletedAt" },
        ...{ actions: { create: "NoteAdded" }, table: root.events },
      },
    ],
    call: async (world, fn, args) => {
      const tracking = fn(...args);
      const id = root.newULID();
      await world.write((tx) => tracking.insert(tx, gamma, { id, title: "Milk" }));
      return world.write((tx) => tracking.update(tx, gamma, { title: "Oats" }, eq(notes.id, id)));
    },
    check: (_, answer) => answer.forEach(roundTrips),
  },
  "a tracked table's insert": {
    writes: true,
    args: (_, random) => {
      const one = () => ({ id: root.newULID(), title: "Milk", at: new Date(0), secret: "s" });
      const about = {
        actor: "someone",
        meta: { request: "r" },
        idempotencyKey: `key-${random()}`,
        expect: "none",
      };
      return [TX, random() < 0.5 ? one() : [one(), one()], about];
    },
    call: (world, _, args) => inTransaction(world, tracking.insert, args.map(sparing)),
    check: (_, answer) => [answer].flat().forEach(roundTrips),
    allows: ofDriver,
  },
  "a tracked table's update": {
    writes: true,
    args: (_, random) => [TX, { title: `${random()}` }, sql`true`, { actor: "someone" }],
    call: async (world, _, args) => {
      await world.write((tx) => trackedNotes.insert(tx, gamma, { id: root.newULID(), title: "Milk" }));
      const answer = await inTransaction(world, tracking.update, args.map(sparing));
      await world.write((tx) => trackedNotes.delete(tx, gamma, sql`true`));
      return answer;
    },
    check: (_, answer) => answer.forEach(roundTrips),
    allows: ofDriver,
  },
  "a tracked table's delete": {
    writes: true,
    args: () => [TX, eq(notes.id, "n"), { meta: { request: "r" } }],
    call: (world, _, args) => inTransaction(world, tracking.delete, args),
    check: (_, answer) => answer.forEach(roundTrips),
    allows: ofDriver,
  },
  "a tracked table's restore": {
    writes: true,
    args: ({ stored }) => [TX, stored[0], { values: { secret: "s" }, actor: "someone" }],
    call: (world, _, args) => inTransaction(world, tracking.restore, args),
    check: (_, answer) => answer.forEach(roundTrips),
    allows: ofDriver,
  },
  changes: {
    args: () => [{ a: 1, at: new Date(0) }, { a: [{ b: 2n }], at: new Date(1) }, { maxDataBytes: 10_000 }],
    check: (_, answer) => roundTrips({ ...newEvent(() => 0.5), data: answer }),
  },
  rowData: {
    args: () => [
      notes,
      {
        id: "n",
        title: "Milk",
        json: { a: [1] },
        at: new Date(0),
        bytes: new Uint8Array(3),
        big: 1n,
        secret: SECRET,
      },
      { omit: ["secret"], maxDataBytes: 10_000 },
    ],
    check: (_, answer) => roundTrips({ ...newEvent(() => 0.5), data: answer }),
  },
  TrackError: errors,
  trackErrorCodes: constant,

  // drizzle-event-log/migrations
  migrateEvents: { args: ({ db }) => [db, {}], check: (_, answer) => expect(answer).toBeUndefined() },
  checkLog: {
    args: ({ db }) => [db, {}],
    check: (_, answer) => expect(answer).toEqual({ ok: true, problems: [] }),
  },
  migrationStatements: {
    args: () => [{}],
    check: (_, answer) => answer.every((text: string) => expect(text).toContain("CREATE ")),
  },
  migrationsTable: constant,
};

const notes = sqliteTable("notes", {
  id: text("id").primaryKey(),
  title: text("title"),
  json: text("json", { mode: "json" }),
  at: integer("at", { mode: "timestamp_ms" }),
  bytes: blob("bytes", { mode: "buffer" }),
  big: blob("big", { mode: "bigint" }),
  secret: text("secret"),
  deletedAt: integer("deleted_at"),
});
const NOTES =
  "create table notes (id text primary key, title text, json text, at, bytes, big, secret, deleted_at)";
const gamma = root.openCortex({ id: GAMMA, origin: "gamma" });
const trackedNotes: any = tracked.track(notes, { traceId: ({ id }) => id, omit: ["secret"] });

/** The methods with a cortex: it is the package's own, and nothing that a caller gets from elsewhere. */
const tracking = Object.fromEntries(
  ["insert", "update", "delete", "restore"].map((name) => [
    name,
    (tx: any, ...rest: unknown[]) => trackedNotes[name](tx, gamma, ...rest),
  ]),
);

/** Drizzle and the driver say themselves what no column takes, and which condition is none. */
function ofDriver(error: unknown): boolean {
  return error instanceof Error;
}

const exported = new Map<string, unknown>();
for (const door of Object.values(doors)) {
  for (const [name, value] of Object.entries(door)) exported.set(name, value);
}

function isTyped(error: any): boolean {
  const isOurs = Object.keys(errorCodes).some((name) => error instanceof (exported.get(name) as any));
  return isOurs && errorCodes[error.name]!.includes(error.code) && !error.message.includes(SECRET);
}

function isConstraint(error: any): boolean {
  return [error, error?.cause].some((e) => String(e?.code).startsWith("SQLITE_CONSTRAINT"));
}

function isClock(answer: object): void {
  expect(Object.values(answer).every((counter) => Number.isSafeInteger(counter) && counter >= 0)).toBe(true);
}

/** The same reducer, with what its functions answer in a list. */
function boxed(reducer: unknown): unknown {
  if (types.isProxy(reducer) || !isPlain(reducer)) return reducer;
  const box = ({ value, ...rest }: PropertyDescriptor): PropertyDescriptor =>
    typeof value === "function"
      ? { ...rest, value: (...args: unknown[]) => [value(...args)] }
      : { ...rest, value };
  const descriptors = Object.entries(Object.getOwnPropertyDescriptors(reducer));
  const boxes = descriptors.map(([key, one]) => [key, "value" in one ? box(one) : one]);
  return Object.defineProperties({}, Object.fromEntries(boxes));
}

const textOf = (value: unknown) => (typeof value === "string" ? value.slice(0, 100_000) : "");

const served = ({ db }: World) => federation.serveLog(db, { cortexId: ALPHA, authorize: () => true });

/** Answers as the log would, were it served at that URL. */
const fetchOf =
  (world: World): any =>
  (url: string, { method, body }: RequestInit) => {
    const name = url.split("/").at(-1)!;
    return served(world)(
      new Request(new URL(name, "https://peer.example"), { method: method!, body: body! }),
    );
  };

const worlds: World[] = [];
const libsqlWorld = () => worlds[0]!;
const rejections: unknown[] = [];
const note = (reason: unknown) => void rejections.push(reason);

beforeAll(async () => {
  worlds.push(await newWorld("libsql"), await newWorld("better-sqlite3"));
  process.on("unhandledRejection", note);
  // No call asks the network.
  vi.stubGlobal("fetch", async () => {
    throw new CallbackFault("no network");
  });
});

afterAll(() => {
  process.off("unhandledRejection", note);
  vi.unstubAllGlobals();
});

async function newWorld(name: string): Promise<World> {
  const { db } = name === "libsql" ? await openLibsql() : openSqlite();
  const write = (run: (tx: any) => any) => (db as any).transaction(run);
  await db.run(NOTES);
  const batch = Array.from({ length: 30 }, (_, i): root.NewEvent => {
    const cortexId = i % 2 ? ALPHA : BETA;
    const vclock = { [cortexId]: Math.floor(i / 2) + 1 };
    const fields = { action: i < 10 ? "create" : "update", actor: "someone", data: { i } } as const;
    return { ...fields, traceId: `trace-${i % 5}`, cortexId, origin: "o", idempotencyKey: `k${i}`, vclock };
  });
  const stored = await write((tx) => root.append(tx, batch));
  const rows = await (db as any)
    .select({ proof: root.events.proof })
    .from(root.events)
    .orderBy(root.events.seq);
  return { name, db, write, stored, proofs: rows.map(({ proof }: any) => proof), accepted: 0 };
}

/** The whole log by pages, as its end would be found: complete, in order, and each event valid. */
async function verify({ db }: World, answers: readonly unknown[]): Promise<void> {
  const all = new Map<string, root.StoredEvent>();
  let seq = 0;
  for await (const page of root.pages(db, { limit: 97 })) {
    for (const event of page) {
      expect(event.seq).toBeGreaterThan(seq);
      seq = event.seq;
      roundTrips(event);
      all.set(event.id, event);
    }
  }
  for (const answer of answers.flat() as any[]) {
    const event = answer?.event ?? answer;
    if (root.isULID(event?.id)) deepStrictEqual(event, all.get(event.id));
  }
}

interface Outcome {
  answer?: unknown;
  error?: unknown;
  took: number;
}

async function outcomeOf(run: () => unknown): Promise<Outcome> {
  const start = process.cpuUsage();
  const took = () => process.cpuUsage(start).user / 1000;
  try {
    const pending = run();
    // Not awaited unless it is a promise: an answer may have a then of its own.
    const answer = types.isPromise(pending) ? await within(pending) : pending;
    return { answer, took: took() };
  } catch (error) {
    return { error, took: took() };
  }
}

const HANGS = new Error("does not come to an end");

function within(pending: Promise<unknown>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(HANGS), 5000);
    pending.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function argsOf(recipe: Recipe, world: World, seed: number): unknown[] {
  const random = seeded(seed);
  const args = recipe.args(world, random);
  if (random() < 0.1) return args;
  if (random() < 0.2) {
    const length = Math.floor(random() * (args.length + 2));
    return Array.from({ length }, (_, i) => (args[i] === TX && random() < 0.7 ? TX : garbage(random)));
  }
  const at = Math.floor(random() * args.length);
  return args.map((arg, i) => (i === at ? nearly(random, arg) : arg));
}

test("every export has a recipe", () => {
  const names = Object.keys(recipes).filter((name) => !name.includes(" "));
  expect(names.sort()).toEqual([...exported.keys()].sort());
});

for (const [name, recipe] of Object.entries(recipes)) {
  if (recipe === constant) {
    test(`${name} is a list of distinct codes, a text or a table`, () => {
      const value = exported.get(name);
      if (Array.isArray(value)) expect(new Set(value).size).toBe(value.length);
      else
        expect(typeof value === "string" || [root.events, root.consumers].includes(value as never)).toBe(
          true,
        );
    });
  } else if (recipe === errors) {
    test(`${name} is an error of its name`, () => {
      const { prototype } = exported.get(name) as { prototype: unknown };
      expect(prototype).toBeInstanceOf(Error);
      expect(errorCodes[name]?.length).toBeGreaterThan(0);
    });
  } else {
    test.skipIf(name in libsql && !process.env.FUZZ_LIBSQL).each(["libsql", "better-sqlite3"])(
      `${name} answers exactly or throws a typed error, whatever it is given (%s)`,
      async (driver) => {
        const world = recipe.writes ? await newWorld(driver) : worlds.find((one) => one.name === driver)!;
        expect(await fuzz(name, recipe, world)).toEqual([]);
      },
    );
  }
}

async function fuzz(name: string, recipe: Recipe, world: World): Promise<string[]> {
  const fn = exported.get(name);
  const call = recipe.call ?? ((_, run, args) => run(...args));
  const began = performance.now();
  const faults: string[] = [];
  const answers: unknown[] = [];
  const counts = { answered: 0, typed: 0, own: 0, others: new Map<string, number>() };
  for (let i = 0; i < CALLS; i++) {
    const seed = SEED * 1_000_003 + 2 * i + (world.name === "libsql" ? 0 : 1);
    const run = () => outcomeOf(() => call(world, fn, argsOf(recipe, world, seed)));
    const outcome = await run();
    const { answer, error } = outcome;
    let { took } = outcome;
    for (let again = 0; again < 2 && took > LONGEST; again++) took = (await run()).took;
    if (took > LONGEST) faults.push(`seed ${seed}: ${Math.round(took)} ms`);
    if ("answer" in outcome) {
      counts.answered++;
      answers.push(answer);
      const wrong = await outcomeOf(() => recipe.check?.(world, answer, []));
      if (wrong.error) faults.push(`seed ${seed}: inexact: ${wrong.error}`);
    } else if (error instanceof CallbackFault) counts.own++;
    else if (isTyped(error)) counts.typed++;
    else if (recipe.allows?.(error)) {
      const told = describe(error);
      counts.others.set(told, (counts.others.get(told) ?? 0) + 1);
    } else faults.push(`seed ${seed}: ${describe(error)}`);
    controller.abort(new CallbackFault("the call was left"));
    controller = new AbortController();
    await nextTurn();
    const unhandled = rejections.splice(0);
    for (const reason of recipe.keepsPromises
      ? unhandled.filter((one) => !(one instanceof CallbackFault))
      : unhandled)
      faults.push(`seed ${seed}: unhandled: ${describe(reason)}`);
  }
  await verify(world, recipe.writes ? answers : []);
  if (process.env.FUZZ_REPORT)
    console.log(
      name,
      world.name,
      JSON.stringify({ ...counts, others: [...counts.others] }),
      faults.length,
      Math.round(performance.now() - began),
      faults.slice(0, 4),
    );
  return faults;
}

function describe(error: unknown): string {
  try {
    return String((error as Error)?.stack ?? error).slice(0, 600);
  } catch {
    return "something that cannot be told";
  }
}
