import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import {
  type Action,
  clock,
  type Event,
  feed,
  formatEvent,
  heads,
  openCortex,
  ulidFactory,
  type VectorClock,
} from "drizzle-event-log";
import {
  accept,
  type HttpPeerOptions,
  httpPeer,
  type Peer,
  PeerError,
  pull,
  serveLog,
} from "drizzle-event-log/federation";
import { afterAll, describe, expect, test } from "vitest";
import { ALPHA, BETA, errorOf, event, ids, openSqlite, thrownBy } from "./fixture.js";
import { prover } from "./independent-proof.js";

// Serving -----------------------------------------------------------------------------------------------------

type Answer = (request: Request) => Response | Promise<Response>;

const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

/** Serves a `Request` → `Response` function on loopback. */
async function serve(answer: Answer): Promise<string> {
  const server = createServer(async (incoming, outgoing) => {
    try {
      await send(await answer(toRequest(incoming)), outgoing);
    } catch {
      outgoing.writeHead(500).end();
    }
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function toRequest(incoming: IncomingMessage): Request {
  const url = `http://${incoming.headers.host}${incoming.url}`;
  const bodyless = incoming.method === "GET" || incoming.method === "HEAD";
  return new Request(url, {
    method: incoming.method!,
    headers: incoming.headers as Record<string, string>,
    ...(!bodyless && { body: Readable.toWeb(incoming) as ReadableStream, duplex: "half" }),
  } as RequestInit);
}

async function send(response: Response, outgoing: ServerResponse): Promise<void> {
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  if (!response.body) return void outgoing.end();
  const body = Readable.fromWeb(response.body as never);
  outgoing.on("close", () => body.destroy());
  body.on("error", () => outgoing.destroy()).pipe(outgoing);
}

// Logs --------------------------------------------------------------------------------------------------------

const GAMMA = "01BX5ZZKBKACTAV9WEVGEMMVSC";
const EVE = "01BX5ZZKBKACTAV9WEVGEMMVSE";
const FAR = Number.MAX_SAFE_INTEGER;
const makeId = ulidFactory();
const prove = prover();

/** An event of a peer's: complete, its cortex's `counter`th, and after the one that was made last of those before. */
function foreign(id: string, counter: number, over: Record<string, unknown> = {}): Event {
  const { vclock = {}, ...rest } = over;
  const clocked = event({ cortexId: id, vclock: { ...(vclock as VectorClock), [id]: counter } });
  return prove({ ...clocked, id: makeId(), timestamp: "2026-01-01T00:00:00Z", ...rest } as Event);
}

/** A log that holds ALPHA's first event; what the peers send is measured against it. */
function openLog() {
  const { db } = openSqlite();
  db.transaction((tx) => accept(tx, [held]));
  return db;
}
const held = foreign(ALPHA, 1);
const bare = ({ proof: _, ...event }: Event) => event;
// What every peer sends besides, and must come through.
const honest = [foreign(BETA, 1), foreign(GAMMA, 1, { vclock: { [BETA]: 1 } }), foreign(BETA, 2)];

const everything = (db: ReturnType<typeof openLog>) => feed(db, { limit: 100_000 });
const line = (one: unknown) => (typeof one === "string" ? one : formatEvent(one as Event));

/** JSON of what `formatEvent` would not write. */
const raw = (over: object, base = foreign(EVE, 1)) =>
  JSON.stringify({ ...JSON.parse(formatEvent(base)), ...over });
const rename = (from: string, to: string, base = foreign(EVE, 1)) =>
  formatEvent(base).replace(`"${from}"`, `"${to}"`);

// Peers that answer over HTTP with lines of their own making, whatever they are asked ---------------------------

const headers = { "event-log-cortex": EVE };

const HASH = "0".repeat(64);
/** A frontier as a liar states it. */
const claiming = (counters: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(counters).map(([id, counter]) => [id, { counter, hash: HASH }]));

/** True of who is honest, and of Eve more than she sends. */
const stated = {
  ...claiming({ [EVE]: 99 }),
  [GAMMA]: { counter: 1, hash: honest[1]!.proof!.slice(0, 64) },
};

const liar =
  (lines: readonly string[], theirs: unknown = stated): Answer =>
  (request) =>
    request.url.endsWith("/frontier")
      ? Response.json(theirs, { headers })
      : request.url.includes("/hash?")
        ? Response.json({ hash: HASH }, { headers })
        : new Response(`${lines.join("\n")}\n`, { headers });

/** One that leaves out what it is told is known, and heeds the limit. */
const paging =
  (events: readonly { of: string; at: number; line: string }[]): Answer =>
  async (request) => {
    if (request.url.endsWith("/frontier")) return liar([], {})(request);
    const { clock, limit } = await request.json();
    const lacking = events.filter(({ of, at }) => at > (clock[of] ?? 0));
    return liar(lacking.slice(0, limit).map(({ line }) => line))(request);
  };

const inProcess = (answer: Answer, options: HttpPeerOptions = {}) =>
  httpPeer("http://peer.test/log", {
    ...options,
    fetch: async (input, init) => answer(new Request(input as string, init)),
  });

const transports: [name: string, connect: (answer: Answer) => Promise<Peer>][] = [
  ["over node:http on loopback", async (answer) => httpPeer(await serve(answer))],
  ["through an injected fetch", async (answer) => inProcess(answer)],
];

const manyEntries = (n: number) => Object.fromEntries(Array.from({ length: n }, () => [makeId(), 1]));

/** What Eve sends among the honest events, how her part is refused, and how many of her events before that are none. */
const attacks: [name: string, lines: unknown[], code: string, valid?: number][] = [
  [
    "a clock inflated with cortexes that nobody has seen",
    [foreign(EVE, 1, { vclock: manyEntries(9) })],
    "GAP",
  ],
  ["a clock of 257 entries", [raw({ vclock: { ...manyEntries(256), [EVE]: 1 } })], "INVALID_VCLOCK"],
  ["a clock that counts more of another than there is", [foreign(EVE, 1, { vclock: { [BETA]: 9 } })], "GAP"],
  ["a clock that counts more of mine than I wrote", [foreign(EVE, 1, { vclock: { [ALPHA]: 2 } })], "GAP"],
  ["a counter that skips", [foreign(EVE, 2)], "GAP"],
  ["a counter that skips in the middle", [foreign(EVE, 1), foreign(EVE, 3)], "GAP", 1],
  ["a counter that repeats", [foreign(EVE, 1), foreign(EVE, 1)], "FORK", 1],
  ["a counter as great as can be", [foreign(EVE, FAR)], "GAP"],
  [
    "a counter above 2^53",
    [formatEvent(foreign(EVE, 1)).replace(`"${EVE}":1}`, `"${EVE}":9007199254740993}`)],
    "INVALID_NUMBER",
  ],
  ["a counter of 0", [raw({ vclock: { [EVE]: 0 } })], "INVALID_VCLOCK"],
  ["a negative counter", [raw({ vclock: { [EVE]: -1 } })], "INVALID_VCLOCK"],
  ["a fractional counter", [raw({ vclock: { [EVE]: 1.5 } })], "INVALID_VCLOCK"],
  ["a counter as text", [raw({ vclock: { [EVE]: "1" } })], "INVALID_VCLOCK"],
  ["no clock", [raw({ vclock: undefined })], "NO_CLOCK"],
  ["a clock that is null", [raw({ vclock: null })], "INVALID_VCLOCK"],
  ["a clock without its own cortex", [raw({ vclock: { [BETA]: 1 } })], "INVALID_VCLOCK"],
  ["an effect before its cause", [foreign(EVE, 2), foreign(EVE, 1)], "GAP"],
  ["a fork of my own event", [foreign(ALPHA, 1)], "FORK"],
  ["my own event with other content", [{ ...held, traceId: "other" }], "ID_CONFLICT"],
  ["my own event's id", [foreign(EVE, 1, { id: held.id })], "ID_CONFLICT"],
  ["__proto__ as a cortex", [rename(EVE, "__proto__")], "INVALID_CORTEX_ID"],
  ["__proto__ in the clock", [raw({}).replace('"vclock":{', '"vclock":{"__proto__":1,')], "INVALID_VCLOCK"],
  ["constructor in the clock", [raw({ vclock: { constructor: 1, [EVE]: 1 } })], "INVALID_VCLOCK"],
  ["__proto__ as a field", [raw({}).replace("{", '{"__proto__":{"seq":9},')], "UNKNOWN_FIELD"],
  ["a seq", [raw({ seq: 1 })], "UNKNOWN_FIELD"],
  ["a field that no event has", [raw({ branched: 1 })], "UNKNOWN_FIELD"],
  ["fields in camel case", [rename("trace_id", "traceId")], "UNKNOWN_FIELD"],
  ["an id in lower case", [raw({ id: makeId().toLowerCase() })], "INVALID_ID"],
  ["an id after the last time", [raw({ id: "8".repeat(26) })], "INVALID_ID"],
  ["a cortex that is no ULID", [raw({ cortex_id: "eve" })], "INVALID_CORTEX_ID"],
  ["an action that could be SQL", [raw({ action: "x'; drop table events; --" })], "INVALID_ACTION"],
  ["a trace of 256 characters", [raw({ trace_id: "x".repeat(256) })], "INVALID_TRACE_ID"],
  ["a NUL in the trace", [raw({ trace_id: "a\0b" })], "INVALID_TRACE_ID"],
  ["a lone surrogate in the origin", [raw({ origin: "\ud800" })], "INVALID_ORIGIN"],
  ["a lone surrogate in the data", [raw({ data: { "\udfff": 1 } })], "INVALID_DATA"],
  [
    "data that nests too deep",
    [raw({}).replace(/}$/, `,"data":${"[".repeat(65)}${"]".repeat(65)}}`)],
    "DATA_TOO_DEEP",
  ],
  ["data of over a mebibyte", [raw({ data: "x".repeat(2 ** 20) })], "DATA_TOO_LARGE"],
  ["a number that would be rounded", [raw({}).replace(/}$/, ',"data":1e999}')], "INVALID_NUMBER"],
  ["a day that is none", [raw({ timestamp: "2026-02-30T00:00:00Z" })], "INVALID_TIMESTAMP"],
  ["no timestamp", [raw({ timestamp: undefined })], "INVALID_TIMESTAMP"],
  ["no id", [raw({ id: undefined })], "INVALID_ID"],
  ["a line that is not JSON", ["{"], "INVALID_JSON"],
  ["a line that is HTML", ["<html>"], "INVALID_JSON"],
  ["a line that is an array", ["[]"], "INVALID_EVENT"],
  ["a line that is null", ["null"], "INVALID_EVENT"],
  ["a line that is a number", ["7"], "INVALID_EVENT"],
  ["a line of nothing but brackets", ["[".repeat(100_000)], "INVALID_JSON"],
];

describe.each(transports)("%s", (_, connect) => {
  test("a peer that is honest is read to the end", async () => {
    const db = openLog();
    const report = await pull(db, await connect(liar(honest.map(line))));
    expect(report).toMatchObject({ stored: 3, refused: [] });
    expect(ids(everything(db))).toEqual(ids([held, ...honest]));
  });

  test.each(attacks)(
    "%s is refused; the others' events in that page come through",
    async (_, lines, code, valid = 0) => {
      for (const before of [0, 1, 3]) {
        const db = openLog();
        const page = [...honest.slice(0, before), ...lines, ...honest.slice(before)].map(line);
        const report = await pull(db, await connect(liar(page)));
        expect(report.stored).toBe(3 + valid);
        expect(new Set(report.refused.map(({ error }) => error.code))).toEqual(new Set([code]));
        const kept = [held, ...honest.slice(0, before), ...lines.slice(0, valid), ...honest.slice(before)];
        expect(ids(everything(db))).toEqual(ids(kept as Event[]));
        expect(everything(db)[0]).toMatchObject(bare(held));
      }
    },
  );

  test.each([
    ["that is not valid", (good: Event) => raw({ seq: 9 }, good), "UNKNOWN_FIELD"],
    ["whose data is too large", (good: Event) => raw({ data: "x".repeat(2 ** 20) }, good), "DATA_TOO_LARGE"],
    ["too long to be parsed", (good: Event) => raw({ data: "x".repeat(2 ** 22) }, good), "DATA_TOO_LARGE"],
    ["under an id that is taken", (good: Event) => line({ ...good, id: held.id }), "ID_CONFLICT"],
    ["that builds on what nobody has", () => line(foreign(EVE, 9, { vclock: { [GAMMA]: 5 } })), "GAP"],
  ])(
    "an event %s costs what comes after it and what builds on it, whatever the page",
    async (_, poison, code) => {
      const of = (id: string, from: number, to: number, vclock = {}) =>
        Array.from({ length: to - from + 1 }, (_, i) => foreign(id, from + i, { vclock }));
      const before = [...of(EVE, 1, 8), ...of(BETA, 1, 5), ...of(GAMMA, 1, 1, { [EVE]: 8 })];
      const bad = foreign(EVE, 9);
      const after = [...of(EVE, 10, 12), ...of(GAMMA, 2, 3, { [EVE]: 9 }), ...of(BETA, 6, 9, { [EVE]: 3 })];
      const lines = [
        ...before.map((one) => ({ of: one.cortexId, at: one.vclock![one.cortexId]!, line: line(one) })),
        { of: EVE, at: 9, line: poison(bad) },
        ...after.map((one) => ({ of: one.cortexId, at: one.vclock![one.cortexId]!, line: line(one) })),
      ];
      for (const limit of [1, 4, 1000]) {
        const db = openLog();
        const report = await pull(db, await connect(paging(lines)), { limit });
        const kept = [...before, ...after.filter(({ cortexId }) => cortexId === BETA)];
        expect(ids(everything(db))).toEqual(ids([held, ...kept]));
        expect(report).toMatchObject({ stored: kept.length, duplicates: 0 });
        expect(report.refused.map(({ cortexId, error }) => [cortexId, error.code])).toEqual([
          [EVE, code],
          [GAMMA, "GAP"],
        ]);
      }
    },
  );

  test.each(attacks)(
    "%s alone leaves no more in the log than what is valid before it",
    async (_, lines, code, valid = 0) => {
      const db = openLog();
      const report = await pull(db, await connect(liar(lines.map(line))));
      expect(report).toMatchObject({ stored: valid, duplicates: 0 });
      expect(new Set(report.refused.map(({ error }) => error.code))).toEqual(new Set([code]));
      expect(ids(everything(db))).toEqual(ids([held, ...lines.slice(0, valid)] as Event[]));
    },
  );

  test("a cortex that has been refused is not refused again with each page", async () => {
    const db = openLog();
    const page = [raw({ seq: 1 }), ...honest.map(line)];
    const report = await pull(db, await connect(liar(page)), { limit: 2 });
    expect(report.refused).toEqual([
      { cortexId: EVE, error: expect.objectContaining({ code: "UNKNOWN_FIELD" }) },
    ]);
  });

  test("a cortex whose id is all digits is one like any other", async () => {
    const digits = "01234567890123456789012345";
    const db = openLog();
    const report = await pull(db, await connect(liar([line(foreign(digits, 1)), ...honest.map(line)])));
    expect(report).toMatchObject({ stored: 4, refused: [] });
    expect(clock(db)).toMatchObject({ [digits]: 1 });
  });

  test("a page that comes again and again is taken once, and the pull ends", async () => {
    const db = openLog();
    let asked = 0;
    const answer = liar([line(held), ...honest.map(line)]);
    const report = await pull(
      db,
      await connect((request) => {
        asked++;
        return answer(request);
      }),
    );
    expect(report).toMatchObject({ stored: 3, duplicates: 5, refused: [] });
    expect(asked).toBe(3);
    expect(everything(db)).toHaveLength(4);
  });

  test("of a page longer than asked for, no more than asked for is looked at", async () => {
    const db = openLog();
    const many = Array.from({ length: 50 }, (_, i) => line(foreign(EVE, i + 1)));
    const report = await pull(db, await connect(liar([...many, "{"])), { limit: 10 });
    expect(report).toMatchObject({ stored: 10, refused: [] });
  });

  test("blank lines are no events", async () => {
    const db = openLog();
    expect(await pull(db, await connect(liar(["", line(honest[0]), "", ""])))).toMatchObject({
      ...{ stored: 1, refused: [] },
    });
  });

  test("a peer that makes up ever new cortexes is left", async () => {
    const db = openLog();
    let pages = 0;
    const peer = await connect((request) => {
      if (request.url.endsWith("/frontier")) return Response.json({}, { headers });
      pages++;
      return new Response(Array.from({ length: 100 }, () => `${line(foreign(makeId(), 2))}\n`).join(""), {
        headers,
      });
    });
    const report = await pull(db, peer, { limit: 100 });
    expect(report.stored).toBe(0);
    expect(report.refused.length).toBeLessThanOrEqual(300);
    expect(pages).toBeLessThan(10);
    expect(everything(db)).toHaveLength(1);
  });

  test("cortexes made up by the hundred cannot keep the log's own from writing", async () => {
    const db = openLog();
    const sybils = Array.from({ length: 400 }, () => line(foreign(makeId(), 1)));
    const report = await pull(db, await connect(liar(sybils)));
    expect(new Set(report.refused.map(({ error }) => error.code))).toEqual(new Set(["TOO_MANY_CORTEXES"]));
    const own = openCortex<Action>({ id: ALPHA, origin: "alpha" });
    const next = db.transaction((tx) => own.append(tx, { action: "update", traceId: "trace" }));
    expect(next.vclock![ALPHA]).toBe(2);
    const another = openCortex<Action>({ id: EVE, origin: "new here" });
    const first = db.transaction((tx) => another.append(tx, { action: "update", traceId: "trace" }));
    expect(Object.keys(first.vclock!).length).toBeLessThanOrEqual(256);
  });

  test("an id of the far future is stored, told apart, and not followed", async () => {
    const db = openLog();
    const future = foreign(EVE, 1, { id: `7${"Z".repeat(25)}` });
    await pull(db, await connect(liar([line(future)])));
    const own = openCortex<Action>({ id: ALPHA, origin: "alpha" });
    const next = db.transaction((tx) => own.append(tx, { action: "update", traceId: "trace" }));
    expect(next.id < future.id).toBe(true);
    expect(ids(heads(db, "trace"))).toEqual([next.id]);
  });

  test("a frontier of prototype keys, of text or of nothing is refused, and nothing is asked for", async () => {
    for (const theirs of [
      ...[
        '{"__proto__":1}',
        '{"constructor":1}',
        `{"${EVE}":1}`,
        `{"${EVE}":null}`,
        `{"${EVE}":{"counter":1}}`,
      ],
      ...['"1"', "0", "-1", "1e300", "null"].map((n) => `{"${EVE}":{"counter":${n},"hash":"${HASH}"}}`),
      ...['""', "1", '"x"', `"${HASH}0"`, "{}"].map((hash) => `{"${EVE}":{"counter":1,"hash":${hash}}}`),
      ...["null", "[]", "7", '"x"', '{"eve":1}'],
    ]) {
      const db = openLog();
      const asked: string[] = [];
      const peer = await connect((request) => {
        asked.push(request.url.split("/").at(-1)!);
        return new Response(theirs, { headers });
      });
      expect(await errorOf(() => pull(db, peer)), theirs).toMatchObject({ code: "INVALID_PEER" });
      expect(asked).toEqual(["frontier"]);
      expect(everything(db)).toHaveLength(1);
    }
  });

  test("a frontier that claims what the peer does not send ends the pull all the same", async () => {
    const db = openLog();
    const report = await pull(db, await connect(liar([], claiming({ [EVE]: FAR, [BETA]: FAR }))));
    expect(report).toMatchObject({ stored: 0, refused: [] });
  });

  test.each(["", "{", "<html>not found</html>", "\u0000"])(
    "a frontier of %j is an INVALID_BODY",
    async (text) => {
      const db = openLog();
      const peer = await connect(() => new Response(text, { headers }));
      const error = await errorOf(() => pull(db, peer));
      expect(error).toBeInstanceOf(PeerError);
      expect(error).toMatchObject({ code: "INVALID_BODY" });
    },
  );

  test.each([400, 401, 403, 404, 413, 500, 503])(
    "status %d is told, and no page is read from it",
    async (status) => {
      const db = openLog();
      const peer = await connect(() => new Response(line(honest[0]), { status, headers }));
      expect(await errorOf(() => pull(db, peer))).toMatchObject({ code: "HTTP_STATUS", status });
      expect(everything(db)).toHaveLength(1);
    },
  );

  test("another cortex at the address of the first is refused from then on", async () => {
    const db = openLog();
    let cortexId = EVE;
    const peer = await connect((request) =>
      request.url.endsWith("/frontier")
        ? Response.json({}, { headers: { "event-log-cortex": cortexId } })
        : new Response(honest.map(line).join("\n"), { headers: { "event-log-cortex": cortexId } }),
    );
    await peer.frontier();
    expect((peer as ReturnType<typeof httpPeer>).cortexId).toBe(EVE);
    cortexId = BETA;
    expect(await errorOf(() => pull(db, peer))).toMatchObject({ code: "PEER_CHANGED" });
    expect(await errorOf(() => peer.missing({}, 10))).toMatchObject({ code: "PEER_CHANGED" });
    cortexId = EVE;
    expect(await pull(db, peer)).toMatchObject({ stored: 3 });
  });

  test.each(["", "eve", EVE.toLowerCase(), `${EVE}, ${EVE}`])(
    "a cortex header of %j is none",
    async (value) => {
      const peer = await connect(() => Response.json({}, { headers: { "event-log-cortex": value } }));
      expect(await errorOf(() => peer.frontier())).toMatchObject({ code: "PEER_CHANGED" });
    },
  );

  test("a redirect is not followed", async () => {
    const db = openLog();
    let followed = 0;
    const target = await serve((request) => {
      followed++;
      return liar(honest.map(line))(request);
    });
    const peer = await connect((request) => {
      const location = target + new URL(request.url).pathname.replace("/log", "");
      return new Response(null, { status: 307, headers: { location, ...headers } });
    });
    const error = await errorOf(() => pull(db, peer));
    expect(error).toBeInstanceOf(Error);
    expect(followed).toBe(0);
    expect(everything(db)).toHaveLength(1);
  });

  test("a body without an end is left at the limit, with what was read before kept small", async () => {
    const db = openLog();
    let sent = 0;
    let left = false;
    const chunk = new Uint8Array(2 ** 20).fill(0x20);
    const endless = () => {
      sent = 0;
      left = false;
      return new ReadableStream<Uint8Array>({
        pull(controller) {
          sent += chunk.length;
          if (sent > 100 * 2 ** 20) controller.close();
          else controller.enqueue(chunk);
        },
        cancel() {
          left = true;
        },
      });
    };
    const answer: Answer = (request) =>
      request.url.endsWith("/frontier")
        ? Response.json({}, { headers })
        : new Response(endless(), { headers });
    const before = process.memoryUsage().rss;
    const error = await errorOf(async () => pull(db, await connect(answer)));
    expect(error).toBeInstanceOf(PeerError);
    expect(error).toMatchObject({ code: "BODY_TOO_LARGE" });
    expect(sent).toBeLessThan(90 * 2 ** 20);
    expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(400);
    await expect.poll(() => left).toBe(true);
    expect(everything(db)).toHaveLength(1);
  });
});

test("the limit of an answer can be set", async () => {
  const lines = honest.map(line);
  const bytes = lines.join("\n").length + 1;
  expect(await inProcess(liar(lines), { maxBytes: bytes }).missing({}, 10)).toEqual(lines);
  const error = await errorOf(() => inProcess(liar(lines), { maxBytes: bytes - 1 }).missing({}, 10));
  expect(error).toMatchObject({ code: "BODY_TOO_LARGE" });
});

test("the cortex that must answer can be named, before first contact", async () => {
  const named = inProcess(liar([]), { cortexId: BETA });
  expect(await errorOf(() => named.frontier())).toMatchObject({ code: "PEER_CHANGED" });
  expect(named.cortexId).toBe(BETA);
  expect(await inProcess(liar([]), { cortexId: EVE }).frontier()).toEqual(stated);
});

test("a signal ends a pull whose peer never answers", async () => {
  const url = await serve(() => new Promise(() => {}));
  const stop = new AbortController();
  const pulled = errorOf(() => pull(openLog(), httpPeer(url), { signal: stop.signal }));
  setTimeout(() => stop.abort(), 20);
  expect(await pulled).toBe(stop.signal.reason);
});

// The serveLog, asked by someone who is no peer -----------------------------------------------------------------

describe("the handler", () => {
  const authorized = { authorization: "Bearer secret" };
  const authorize = (request: Request) => request.headers.get("authorization") === "Bearer secret";
  const ask = (path: string, init: RequestInit = {}, headers: Record<string, string> = authorized) =>
    new Request(`http://log.test${path}`, { ...init, headers });
  const post = (body: BodyInit | null, path = "/missing") => ask(path, { method: "POST", body });
  const openHandler = (options = {}) => {
    const db = openLog();
    return { db, answer: serveLog(db, { cortexId: ALPHA, authorize, ...options }) };
  };

  test("it serves the frontier and what is missing, at the end of any path, with its cortex's id", async () => {
    const { answer } = openHandler();
    for (const path of ["/frontier", "/a/b/frontier", "/a/../frontier", "/frontier?x=1"]) {
      const response = await answer(ask(path));
      expect(await response.json()).toEqual({ [ALPHA]: { counter: 1, hash: held.proof!.slice(0, 64) } });
      expect(response.headers.get("event-log-cortex")).toBe(ALPHA);
    }
    const page = await answer(post('{"clock":{}}'));
    expect(await page.text()).toBe(`${formatEvent(held)}\n`);
    expect(page.headers.get("content-type")).toBe("application/x-ndjson");
    expect(await (await answer(post(`{"clock":{"${ALPHA}":1},"limit":1}`))).text()).toBe("");
  });

  test("without authorize it cannot be made", () => {
    const db = openLog();
    for (const authorize of [undefined, null, true, "yes"]) {
      expect(thrownBy(() => serveLog(db, { cortexId: ALPHA, authorize } as never))).toMatchObject({
        code: "INVALID_AUTHORIZE",
      });
    }
    expect(thrownBy(() => serveLog(db, { cortexId: "alpha", authorize: () => true }))).toMatchObject({
      code: "INVALID_CORTEX_ID",
    });
  });

  test.each([
    ["false", () => false],
    ["nothing", () => undefined],
    ["a promise of false", async () => false],
    ["1", () => 1],
    ["text", () => "true"],
    ["an object", () => ({})],
    ["a promise of text", async () => "yes"],
  ])("authorize that answers with %s keeps everything back, and nothing is read", async (_, authorize) => {
    const { db, statements } = openSqlite();
    const answer = serveLog(db, { cortexId: ALPHA, authorize: authorize as () => boolean });
    for (const request of [ask("/frontier"), post('{"clock":{}}'), ask("/nothing")]) {
      const response = await answer(request);
      expect(response.status).toBe(403);
      expect(await response.json()).toEqual({ code: "FORBIDDEN" });
    }
    expect(statements).toEqual([]);
  });

  test("authorize that throws or rejects serves nothing", async () => {
    for (const authorize of [
      () => {
        throw new Error("no");
      },
      () => Promise.reject(new Error("no")),
    ]) {
      const { db, statements } = openSqlite();
      const answer = serveLog(db, { cortexId: ALPHA, authorize });
      expect(await errorOf(() => answer(ask("/frontier")))).toMatchObject({ message: "no" });
      expect(statements).toEqual([]);
      const url = await serve(answer);
      expect((await fetch(`${url}/frontier`)).status).toBe(500);
    }
  });

  test("a wrong token is refused over HTTP, and the right one passes", async () => {
    const url = await serve(openHandler().answer);
    const db = openSqlite().db;
    expect(await errorOf(() => pull(db, httpPeer(url)))).toMatchObject({ code: "HTTP_STATUS", status: 403 });
    const peer = httpPeer(url, { headers: authorized });
    expect(await pull(db, peer)).toMatchObject({ stored: 1, refused: [] });
    expect(peer.cortexId).toBe(ALPHA);
  });

  test.each([
    ["GET", "/"],
    ["GET", "/missing"],
    ["POST", "/frontier"],
    ["HEAD", "/frontier"],
    ["PUT", "/missing"],
    ["DELETE", "/missing"],
    ["GET", "/frontier//"],
    ["GET", "/frontier%2f"],
    ["GET", "/..%2fclock"],
    ["GET", "/../../etc/passwd"],
    ["GET", "/events"],
    ["GET", "/frontier/../accept"],
    ["POST", "/accept"],
    ["GET", "/__proto__"],
    ["GET", "/Frontier"],
    ["GET", "/clock"],
    ["POST", "/hash"],
  ])("%s %s is not found", async (method, path) => {
    const response = await openHandler().answer(ask(path, { method }));
    expect(response.status).toBe(404);
  });

  test.each([
    ["", "INVALID_JSON"],
    ["{", "INVALID_JSON"],
    ["null", "INVALID_VCLOCK"],
    ["7", "INVALID_VCLOCK"],
    ["[]", "INVALID_VCLOCK"],
    ["{}", "INVALID_VCLOCK"],
    ['{"clock":null}', "INVALID_VCLOCK"],
    ['{"clock":[]}', "INVALID_VCLOCK"],
    ['{"clock":{"__proto__":1}}', "INVALID_VCLOCK"],
    ['{"__proto__":{"clock":{}}}', "INVALID_VCLOCK"],
    [`{"clock":{"${ALPHA}":-1}}`, "INVALID_VCLOCK"],
    [`{"clock":{"${ALPHA}":1e300}}`, "INVALID_VCLOCK"],
    ['{"clock":{},"limit":0}', "INVALID_LIMIT"],
    ['{"clock":{},"limit":-1}', "INVALID_LIMIT"],
    ['{"clock":{},"limit":0.5}', "INVALID_LIMIT"],
    ['{"clock":{},"limit":null}', "INVALID_LIMIT"],
    ['{"clock":{},"limit":"x"}', "INVALID_LIMIT"],
    ['{"clock":{},"limit":{}}', "INVALID_LIMIT"],
  ])("the question %s is answered with 400 %s", async (body, code) => {
    const response = await openHandler().answer(post(body));
    expect([response.status, await response.json()]).toEqual([400, { code }]);
  });

  test("no page is longer than a thousand events, whatever is asked", async () => {
    const { db, answer } = openHandler();
    const more = Array.from({ length: 1500 }, (_, i) => foreign(BETA, i + 1));
    db.transaction((tx) => accept(tx, more));
    const response = await answer(post(`{"clock":{},"limit":${FAR}}`));
    expect((await response.text()).trimEnd().split("\n")).toHaveLength(1000);
  });

  test("a question of 100 MB is refused with 413, and not read to its end", async () => {
    const { answer } = openHandler();
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 2 ** 16;
        if (sent > 100 * 2 ** 20) controller.close();
        else controller.enqueue(new Uint8Array(2 ** 16).fill(0x20));
      },
    });
    const init = { method: "POST", body: endless, duplex: "half" } as RequestInit;
    const response = await answer(ask("/missing", init));
    expect([response.status, await response.json()]).toEqual([413, { code: "BODY_TOO_LARGE" }]);
    expect(sent).toBeLessThan(2 ** 20);
  });

  test("an error of the database is the server's to see, not the peer's", async () => {
    const { client, db } = openSqlite();
    const answer = serveLog(db, { cortexId: ALPHA, authorize });
    client.close();
    expect(await errorOf(() => answer(ask("/frontier")))).toBeInstanceOf(Error);
    expect(await errorOf(() => answer(post('{"clock":{}}')))).toBeInstanceOf(Error);
    const url = await serve(answer);
    const response = await fetch(`${url}/frontier`, { headers: authorized });
    expect([response.status, await response.text()]).toEqual([500, ""]);
  });

  test("events with data larger than append takes by default are served, and taken by who allows them", async () => {
    const { db, answer } = openHandler();
    const large = foreign(BETA, 1, { data: "x".repeat(2 ** 21) });
    db.transaction((tx) => accept(tx, [large], { maxDataBytes: 2 ** 22 }));
    const peer = httpPeer(await serve(answer), { headers: authorized });
    const refusing = openSqlite().db;
    expect(await pull(refusing, peer)).toMatchObject({
      stored: 1,
      refused: [{ cortexId: BETA, error: { code: "DATA_TOO_LARGE" } }],
    });
    const taking = openSqlite().db;
    expect(await pull(taking, peer, { maxDataBytes: 2 ** 22 })).toMatchObject({ stored: 2, refused: [] });
    expect(feed(taking)[1]).toMatchObject({ id: large.id });
  });
});
