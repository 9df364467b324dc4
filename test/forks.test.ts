// Two histories of one cortex: after a backup was restored, or a machine cloned. Whoever meets both is told.
import SQLite from "better-sqlite3";
import {
  type Action,
  append,
  clock,
  createEventsTable,
  events,
  feed,
  frontier,
  type Mutation,
  newULID,
  openCortex,
  type StoredEvent,
} from "drizzle-event-log";
import {
  accept,
  databasePeer,
  httpPeer,
  missing,
  type Peer,
  pull,
  salvage,
  serveLog,
} from "drizzle-event-log/federation";
import { migrateEvents } from "drizzle-event-log/migrations";
import { drizzle } from "drizzle-orm/better-sqlite3";
import { describe, expect, test } from "vitest";
import { errorOf, event, ids, openSqlite } from "./fixture.js";

const cortexId = (i: number) => `01BX5ZZKBKACTAV9WEVGEMMV${String(i).padStart(2, "0")}`;
const [A, B, C] = [1, 2, 3].map(cortexId) as [string, string, string];

/** A log and its cortex: a new one, or as it was in a backup. */
function openNode(id: string, backup?: Buffer) {
  const client = backup ? new SQLite(backup) : openSqlite().client;
  const db = drizzle({ client });
  const cortex = openCortex<Action>({ id, origin: id.slice(-2) });
  const write = (...texts: string[]) =>
    db.transaction((tx) =>
      cortex.append(
        tx,
        texts.map((text): Mutation => ({ action: "update", traceId: `trace ${text}`, data: { text } })),
      ),
    );
  return { id, db, write, backup: () => client.serialize() };
}

type Node = ReturnType<typeof openNode>;

const everything = ({ db }: Node) => feed(db, { limit: 100_000 });
const texts = (node: Node) => everything(node).map(({ data }) => (data as { text: string }).text);
const overHttp = ({ id, db }: Node): Peer => {
  const answer = serveLog(db, { cortexId: id, authorize: () => true });
  const fetch = async (input: any, init: any) => answer(new Request(input, init));
  return httpPeer("http://peer.test/log", { fetch: fetch as typeof globalThis.fetch });
};

const peers: [name: string, peerOf: (node: Node) => Peer][] = [
  ["databasePeer", ({ db }) => databasePeer(db)],
  ["httpPeer and serveLog", overHttp],
];

/** The refusals of a pull, as far as they are the same in each. */
const refusals = async (node: Node, from: Peer, options = {}) =>
  (await pull(node.db, from, options)).refused.map(({ cortexId, error }) => ({
    ...{ cortexId, code: error.code },
    ...("agreed" in error && error.agreed !== undefined && { agreed: error.agreed }),
  }));

/** A, whose first events B has; then `more` is written, and A is set back and goes another way. */
async function restored(before: number, more: number, other: number, peerOf = peers[0]![1]) {
  const original = openNode(A);
  for (let i = 1; i <= before; i++) original.write(`a${i}`);
  const backup = original.backup();
  for (let i = 1; i <= more; i++) original.write(`lost ${i}`);
  const b = openNode(B);
  await pull(b.db, peerOf(original));
  const a = openNode(A, backup);
  for (let i = 1; i <= other; i++) a.write(`other ${i}`);
  return { a, b };
}

describe.each(peers)("a fork, by %s", (_, peerOf) => {
  test.each([
    ["the restored log is shorter", 4, 5, 2],
    ["the restored log is longer", 4, 2, 5],
    ["their clocks are equal", 4, 3, 3],
    ["by a single event", 1, 1, 1],
    ["from the very first event", 0, 2, 3],
    ["after many events", 100, 30, 7],
  ])(
    "%s: is told by each pull of either side, with the last common counter",
    async (_, agreed, more, other) => {
      const { a, b } = await restored(agreed, more, other, peerOf);
      for (let round = 0; round < 2; round++) {
        for (const limit of [1, 1000]) {
          expect(await refusals(a, peerOf(b), { limit })).toEqual([{ cortexId: A, code: "FORK", agreed }]);
          expect(await refusals(b, peerOf(a), { limit })).toEqual([{ cortexId: A, code: "FORK", agreed }]);
        }
      }
      expect(clock(a.db)).toEqual({ [A]: agreed + other });
      expect(clock(b.db)).toEqual({ [A]: agreed + more });
    },
  );

  test("a log that was set back and pulls before it writes has not forked", async () => {
    const { a, b } = await restored(3, 4, 0, peerOf);
    expect(await pull(a.db, peerOf(b))).toEqual({ stored: 4, duplicates: 0, refused: [], total: 4 });
    a.write("next");
    expect(await pull(b.db, peerOf(a))).toMatchObject({ stored: 1, refused: [] });
  });

  test("nothing that counts it beyond comes from that peer, whoever wrote it; all else comes", async () => {
    const { a, b } = await restored(2, 3, 3, peerOf);
    const c = openNode(C);
    c.write("of C alone");
    await pull(b.db, peerOf(c));
    // B's own history: it begins with what A has not seen so.
    b.write("of B, after A's other history");
    const report = await pull(a.db, peerOf(b));
    expect(report).toMatchObject({ stored: 1, total: 2 });
    expect(report.refused.map(({ cortexId, error }) => [cortexId, error.code])).toEqual([
      [A, "FORK"],
      [B, "GAP"],
    ]);
    expect(texts(a)).toEqual(["a1", "a2", "other 1", "other 2", "other 3", "of C alone"]);
    // Without the comparison it would have come: A has counted as far itself.
    expect(clock(a.db)[A]).toBe(5);
  });

  test("a third log that took the one history is told of the other when it meets it", async () => {
    const { a, b } = await restored(2, 3, 3, peerOf);
    const c = openNode(C);
    await pull(c.db, peerOf(a));
    const error = (await pull(c.db, peerOf(b))).refused[0]!.error;
    expect(error).toMatchObject({ name: "ConflictError", code: "FORK", cortexId: A, agreed: 2 });
    expect(error.message).toContain("after its event 2");
  });

  test("of several forks each is told, with its own place", async () => {
    const [one, two] = [openNode(A), openNode(B)];
    one.write("a1", "a2");
    two.write("b1");
    await pull(one.db, peerOf(two));
    await pull(two.db, peerOf(one));
    const [backupOne, backupTwo] = [one.backup(), two.backup()];
    one.write("a3");
    two.write("b2", "b3");
    const third = openNode(C);
    await pull(third.db, peerOf(one));
    await pull(third.db, peerOf(two));
    const [again, too] = [openNode(A, backupOne), openNode(B, backupTwo)];
    again.write("a3 again");
    too.write("b2 again");
    await pull(again.db, peerOf(too));
    expect(
      (await refusals(third, peerOf(again))).sort((x, y) => (x.cortexId! < y.cortexId! ? -1 : 1)),
    ).toEqual([
      { cortexId: A, code: "FORK", agreed: 2 },
      { cortexId: B, code: "FORK", agreed: 1 },
    ]);
  });
});

describe("never a false fork", () => {
  test("while both logs and the peer's answers move on", async () => {
    const [a, b] = [openNode(A), openNode(B)];
    a.write("a1", "a2", "a3");
    await pull(b.db, databasePeer(a.db));
    b.write("b1");
    const peer = databasePeer(a.db);
    let step = 0;
    const moving: Peer = {
      async frontier() {
        const now = await peer.frontier();
        a.write(`while asked ${step++}`);
        await pull(b.db, peer);
        return now;
      },
      async hashAt(...args) {
        a.write(`while asked ${step++}`);
        return peer.hashAt(...args);
      },
      async missing(...args) {
        const page = await peer.missing(...args);
        if (step < 20) {
          a.write(`while asked ${step++}`);
          await pull(a.db, databasePeer(b.db));
          await pull(b.db, peer);
        }
        return page;
      },
    };
    for (let i = 0; i < 5; i++) expect(await refusals(b, moving, { limit: 2 })).toEqual([]);
    await pull(b.db, peer);
    expect(clock(b.db)[A]).toBe(clock(a.db)[A]);
  });

  test("of a peer that has no hash where it claims to have one: that is told, and the others go on", async () => {
    const { a, b } = await restored(2, 3, 0);
    const c = openNode(C);
    c.write("c1");
    await pull(b.db, databasePeer(c.db));
    const peer = databasePeer(b.db);
    for (const nothing of [undefined, null]) {
      const report = await pull(a.db, { ...peer, hashAt: () => nothing });
      expect(report.refused.map(({ cortexId, error }) => [cortexId, error.code])).toEqual([
        [A, "INVALID_PEER"],
      ]);
    }
    expect(clock(a.db)).toEqual({ [A]: 2, [C]: 1 });
  });

  test.each([7, "", "0".repeat(63), "G".repeat(64), {}, ["0".repeat(64)]])(
    "a hash of %j is none",
    async (hash) => {
      const { a, b } = await restored(2, 3, 0);
      const peer = { ...databasePeer(b.db), hashAt: () => hash as string };
      expect(await errorOf(() => pull(a.db, peer))).toMatchObject({ code: "INVALID_PEER" });
      expect(clock(a.db)).toEqual({ [A]: 2 });
    },
  );

  test("in a log that has read an event twice, or a peer's page twice", async () => {
    const { a, b } = await restored(2, 3, 0);
    const page = missing(b.db, {});
    a.db.transaction((tx) => accept(tx, page));
    a.db.transaction((tx) => accept(tx, page));
    expect(await refusals(a, databasePeer(b.db))).toEqual([]);
    expect(frontier(a.db)).toEqual(frontier(b.db));
  });
});

test("a fork that comes into the log while it is pulled is told by that pull", async () => {
  const { a, b } = await restored(2, 3, 3);
  const target = openNode(C);
  const peer = databasePeer(b.db);
  const overtaken: Peer = {
    ...peer,
    async missing(...args) {
      const page = await peer.missing(...args);
      await pull(target.db, databasePeer(a.db));
      return page;
    },
  };
  expect(await refusals(target, overtaken)).toEqual([{ cortexId: A, code: "FORK", agreed: 2 }]);
  expect(texts(target)).toEqual(["a1", "a2", "other 1", "other 2", "other 3"]);
});

test("a fork that comes to the peer while it is pulled from is told, though its events are not asked for", async () => {
  const { a, b } = await restored(2, 3, 3);
  const [peer, target] = [openNode(C), openNode(cortexId(4))];
  await pull(target.db, databasePeer(a.db));
  peer.write("c1");
  const moving: Peer = {
    ...databasePeer(peer.db),
    async missing(known, limit) {
      // After it was compared it comes to the other history, and builds on it.
      await pull(peer.db, databasePeer(b.db));
      if (clock(peer.db)[C] === 1) peer.write("c2, after A's first history");
      return missing(peer.db, known, { limit });
    },
  };
  expect(await refusals(target, moving)).toEqual([
    { cortexId: A, code: "FORK", agreed: 2 },
    { cortexId: C, code: "GAP" },
  ]);
  expect(texts(target).at(-1)).toBe("c1");
});

test("a peer that serves another history than its frontier tells is told by that pull", async () => {
  const { a, b } = await restored(2, 3, 3);
  const target = openNode(C);
  const mixed: Peer = { ...databasePeer(b.db), missing: databasePeer(a.db).missing };
  expect(await refusals(target, mixed)).toEqual([{ cortexId: A, code: "FORK", agreed: 2 }]);
  expect(texts(target)).toEqual(["a1", "a2", "other 1", "other 2", "other 3"]);
  expect(await refusals(target, mixed)).toEqual([{ cortexId: A, code: "FORK", agreed: 2 }]);
});

test("a peer that was replaced after it told its frontier has not forked from who took its new history", async () => {
  const { a, b } = await restored(2, 3, 3);
  const [old, now] = [databasePeer(b.db), databasePeer(a.db)];
  let asked = 0;
  const replaced: Peer = { ...now, frontier: () => (asked++ === 0 ? old : now).frontier() };
  const target = openNode(C);
  expect(await refusals(target, replaced)).toEqual([]);
  expect(frontier(target.db)).toEqual(frontier(a.db));
});

describe("salvage", () => {
  /** The new log of a machine whose old one has forked: all that its peer has. */
  async function mended() {
    const { a: old, b } = await restored(2, 3, 3);
    old.db.transaction((tx) => append(tx, event({ cortexId: A, traceId: "local", data: { text: "local" } })));
    const fresh = openNode(newULID());
    await pull(fresh.db, databasePeer(b.db));
    const cortex = openCortex<Action>({ id: fresh.id, origin: "salvage" });
    return { old, b, fresh, cortex };
  }
  const content = ({ action, traceId, actor, data, meta }: StoredEvent) => ({
    action,
    traceId,
    actor,
    data,
    meta,
  });

  test("appends what only the old log has, by the new cortex, and copies what is local", async () => {
    const { old, b, fresh, cortex } = await mended();
    const report = await salvage(old.db, fresh.db, cortex);
    expect(report).toEqual({ salvaged: 3, copied: 1, present: 2 });
    const salvaged = everything(fresh).filter(({ cortexId }) => cortexId === fresh.id);
    const lost = everything(old).slice(2, 5);
    expect(salvaged.map(content)).toEqual(lost.map(content));
    expect(salvaged.map(({ idempotencyKey }) => idempotencyKey)).toEqual(ids(lost));
    expect(everything(fresh).filter(({ traceId }) => traceId === "local")).toEqual([
      { ...everything(old).at(-1)!, seq: 6 },
    ]);
    // And now the two logs are one again.
    expect(await refusals(b, databasePeer(fresh.db))).toEqual([]);
    expect(await refusals(fresh, databasePeer(b.db))).toEqual([]);
    expect(frontier(fresh.db)).toEqual(frontier(b.db));
  });

  test("keeps actor, meta and null data, and leaves out what is absent", async () => {
    const { old, fresh, cortex } = await mended();
    const own = openCortex<Action>({ id: A, origin: "a" });
    old.db.transaction((tx) =>
      own.append(tx, [
        { action: "archive", traceId: "t", actor: "user", meta: { why: "x" }, data: null },
        { action: "unarchive", traceId: "t" },
      ]),
    );
    await salvage(old.db, fresh.db, cortex);
    const [, , , one, other] = everything(fresh).filter(({ cortexId }) => cortexId === fresh.id);
    expect(one).toMatchObject({ action: "archive", actor: "user", meta: { why: "x" }, data: null });
    expect(content(other!)).toEqual({ action: "unarchive", traceId: "t" });
  });

  test("cut off anywhere and run again, it comes to the same", async () => {
    const { old, fresh, cortex } = await mended();
    for (let limit = 1; limit <= 6; limit++) {
      const again = openNode(fresh.id, fresh.backup());
      let pages = 0;
      const broken = new Error("power");
      const transaction = (work: any) => {
        if (pages++ === 2) throw broken;
        return again.db.transaction(work) as any;
      };
      const first = await errorOf(() => salvage(old.db, again.db, cortex, { limit, transaction }));
      expect(first).toBe(limit < 3 ? broken : undefined);
      await salvage(old.db, again.db, openCortex<Action>({ id: fresh.id, origin: "salvage" }), { limit: 2 });
      expect(await salvage(old.db, again.db, cortex)).toEqual({ salvaged: 0, copied: 0, present: 6 });
      expect(texts(again).sort()).toEqual(
        ["a1", "a2", "local", "lost 1", "lost 2", "lost 3", "other 1", "other 2", "other 3"].sort(),
      );
    }
  });

  test("by a second machine that held the same history it appends nothing twice", async () => {
    const { old, b, fresh, cortex } = await mended();
    await salvage(old.db, fresh.db, cortex);
    await pull(b.db, databasePeer(fresh.db));
    const [witness, anew] = [openNode(cortexId(8)), openNode(newULID())];
    await pull(witness.db, databasePeer(old.db));
    await pull(anew.db, databasePeer(b.db));
    expect(await salvage(witness.db, anew.db, openCortex<Action>({ id: anew.id, origin: "w" }))).toEqual({
      ...{ salvaged: 0, copied: 0, present: 5 },
    });
  });

  test("by a cortex of the old log is refused, and nothing is written", async () => {
    const { old, fresh } = await mended();
    const before = everything(fresh);
    const own = openCortex<Action>({ id: A, origin: "a" });
    expect(await errorOf(() => salvage(old.db, fresh.db, own))).toMatchObject({
      ...{ name: "InputError", code: "INVALID_CORTEX_ID", field: "cortex.id" },
    });
    expect(everything(fresh)).toEqual(before);
  });

  test("by a cortex of another log than the new one is refused, and nothing is written", async () => {
    const { old, fresh, cortex } = await mended();
    const audit = createEventsTable("audit");
    migrateEvents(fresh.db, { table: audit });
    const before = everything(fresh);
    const options = { table: audit, oldTable: events };
    expect(await errorOf(() => salvage(old.db, fresh.db, cortex, options))).toMatchObject({
      ...{ name: "InputError", code: "INVALID_TABLE", field: "cortex" },
    });
    expect(everything(fresh)).toEqual(before);
    const own = openCortex<Action>({ id: newULID(), origin: "salvage", table: audit });
    expect(await salvage(old.db, fresh.db, own, options)).toEqual({ salvaged: 5, copied: 1, present: 0 });
  });

  test.each([null, {}, { id: "x", append() {} }, { id: A }, 7])("%j is no cortex", async (cortex) => {
    const { old, fresh } = await mended();
    const error = await errorOf(() => salvage(old.db, fresh.db, cortex as never));
    expect(error).toMatchObject({ name: "InputError" });
  });

  test("of the two databases it says which is none", async () => {
    const { old, fresh, cortex } = await mended();
    const none = {} as never;
    const code = "NOT_A_DATABASE";
    expect(await errorOf(() => salvage(none, fresh.db, cortex))).toMatchObject({ code, field: "oldDb" });
    expect(await errorOf(() => salvage(old.db, none, cortex))).toMatchObject({ code, field: "newDb" });
  });

  test("a signal ends it between pages", async () => {
    const { old, fresh, cortex } = await mended();
    const stop = new AbortController();
    stop.abort();
    expect(await errorOf(() => salvage(old.db, fresh.db, cortex, { signal: stop.signal }))).toBe(
      stop.signal.reason,
    );
  });
});
