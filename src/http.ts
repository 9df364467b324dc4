import { clock } from "./clock.js";
import type { Database } from "./database.js";
import { type Action, type Actions, checkULID, formatEvent } from "./event.js";
import { missing } from "./federation.js";
import { InputError, shapeOf } from "./input-error.js";
import { parseJson } from "./json.js";
import type { Peer } from "./pull.js";
import type { ReadOptions } from "./read.js";
import { isULID } from "./ulid.js";
import type { VectorClock } from "./vector-clock.js";

export interface HandlerOptions<A extends Actions = Action> extends ReadOptions<A> {
  /** This log's cortex, which peers hold it to. */
  cortexId: string;
  /** Whether the request may read the whole log. Nothing is served without it. */
  authorize: (request: Request) => boolean | Promise<boolean>;
}

export interface HttpPeerOptions {
  /** Default the global `fetch`. */
  fetch?: typeof fetch;
  headers?: Record<string, string>;
  /** The cortex that must answer. Default: the one that answers first, for as long as this peer is used. */
  cortexId?: string;
  /** The most bytes of an answer. Default 64 MiB. */
  maxBytes?: number;
}

export type PeerErrorCode = "HTTP_STATUS" | "BODY_TOO_LARGE" | "INVALID_BODY" | "PEER_CHANGED";

/** A peer over HTTP did not answer as a log does. Nothing was taken from the answer. */
export class PeerError extends Error {
  override readonly name = "PeerError";

  constructor(
    readonly code: PeerErrorCode,
    message: string,
    /** The HTTP status, if that is what was wrong. */
    readonly status?: number,
  ) {
    super(message);
  }
}

const CORTEX_HEADER = "event-log-cortex";
const MAX_REQUEST_BYTES = 2 ** 16;
const MAX_ANSWER_BYTES = 2 ** 26;
const MAX_PAGE = 1000;

/**
 * Serves a log to peers, as a standard `Request` → `Response` function: `GET …/clock`, and `POST …/missing` with
 * `{ clock, limit }` as JSON, which answers with a page of events in the JSON form, one a line. It only reads:
 * each side pulls. An error of the database is thrown, for the server around it to log.
 *
 * @throws InputError `INVALID_AUTHORIZE`, `INVALID_CORTEX_ID`: when it is made.
 */
export function handler<A extends Actions = Action>(
  db: Database,
  { authorize, cortexId, table }: HandlerOptions<A>,
): (request: Request) => Promise<Response> {
  if (typeof authorize !== "function") {
    throw new InputError("INVALID_AUTHORIZE", "authorize", `must be a function, got ${shapeOf(authorize)}`);
  }
  checkULID(cortexId, "INVALID_CORTEX_ID", "cortexId");
  const options = table ? { table } : {};
  const headers = { [CORTEX_HEADER]: cortexId };
  const refuse = (status: number, code: string) => Response.json({ code }, { status });

  return async (request) => {
    if ((await authorize(request)) !== true) return refuse(403, "FORBIDDEN");
    const route = `${request.method} ${new URL(request.url).pathname.split("/").at(-1)}`;
    if (route === "GET clock") return Response.json(await clock(db, options), { headers });
    if (route !== "POST missing") return refuse(404, "NOT_FOUND");
    try {
      const body = await readBody(request.body, MAX_REQUEST_BYTES);
      if (body === undefined) return refuse(413, "BODY_TOO_LARGE");
      const { clock: theirs, limit = MAX_PAGE } = Object(parseJson(body, "body")) as {
        clock: VectorClock;
        limit: number;
      };
      const page = await missing(db, theirs, { ...options, limit: Math.min(limit, MAX_PAGE) });
      const lines = page.map(
        (event) => `${formatEvent<any>(event, { maxDataBytes: Number.MAX_SAFE_INTEGER })}\n`,
      );
      return new Response(lines.join(""), {
        headers: { ...headers, "content-type": "application/x-ndjson" },
      });
    } catch (error) {
      if (error instanceof InputError) return refuse(400, error.code);
      throw error;
    }
  };
}

/**
 * A log that is served by `handler` at `url`, as a peer. The cortex that answers first is the one that must
 * answer always (`PEER_CHANGED`); keep its id and pass it as `cortexId` to hold it to that across restarts.
 *
 * @throws PeerError from `clock` and `missing`; and what `fetch` throws.
 */
export function httpPeer(
  url: string | URL,
  options: HttpPeerOptions = {},
): Peer & { readonly cortexId: string | undefined } {
  const { headers = {}, maxBytes = MAX_ANSWER_BYTES } = options;
  const base = String(url).replace(/\/$/, "");
  let { cortexId } = options;

  const ask = async (path: string, init: RequestInit, signal?: AbortSignal): Promise<string> => {
    const fetch = options.fetch ?? globalThis.fetch;
    const response = await fetch(`${base}/${path}`, {
      ...init,
      ...(signal && { signal }),
      redirect: "error",
    });
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
      const init = { method: "POST", body: JSON.stringify({ clock, limit }) };
      const body = await ask(
        "missing",
        { ...init, headers: { "content-type": "application/json", ...headers } },
        signal,
      );
      return body.split("\n").filter((line) => line !== "");
    },
  };
}

/** The text of a body, or undefined as soon as it is longer than `maxBytes`. Throws InputError unless it is UTF-8. */
async function readBody(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
): Promise<string | undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const decode = (chunk?: Uint8Array): string => {
    try {
      return decoder.decode(chunk, { stream: chunk !== undefined });
    } catch {
      throw new InputError("INVALID_JSON", "body", "is not UTF-8");
    }
  };
  let bytes = 0;
  let text = "";
  // Leaving the loop early cancels the stream.
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) return undefined;
    text += decode(chunk);
  }
  return text + decode();
}
