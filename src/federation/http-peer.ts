import { checkULID } from "../field.js";
import type { Frontier } from "../frontier.js";
import { checkedOptions, checkFunction, InputError, reading, shapeOf } from "../input-error.js";
import { isPlainObject } from "../json.js";
import { checkLimit } from "../select.js";
import { isULID } from "../ulid.js";
import { checkMilliseconds, checkSignal } from "../wait.js";
import { type Body, CORTEX_HEADER, discard, readLines, readText } from "./body.js";
import { checkedKnown } from "./missing.js";
import type { Peer } from "./peer.js";
import { PeerError } from "./peer-error.js";
import { limitTime, type TimeLimit, unlessAborted } from "./time-limit.js";

export interface HttpPeerOptions {
  /** Default the global `fetch`. */
  fetch?: typeof fetch;
  headers?: Record<string, string>;
  /** The cortex that must answer. Default: the one that answers first, for as long as this peer is used. */
  cortexId?: string;
  /** The most bytes of an answer. Default 64 MiB. */
  maxBytes?: number;
  /** How many milliseconds may pass without a byte of the answer. Default 30,000. */
  idleTimeout?: number;
  /** How many milliseconds an answer may take in all. Default 300,000. */
  timeout?: number;
}

const MAX_ANSWER_BYTES = 2 ** 26;
const MAX_FRONTIER_BYTES = 2 ** 16;
const MAX_HASH_BYTES = 2 ** 10;

/**
 * A log that is served by `serveLog` at `url`, as a peer; a query in the URL goes with every request. The cortex
 * that answers first is the one that must answer always (`PEER_CHANGED`); keep its id and pass it as `cortexId` to
 * hold it to that across restarts.
 *
 * @throws InputError `INVALID_URL`, `INVALID_CORTEX_ID`, `INVALID_LIMIT`, `INVALID_TIMEOUT`, `INVALID_FUNCTION`,
 * `INVALID_OPTIONS` (`headers`): when it is made.
 * @throws PeerError from its functions; and what `fetch` throws.
 */
export function httpPeer(
  url: string | URL,
  options?: HttpPeerOptions,
): Peer & { readonly cortexId: string | undefined } {
  const { headers = {}, maxBytes = MAX_ANSWER_BYTES, fetch: given, ...rest } = checkedHttp(options);
  const { idleTimeout = 30_000, timeout = 300_000 } = rest;
  const urlOf = checkedURL(url);
  let { cortexId } = rest;

  /** The body of the answer, once its status and its cortex are right. */
  const request = async (path: string, init: RequestInit, { signal }: TimeLimit): Promise<Body> => {
    const fetch = given ?? globalThis.fetch;
    // Not "error", which Workers do not take.
    const answer = fetch(urlOf(path), { ...init, ...NOT_KEPT, signal, redirect: "manual" });
    const response = await unlessAborted(Promise.resolve(answer), signal);
    checkResponse(response);
    const body = response.body === undefined ? wholeOf(response) : response.body;
    try {
      cortexId = answeringIn(response, cortexId);
    } catch (error) {
      discard(body);
      throw error;
    }
    return body;
  };

  const ask = async <T>(
    path: string,
    init: RequestInit,
    read: (body: Body, limit: TimeLimit) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> => {
    checkSignal(signal);
    const limit = limitTime(idleTimeout, timeout, signal);
    try {
      return await read(await request(path, init, limit), limit);
    } finally {
      limit.end();
    }
  };

  const askJson = async (path: string, bytes: number, signal?: AbortSignal): Promise<unknown> => {
    const read = (body: Body, limit: TimeLimit) => readText(body, Math.min(bytes, maxBytes), limit);
    return parseAnswer(await ask(path, { headers }, read, signal));
  };

  return {
    get cortexId() {
      return cortexId;
    },
    async frontier(signal) {
      return (await askJson("frontier", MAX_FRONTIER_BYTES, signal)) as Frontier;
    },
    async hashAt(cortexId, counter, signal) {
      checkULID(cortexId, "INVALID_CORTEX_ID", "cortexId");
      const answer = await askJson(`hash?cortex=${cortexId}&counter=${counter}`, MAX_HASH_BYTES, signal);
      return (Object(answer) as { hash?: string | null }).hash;
    },
    async missing(clock, limit, signal) {
      const known = { clock: checkedKnown(clock), limit: checkLimit(limit) };
      const json = { "content-type": "application/json", ...headers };
      const init = { method: "POST", body: JSON.stringify(known), headers: json };
      const read = (body: Body, time: TimeLimit) => readLines(body, limit, maxBytes, time);
      return ask("missing", init, read, signal);
    },
  };
}

// Next.js 14 keeps answers where it is not told. Workers made for a date before 2024-11-11 refuse to be.
const NOT_KEPT: RequestInit = "cache" in Object(globalThis.Request?.prototype) ? { cache: "no-store" } : {};

/** The cortex that answers. Throws PeerError unless the status is right, and the cortex the one expected, if there is one. */
function answeringIn({ ok, status, headers }: Response, expected: string | undefined): string {
  if (!ok) {
    // A browser does not tell which one it was.
    const isRedirect = status === 0 || (status >= 300 && status < 400);
    const what = isRedirect
      ? `with a redirect, status ${status}, which is not followed`
      : `with status ${status}`;
    throw new PeerError("HTTP_STATUS", `The peer answered ${what}.`, status);
  }
  const answering = headers.get(CORTEX_HEADER);
  if (answering === null) {
    throw new PeerError("PEER_CHANGED", `The answer has no header ${CORTEX_HEADER}: it is not a log's.`);
  }
  if (!isULID(answering) || answering !== (expected ?? answering)) {
    throw new PeerError("PEER_CHANGED", "The peer did not answer as the cortex it was before.");
  }
  return answering;
}

function parseAnswer(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new PeerError("INVALID_BODY", "The peer's answer is not JSON.");
  }
}

function checkedHttp(options: HttpPeerOptions | undefined): HttpPeerOptions {
  const checked = checkedOptions(options);
  const { cortexId, fetch, maxBytes, headers, idleTimeout, timeout } = checked;
  if (cortexId !== undefined) checkULID(cortexId, "INVALID_CORTEX_ID", "cortexId");
  if (fetch !== undefined) checkFunction(fetch, "INVALID_FUNCTION", "fetch");
  if (maxBytes !== undefined) checkLimit(maxBytes, "maxBytes");
  if (idleTimeout !== undefined) checkMilliseconds(idleTimeout, "INVALID_TIMEOUT", "idleTimeout");
  if (timeout !== undefined) checkMilliseconds(timeout, "INVALID_TIMEOUT", "timeout");
  return headers === undefined ? checked : { ...checked, headers: checkedHeaders(headers) };
}

function checkedHeaders(headers: unknown): Record<string, string> {
  return reading("headers", () => {
    const entries = isPlainObject(headers) ? Object.entries(headers) : [[]];
    if (entries.every(([, value]) => typeof value === "string")) return Object.fromEntries(entries);
    const problem = `must be a plain object of texts, got ${shapeOf(headers)}`;
    throw new InputError("INVALID_OPTIONS", "headers", problem);
  });
}

/** A fetch of the caller's may answer with anything. */
function checkResponse(response: unknown): void {
  const isResponse = reading("fetch", () => {
    const { ok, headers, body, text } = Object(response) as Partial<Response>;
    const { getReader, [Symbol.asyncIterator]: each } = Object(body) as Partial<ReadableStream>;
    const isBody = body === null || typeof (body === undefined ? text : (getReader ?? each)) === "function";
    return typeof ok === "boolean" && typeof headers?.get === "function" && isBody;
  });
  if (isResponse) return;
  throw new InputError("INVALID_FUNCTION", "fetch", `must answer with a Response, got ${shapeOf(response)}`);
}

/** React Native's answers have their text alone, and only as a whole. */
async function* wholeOf(response: Response): AsyncGenerator<Uint8Array, void, undefined> {
  yield new TextEncoder().encode(await response.text());
}

/** The URL of a route under the one given, whose query comes after the route's own. */
function checkedURL(url: unknown): (route: string) => string {
  const given = reading("url", () => {
    if (typeof url === "string" || url instanceof URL) return String(url);
    throw new InputError("INVALID_URL", "url", `must be a URL, got ${shapeOf(url)}`);
  });
  // What fetch throws quotes all of it.
  if (!isAddress(given))
    throw new InputError("INVALID_URL", "url", `must be a URL or a path, got ${shapeOf(url)}`);
  if (/^[^/]*\/\/[^/?#]*@/.test(given)) {
    throw new InputError("INVALID_URL", "url", "holds a name or a password: give them in `headers`");
  }
  const [, path = "", query = ""] = /^([^?#]*)(?:\?([^#]*))?/.exec(given) ?? [];
  return (route) => {
    const [name, own] = route.split("?");
    const queries = [own, query].filter(Boolean).join("&");
    return `${path.replace(/\/$/, "")}/${name}${queries && "?"}${queries}`;
  };
}

/** Where there are pages a path alone will do, on the page's host. */
function isAddress(url: string): boolean {
  if (url.startsWith("/")) return true;
  try {
    return /^[a-z][a-z\d+.-]*:\/\//i.test(url) && new URL(url) !== undefined;
  } catch {
    return false;
  }
}
