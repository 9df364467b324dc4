import { checkULID } from "../field.js";
import { checkedOptions, checkFunction, InputError, reading, shapeOf } from "../input-error.js";
import { isPlainObject } from "../json.js";
import { checkLimit } from "../select.js";
import { isULID } from "../ulid.js";
import type { VectorClock } from "../vector-clock.js";
import { CORTEX_HEADER, readBody } from "./body.js";
import { checkedKnown } from "./missing.js";
import type { Peer } from "./peer.js";
import { PeerError } from "./peer-error.js";

export interface HttpPeerOptions {
  /** Default the global `fetch`. */
  fetch?: typeof fetch;
  headers?: Record<string, string>;
  /** The cortex that must answer. Default: the one that answers first, for as long as this peer is used. */
  cortexId?: string;
  /** The most bytes of an answer. Default 64 MiB. */
  maxBytes?: number;
}

const MAX_ANSWER_BYTES = 2 ** 26;

/**
 * A log that is served by `serveLog` at `url`, as a peer. The cortex that answers first is the one that must
 * answer always (`PEER_CHANGED`); keep its id and pass it as `cortexId` to hold it to that across restarts.
 *
 * @throws InputError `INVALID_URL`, `INVALID_CORTEX_ID`, `INVALID_LIMIT`, `INVALID_FUNCTION`: when it is made.
 * @throws PeerError from `clock` and `missing`; and what `fetch` throws.
 */
export function httpPeer(
  url: string | URL,
  options?: HttpPeerOptions,
): Peer & { readonly cortexId: string | undefined } {
  const { headers = {}, maxBytes = MAX_ANSWER_BYTES, fetch: given, ...rest } = checkedHttp(options);
  const base = checkedURL(url);
  let { cortexId } = rest;

  const ask = async (path: string, init: RequestInit, signal?: AbortSignal): Promise<string> => {
    const fetch = given ?? globalThis.fetch;
    const response = await fetch(`${base}/${path}`, {
      ...init,
      ...(signal && { signal }),
      redirect: "error",
    });
    checkResponse(response);
    if (!response.ok) {
      await response.body?.cancel();
      throw new PeerError(
        "HTTP_STATUS",
        `The peer answered with status ${response.status}.`,
        response.status,
      );
    }
    const answering = response.headers.get(CORTEX_HEADER);
    if (!isULID(answering) || answering !== (cortexId ?? answering)) {
      await response.body?.cancel();
      throw new PeerError("PEER_CHANGED", "The peer did not answer as the cortex it was before.");
    }
    cortexId = answering;
    const body = await readBody(response.body, maxBytes).catch((error) => {
      throw error instanceof InputError
        ? new PeerError("INVALID_BODY", "The peer's answer is not UTF-8.")
        : error;
    });
    if (body === undefined)
      throw new PeerError("BODY_TOO_LARGE", `The peer's answer is over ${maxBytes} bytes.`);
    return body;
  };

  return {
    get cortexId() {
      return cortexId;
    },
    async clock(signal) {
      const body = await ask("clock", { headers }, signal);
      try {
        return JSON.parse(body) as VectorClock;
      } catch {
        throw new PeerError("INVALID_BODY", "The peer's clock is not JSON.");
      }
    },
    async missing(clock, limit, signal) {
      const known = { clock: checkedKnown(clock), limit: checkLimit(limit) };
      const init = { method: "POST", body: JSON.stringify(known) };
      const body = await ask(
        "missing",
        { ...init, headers: { "content-type": "application/json", ...headers } },
        signal,
      );
      return body.split("\n").filter((line) => line !== "");
    },
  };
}

function checkedHttp(options: HttpPeerOptions | undefined): HttpPeerOptions {
  const checked = checkedOptions(options);
  const { cortexId, fetch, maxBytes, headers } = checked;
  if (cortexId !== undefined) checkULID(cortexId, "INVALID_CORTEX_ID", "cortexId");
  if (fetch !== undefined) checkFunction(fetch, "INVALID_FUNCTION", "fetch");
  if (maxBytes !== undefined) checkLimit(maxBytes);
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
    const { ok, headers, body } = Object(response) as Partial<Response>;
    const isBody = body === null || typeof body?.[Symbol.asyncIterator] === "function";
    return typeof ok === "boolean" && typeof headers?.get === "function" && isBody;
  });
  if (isResponse) return;
  throw new InputError("INVALID_FUNCTION", "fetch", `must answer with a Response, got ${shapeOf(response)}`);
}

function checkedURL(url: unknown): string {
  return reading("url", () => {
    if (typeof url === "string" || url instanceof URL) return String(url).replace(/\/$/, "");
    throw new InputError("INVALID_URL", "url", `must be a URL, got ${shapeOf(url)}`);
  });
}
