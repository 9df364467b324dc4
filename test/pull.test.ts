// What a pull does beside others, in small pages, and from peers that hold more than is wanted.
import { type Action, clock, feed, formatEvent, type Mutation, openCortex } from "drizzle-event-log";
import { databasePeer, httpPeer, type Peer, PeerError, pull, serveLog } from "drizzle-event-log/federation";
import { expect, test } from "vitest";
import { errorOf, ids, openSqlite } from "./fixture.js";

const cortexId = (i: number) => `01BX5ZZKBKACTAV9WEVGEMMV${String(i).padStart(2, "0")}`;

function openNode(i: number) {
  const { db } = openSqlite();
  const cortex = openCortex<Action>({ id: cortexId(i), origin: `node ${i}` });
  const write = (n: number, data: unknown = { by: i }) => {
    const mutation: Mutation = { action: "update", traceId: `trace-${i}`, data };
    return db.transaction((tx) =>
      cortex.append(
        tx,
        Array.from({ length: n }, () => mutation),
      ),
    );
  };
  return { db, write };
}

type Node = ReturnType<typeof openNode>;

const everything = ({ db }: Node) => feed(db, { limit: 100_000 });
const served = ({ db }: Node, options = {}) => {
  const answer = serveLog(db, { cortexId: cortexId(0), authorize: () => true });
  const fetch = async (input: any, init: any) => answer(new Request(input, init));
  return httpPeer("http://peer.test/log", { fetch: fetch as typeof globalThis.fetch, ...options });
};

test("pages that another pull has brought already are no end of it", async () => {
  const [source, target] = [openNode(1), openNode(2)];
  source.write(20);
  const peer = databasePeer(source.db);
  let isFirst = true;
  const slow: Peer = {
    ...peer,
    async missing(known, limit, signal) {
      const page = await peer.missing(known, limit, signal);
      // Another one overtakes this page, and stops there.
      const stop = new AbortController();
      const onProgress = ({ stored }: { stored: number }) => stored >= 8 && stop.abort();
      if (isFirst) {
        isFirst = false;
        await errorOf(() => pull(target.db, peer, { limit: 4, signal: stop.signal, onProgress }));
      }
      return page;
    },
  };
  expect(await pull(target.db, slow, { limit: 4 })).toEqual({
    ...{ stored: 12, duplicates: 8, refused: [], total: 20 },
  });
  expect(ids(everything(target))).toEqual(ids(everything(source)));
});

test("many pulls at once, from the same and from other peers, each end with all that its peer has", async () => {
  const sources = [openNode(1), openNode(2), openNode(3)];
  for (const source of sources) source.write(30);
  await pull(sources[1]!.db, databasePeer(sources[0]!.db));
  sources[1]!.write(30);
  const target = openNode(4);
  const from = [...sources, ...sources, sources[1]!];
  const reports = await Promise.all(
    from.map(({ db }, i) => pull(target.db, databasePeer(db), { limit: 3 + i })),
  );
  for (const [i, { stored, duplicates, refused, total }] of reports.entries()) {
    expect(refused).toEqual([]);
    expect(stored + duplicates, `pull ${i}`).toBe(total);
  }
  expect(reports.reduce((sum, { stored }) => sum + stored, 0)).toBe(120);
  expect(clock(target.db)).toEqual({ [cortexId(1)]: 30, [cortexId(2)]: 60, [cortexId(3)]: 30 });
});

test("a peer that never stops writing ends the pull with all that it had", async () => {
  const [source, target] = [openNode(1), openNode(2)];
  source.write(25);
  const peer = databasePeer(source.db);
  for (const had of [25, 29]) {
    let asked = 0;
    const busy: Peer = {
      ...peer,
      missing(known, limit, signal) {
        if (++asked > 100) throw new Error("pulled for ever");
        source.write(1);
        return peer.missing(known, limit, signal);
      },
    };
    const report = await pull(target.db, busy, { limit: 10 });
    expect(report.refused).toEqual([]);
    expect(clock(target.db)[cortexId(1)]).toBeGreaterThanOrEqual(had);
  }
});

/** The peer, with the limits of the pages that it is asked for. */
function spiedOn(peer: Peer, limits: number[]): Peer {
  const missing: Peer["missing"] = (known, limit, signal) => {
    limits.push(limit);
    return peer.missing(known, limit, signal);
  };
  return { ...peer, missing };
}

test("an answer that is too large is asked for in smaller pages, and all of it comes", async () => {
  const [source, target] = [openNode(1), openNode(2)];
  source.write(30, "😀".repeat(2500));
  const limits: number[] = [];
  const spied = spiedOn(served(source, { maxBytes: 50_000 }), limits);
  expect(await pull(target.db, spied)).toMatchObject({ stored: 30, refused: [] });
  expect(ids(everything(target))).toEqual(ids(everything(source)));
  expect(limits.slice(0, 4)).toEqual([1000, 100, 10, 1]);
});

test("an event that is larger than any answer may be costs its cortex alone, and is not asked for for ever", async () => {
  const [source, target, ...others] = [openNode(1), openNode(2), openNode(3), openNode(4)];
  source.write(2);
  source.write(1, "x".repeat(60_000));
  for (const other of others) {
    other.write(40);
    await pull(source.db, databasePeer(other.db));
  }
  source.write(1);
  const asked: number[] = [];
  const spied = spiedOn(served(source, { maxBytes: 50_000 }), asked);
  for (const stored of [82, 0]) {
    asked.length = 0;
    const report = await pull(target.db, spied);
    expect(report).toMatchObject({ stored, duplicates: 0, refused: [{ cortexId: cortexId(1) }] });
    expect(report.refused[0]!.error).toMatchObject({
      ...{ name: "InputError", code: "DATA_TOO_LARGE", cause: { name: "PeerError", code: "BODY_TOO_LARGE" } },
    });
    // What comes after it is not brought one by one.
    expect(asked.length).toBeLessThan(15);
  }
  expect(clock(target.db)).toEqual({ [cortexId(1)]: 2, [cortexId(3)]: 40, [cortexId(4)]: 40 });
  expect(await pull(target.db, served(source))).toMatchObject({ stored: 2, refused: [] });
});

test("answers that are too large, whatever is asked, end the pull", async () => {
  const [source, target] = [openNode(1), openNode(2)];
  source.write(2);
  let asked = 0;
  const missing = async () => {
    if (++asked > 20) throw new Error("asked for ever");
    throw new PeerError("BODY_TOO_LARGE", "The body is too large.");
  };
  for (const frontier of [databasePeer(source.db).frontier, () => ({})]) {
    asked = 0;
    const error = await errorOf(() => pull(target.db, { ...databasePeer(source.db), frontier, missing }));
    expect(error).toMatchObject({ name: "PeerError", code: "BODY_TOO_LARGE" });
  }
});

test("an event that was altered into none costs its cortex alone, also over HTTP", async () => {
  const [source, target, other] = [openNode(1), openNode(2), openNode(3)];
  other.write(2);
  source.write(2);
  await pull(source.db, databasePeer(other.db));
  source.db.run("drop trigger events_no_update");
  const original = `timestamp = '${everything(source)[1]!.timestamp}', data = '{"by":1}'`;
  for (const altered of ["timestamp = '2026-13-45T00:00:00Z'", "data = '1e400'", `data = '"\\ud800"'`]) {
    source.db.run(`update events set ${altered} where seq = 2`);
    const report = await pull(openNode(9).db, served(source));
    expect(report).toMatchObject({ stored: 3, refused: [{ cortexId: cortexId(1) }] });
    source.db.run(`update events set ${original} where seq = 2`);
  }
  expect(await pull(target.db, served(source))).toMatchObject({ stored: 4, refused: [] });
});

test("a page that is served ends by the size of its JSON, and holds one event at least", async () => {
  const [source, target] = [openNode(1), openNode(2)];
  for (let i = 0; i < 4; i++) source.write(3, "x".repeat(2 ** 20 - 2));
  const peer = served(source);
  const pages: number[] = [];
  const spied: Peer = {
    ...peer,
    async missing(known, limit, signal) {
      const page = await peer.missing(known, limit, signal);
      pages.push((page as string[]).reduce((sum, line) => sum + line.length, 0));
      return page;
    },
  };
  expect(await pull(target.db, spied)).toMatchObject({ stored: 12, refused: [] });
  expect(Math.max(...pages)).toBeLessThan(2 ** 23 + 2 ** 21);
  expect(everything(target).map((one) => formatEvent(one))).toEqual(
    everything(source).map((one) => formatEvent(one)),
  );
});

test("only the cortexes that are wanted are taken, and strangers use up no places", async () => {
  const [friend, source, target] = [openNode(1), openNode(2), openNode(3)];
  friend.write(3);
  await pull(source.db, databasePeer(friend.db));
  for (let i = 10; i < 40; i++) {
    const stranger = openNode(i);
    stranger.write(1);
    await pull(source.db, databasePeer(stranger.db));
  }
  const asked: string[] = [];
  const cortexes = (id: string) => {
    asked.push(id);
    return id === cortexId(1);
  };
  const report = await pull(target.db, served(source), { cortexes, limit: 2 });
  expect(report).toEqual({ stored: 3, duplicates: 0, refused: [], total: 3 });
  expect(clock(target.db)).toEqual({ [cortexId(1)]: 3 });
  expect(asked).toHaveLength(31);

  // What builds on a stranger's event cannot come without it.
  source.write(1);
  const both = (id: string) => id === cortexId(1) || id === cortexId(2);
  expect(await pull(target.db, served(source), { cortexes: both })).toMatchObject({
    ...{ stored: 0, refused: [{ cortexId: cortexId(2), error: { code: "GAP" } }] },
  });
});

test.each([undefined, null, 1, "yes", Promise.resolve(true)])(
  "cortexes that answers with %s is refused: nothing is taken by mistake",
  async (answer) => {
    const [source, target] = [openNode(1), openNode(2)];
    source.write(1);
    const cortexes = () => answer as unknown as boolean;
    expect(await errorOf(() => pull(target.db, databasePeer(source.db), { cortexes }))).toMatchObject({
      ...{ name: "InputError", code: "INVALID_FUNCTION", field: "cortexes" },
    });
    expect(everything(target)).toEqual([]);
  },
);
