// What goes over the wire between httpPeer and serveLog, and how long it may take.
import { Readable } from "node:stream";
import { type Action, frontier, openCortex } from "drizzle-event-log";
import { databasePeer, httpPeer, pull, serveLog } from "drizzle-event-log/federation";
import { describe, expect, test } from "vitest";
import { ALPHA, BETA, errorOf, openSqlite, thrownBy } from "./fixture.js";

function openLog() {
  const { db } = openSqlite();
  const cortex = openCortex<Action>({ id: ALPHA, origin: "alpha" });
  db.transaction((tx) => cortex.append(tx, { action: "update", traceId: "t" }));
  return db;
}

type Answer = (request: Request) => Response | Promise<Response>;

const over = (answer: Answer) =>
  (async (input: any, init: any) => answer(new Request(input, { ...init, signal: null }))) as typeof fetch;
const headers = { "event-log-cortex": BETA };
const never = () => new Promise<never>(() => {});

/** A body of these texts, one after another, `gap` milliseconds apart, and then no end. */
function dripping(text: (i: number) => string, gap: number) {
  const state = { cancelled: false };
  let i = 0;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, gap));
      if (!state.cancelled) controller.enqueue(new TextEncoder().encode(text(i++)));
    },
    cancel() {
      state.cancelled = true;
    },
  });
  return { body, state };
}

describe("a peer that takes its time", () => {
  const slow: [name: string, answer: Answer][] = [
    ["never answers", never],
    ["answers and sends no body", () => new Response(new ReadableStream({ pull: never }), { headers })],
  ];
  test.each(slow)("and %s is left after idleTimeout", async (_, answer) => {
    const db = openLog();
    const peer = httpPeer("http://peer.test", { fetch: over(answer), idleTimeout: 30 });
    const error = await errorOf(() => pull(db, peer));
    expect(error).toMatchObject({ name: "PeerError", code: "TIMEOUT" });
    expect((error as Error).message).toContain("30 ms");
  });

  test("and sends a byte now and then is left after timeout, and its body is cancelled", async () => {
    const { body, state } = dripping(() => " ", 2);
    const fetch = over(() => new Response(body, { headers }));
    const peer = httpPeer("http://peer.test", { fetch, timeout: 60 });
    expect(await errorOf(() => pull(openLog(), peer))).toMatchObject({ code: "TIMEOUT" });
    expect(state.cancelled).toBe(true);
  });

  test("and sends something before idleTimeout each time is heard to its end", async () => {
    const frontier = { [ALPHA]: { counter: 1, hash: "0".repeat(64) } };
    const text = JSON.stringify(frontier);
    let i = 0;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        if (i === text.length) controller.close();
        else controller.enqueue(new TextEncoder().encode(text[i++]));
      },
    });
    // In all it takes longer than the idle time-out would allow.
    const peer = httpPeer("http://peer.test", {
      fetch: over(() => new Response(body, { headers })),
      idleTimeout: 5 * text.length - 20,
    });
    expect(await peer.frontier()).toEqual(frontier);
  });

  test("a signal ends it at once, also where fetch does not heed it", async () => {
    const stop = new AbortController();
    const peer = httpPeer("http://peer.test", { fetch: never as unknown as typeof fetch });
    const asked = errorOf(() => peer.frontier(stop.signal));
    stop.abort();
    expect(await asked).toBe(stop.signal.reason);
  });

  test.each([-1, 0.5, 2 ** 31, "30", null])("a time-out of %j is refused", (value) => {
    for (const option of ["idleTimeout", "timeout"]) {
      expect(thrownBy(() => httpPeer("http://peer.test", { [option]: value }))).toMatchObject({
        ...{ code: "INVALID_TIMEOUT", field: option },
      });
    }
    const options = { cortexId: ALPHA, authorize: () => true, timeout: value as number };
    expect(thrownBy(() => serveLog(openLog(), options))).toMatchObject({ code: "INVALID_TIMEOUT" });
  });
});

describe("an answer that is none of a log's", () => {
  const statuses: [status: number, headers: Record<string, string>, says: string][] = [
    [403, headers, "status 403"],
    [308, { ...headers, location: "http://peer.test/log/frontier/" }, "redirect, status 308"],
    [200, {}, "no header event-log-cortex"],
    [200, { "event-log-cortex": ALPHA }, "as the cortex it was before"],
  ];
  const bodies: [name: string, body: () => unknown][] = [
    ["a stream", () => new ReadableStream()],
    ["a stream that does not let go", () => new ReadableStream({ cancel: never })],
    ["a stream of Node's, as node-fetch has", () => Readable.from([Buffer.from("{}")])],
    ["no body", () => null],
  ];
  test.each(
    bodies.flatMap(([name, body]) => statuses.map((one) => [one[0], one[2], name, one[1], body] as const)),
  )("%i (%s), with %s, is told at once", async (status, says, _, given, body) => {
    const response = { ok: status === 200, status, headers: new Headers(given), body: body() };
    const fetch = (async () => response) as unknown as typeof globalThis.fetch;
    const error = await errorOf(() => httpPeer("http://peer.test", { fetch, cortexId: BETA }).frontier());
    expect(error).toMatchObject(
      status === 200 ? { name: "PeerError", code: "PEER_CHANGED" } : { code: "HTTP_STATUS", status },
    );
    expect((error as Error).message).toContain(says);
  });
});

describe("a fetch whose answers have no body but their text, as React Native's,", () => {
  const textual = (answer: Answer) => {
    const whole = async (input: any, init: any) => {
      const response = await over(answer)(input, init);
      const { ok, status, headers } = response;
      return { ok, status, headers, text: () => response.text() };
    };
    return whole as unknown as typeof fetch;
  };

  test("is read as any other", async () => {
    const [peer, mine] = [openLog(), openSqlite().db];
    const alpha = openCortex<Action>({ id: ALPHA, origin: "alpha" });
    peer.transaction((tx) => alpha.append(tx, { action: "update", traceId: "😀", data: "\u2028" }));
    const fetch = textual(serveLog(peer, { cortexId: ALPHA, authorize: () => true }));
    expect(await pull(mine, httpPeer("http://peer.test", { fetch }))).toMatchObject({
      stored: 2,
      refused: [],
    });
    expect(frontier(mine)).toEqual(frontier(peer));
  });

  test("is held to maxBytes and to its status", async () => {
    const long = textual(() => new Response("x".repeat(100), { headers }));
    const refused = textual(() => new Response("", { status: 403 }));
    for (const [fetch, code] of [
      [long, "BODY_TOO_LARGE"],
      [refused, "HTTP_STATUS"],
    ] as const) {
      const peer = httpPeer("http://peer.test", { fetch, maxBytes: 50 });
      expect(await errorOf(() => peer.missing({}, 10))).toMatchObject({ name: "PeerError", code });
    }
  });
});

describe("the URL of a peer", () => {
  test.each([
    ["http://peer.test/log?token=x", "http://peer.test/log/frontier?token=x"],
    ["http://peer.test/log/?token=x&a=b%20c#part", "http://peer.test/log/frontier?token=x&a=b%20c"],
    ["http://peer.test/?", "http://peer.test/frontier"],
    ["http://peer.test/log/", "http://peer.test/log/frontier"],
    ["/api/log?x", "/api/log/frontier?x"],
  ])("%s is asked at %s", async (url, asked) => {
    const urls: string[] = [];
    const fetch = async (input: unknown) => {
      urls.push(String(input));
      return Response.json({}, { headers });
    };
    await httpPeer(url, { fetch: fetch as typeof globalThis.fetch }).frontier();
    expect(urls).toEqual([asked]);
  });
});

describe("a URL that fetch would refuse, and quote in what it throws,", () => {
  test.each([
    ["localhost:3000/log?token=secret", "must be a URL"],
    ["peer.test/log?token=secret", "must be a URL"],
    ["http://peer test/log?token=secret", "must be a URL"],
    ["https://secret@peer.test/log", "in `headers`"],
    ["https://alice:secret@peer.test", "in `headers`"],
    [new URL("https://:secret@peer.test/"), "in `headers`"],
  ])("is refused when the peer is made: %s", (url, says) => {
    const error = thrownBy(() => httpPeer(url)) as Error;
    expect(error).toMatchObject({ name: "InputError", code: "INVALID_URL", field: "url" });
    expect(error.message).toContain(says);
    expect(error.message).not.toContain("secret");
  });

  test("is not one with an @ in its path or query", () => {
    for (const url of ["http://peer.test/@alice?by=a@b", "/@alice", "http://peer.test?a@b"]) httpPeer(url);
  });
});

describe("what is read of an answer", () => {
  test.each([0, 0.5, "1", null])("a maxBytes of %j is refused, by its name", (maxBytes) => {
    const refused = thrownBy(() => httpPeer("http://peer.test", { maxBytes: maxBytes as number }));
    expect(refused).toMatchObject({ code: "INVALID_LIMIT", field: "maxBytes" });
  });

  test("of lines no more than asked for, and the rest is cancelled", async () => {
    const { body, state } = dripping((i) => `{"line":${i}}\n`, 0);
    const fetch = over(() => new Response(body, { headers }));
    const lines = await httpPeer("http://peer.test", { fetch }).missing({}, 5);
    expect(lines).toEqual([0, 1, 2, 3, 4].map((i) => `{"line":${i}}`));
    await expect.poll(() => state.cancelled).toBe(true);
  });

  test("blank lines count among them, and lines may be cut anywhere", async () => {
    const text = "\n\n{}\n\n[😀]\n1\n2\n";
    const bytes = new TextEncoder().encode(text);
    for (const size of [1, 2, 3, 100]) {
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          for (let i = 0; i < bytes.length; i += size) controller.enqueue(bytes.slice(i, i + size));
          controller.close();
        },
      });
      const fetch = over(() => new Response(body, { headers }));
      expect(await httpPeer("http://peer.test", { fetch }).missing({}, 6)).toEqual(["{}", "[😀]", "1"]);
    }
  });

  test("of a frontier 64 KiB", async () => {
    const last = { counter: 1, hash: "0".repeat(64) };
    const frontier = Object.fromEntries(
      Array.from({ length: 1000 }, (_, i) => [`01BX5ZZKBKACTAV9WEVGEM${String(i).padStart(4, "0")}`, last]),
    );
    const peer = httpPeer("http://peer.test", { fetch: over(() => Response.json(frontier, { headers })) });
    expect(await errorOf(() => pull(openLog(), peer))).toMatchObject({ code: "BODY_TOO_LARGE" });
  });
});

test("a hash is asked for by cortex and counter, beside a query of the URL's own", async () => {
  const db = openLog();
  const answer = serveLog(db, { cortexId: ALPHA, authorize: () => true });
  const urls: string[] = [];
  const peer = httpPeer("http://peer.test/log?counter=9&token=x", {
    fetch: over((request) => {
      urls.push(request.url);
      return answer(request);
    }),
  });
  const { [ALPHA]: last } = await peer.frontier();
  expect(last).toEqual({ counter: 1, hash: expect.stringMatching(/^[0-9a-f]{64}$/) });
  expect(await peer.hashAt(ALPHA, 1)).toBe(last!.hash);
  expect(await peer.hashAt(ALPHA, 2)).toBe(null);
  expect(await peer.hashAt(BETA, 1)).toBe(null);
  expect(urls[1]).toBe(`http://peer.test/log/hash?cortex=${ALPHA}&counter=1&counter=9&token=x`);
});

describe("serveLog", () => {
  test.each([
    ["", "INVALID_CORTEX_ID"],
    ["?cortex=alpha&counter=1", "INVALID_CORTEX_ID"],
    [`?cortex=${ALPHA}`, "INVALID_CURSOR"],
    [`?cortex=${ALPHA}&counter=0`, "INVALID_CURSOR"],
    [`?cortex=${ALPHA}&counter=1.5`, "INVALID_CURSOR"],
    [`?cortex=${ALPHA}&counter=x`, "INVALID_CURSOR"],
  ])("the question hash%s is answered with 400 %s", async (query, code) => {
    const answer = serveLog(openLog(), { cortexId: ALPHA, authorize: () => true });
    const response = await answer(new Request(`http://log.test/hash${query}`));
    expect([response.status, await response.json()]).toEqual([400, { code }]);
  });

  const post = (body: BodyInit) =>
    new Request("http://log.test/missing", { method: "POST", body, duplex: "half" } as RequestInit);

  test("a slash at the end of a route is none of it, for servers that put one there", async () => {
    const db = openLog();
    const answer = serveLog(db, { cortexId: ALPHA, authorize: () => true });
    // As Next.js with `trailingSlash`, whose redirects this fetch of the app's own follows.
    const follow = over((request) => {
      const url = new URL(request.url);
      if (!url.pathname.endsWith("/")) url.pathname += "/";
      return answer(new Request(url, request));
    });
    const mine = openSqlite().db;
    expect(await pull(mine, httpPeer("http://peer.test/log", { fetch: follow }))).toMatchObject({
      stored: 1,
    });
    expect(await httpPeer("http://peer.test/log", { fetch: follow }).hashAt(ALPHA, 1)).toBe(
      frontier(db)[ALPHA]!.hash,
    );
  });

  test("a body that does not arrive is answered with 408", async () => {
    const answer = serveLog(openLog(), { cortexId: ALPHA, authorize: () => true, timeout: 30 });
    for (const body of [new ReadableStream({ pull: never }), dripping(() => " ", 2).body]) {
      const response = await answer(post(body));
      expect([response.status, await response.json()]).toEqual([408, { code: "TIMEOUT" }]);
    }
  });

  // One on the way keeps what it may, as Varnish does without being asked; one of the asker's what it is not told not to, as
  // Next.js 14 does.
  test.each<[string, (request: Request, response: Response) => boolean]>([
    [
      "on the way",
      ({ method }, { headers }) => method === "GET" && headers.get("cache-control") !== "no-store",
    ],
    ["of the asker's", ({ cache }) => cache !== "no-store"],
  ])("a cache %s keeps no answer, so that no pull sees an old one", async (_, mayKeep) => {
    const [peer, friend, mine] = [openLog(), openSqlite().db, openSqlite().db];
    const kept = new Map<string, Response>();
    const answer = serveLog(peer, { cortexId: ALPHA, authorize: () => true });
    const cached = over(async (request) => {
      const key = `${request.url} ${await request.clone().text()}`;
      const held = kept.get(key);
      if (held) return held.clone();
      const response = await answer(request);
      if (mayKeep(request, response)) kept.set(key, response.clone());
      return response;
    });
    const alpha = openCortex<Action>({ id: ALPHA, origin: "alpha" });
    const beta = openCortex<Action>({ id: BETA, origin: "beta" });
    const served = httpPeer("http://peer.test", { fetch: cached });
    await pull(mine, served);
    peer.transaction((tx) => alpha.append(tx, { action: "update", traceId: "t" }));
    await pull(friend, databasePeer(peer));
    await pull(mine, databasePeer(friend));
    peer.transaction((tx) => beta.append(tx, { action: "update", traceId: "t" }));
    expect(await pull(mine, served)).toMatchObject({ stored: 1, refused: [] });
    peer.transaction((tx) => alpha.append(tx, { action: "update", traceId: "t" }));
    expect(await pull(mine, served)).toMatchObject({ stored: 1, refused: [] });
  });

  test("authorize may read the body of a clone", async () => {
    const authorize = async (request: Request) => (await request.clone().text()).includes("clock");
    const answer = serveLog(openLog(), { cortexId: ALPHA, authorize });
    expect((await answer(post('{"clock":{}}'))).status).toBe(200);
    expect((await answer(post("{}"))).status).toBe(403);
  });

  test("authorize that takes the body away is told so, and nothing is served", async () => {
    for (const authorize of [
      async (request: Request) => (await request.text()) !== "",
      (request: Request) => request.body!.getReader() !== undefined,
    ]) {
      const answer = serveLog(openLog(), { cortexId: ALPHA, authorize });
      expect(await errorOf(() => answer(post('{"clock":{}}')))).toMatchObject({
        ...{ name: "InputError", code: "INVALID_AUTHORIZE" },
        message: expect.stringContaining("request.clone()"),
      });
    }
  });
});
