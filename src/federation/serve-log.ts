import { checkDatabase, type Database } from "../database.js";
import type { Action, Actions, StoredEvent } from "../event.js";
import { checkULID } from "../field.js";
import { frontier, hashAt } from "../frontier.js";
import { checkedOptions, checkFunction, InputError } from "../input-error.js";
import { parseJson } from "../json.js";
import { textOf } from "../json-form.js";
import type { ReadOptions } from "../read.js";
import type { EventsTable } from "../schema.js";
import { checkLimit } from "../select.js";
import { run } from "../steps.js";
import { tableOf } from "../table.js";
import type { VectorClock } from "../vector-clock.js";
import { checkMilliseconds, nextTurn } from "../wait.js";
import { CORTEX_HEADER, readText } from "./body.js";
import { checkedKnown, readMissing } from "./missing.js";
import { PeerError, type PeerErrorCode } from "./peer-error.js";
import { limitTime } from "./time-limit.js";

export interface ServeOptions<A extends Actions = Action> extends ReadOptions<A> {
  /** This log's cortex, which peers hold it to. */
  cortexId: string;
  /** Whether the request may read the whole log. Nothing is served without it. */
  authorize: (request: Request) => boolean | Promise<boolean>;
  /** How many milliseconds the body of a request may take to arrive. Default 30,000. */
  timeout?: number;
}

const MAX_REQUEST_BYTES = 2 ** 16;
const MAX_PAGE = 1000;
// A page ends with the event that brings it over this: the asker has a bound, and this process has others to serve.
const PAGE_BYTES = 2 ** 22;
const TURN_CHARACTERS = 2 ** 19;

/**
 * Serves a log to peers, as a standard `Request` → `Response` function. It only reads: each side pulls. An error of the
 * database is thrown, for the server around it to log.
 * - `GET …/frontier` answers with the frontier.
 * - `GET …/hash?cortex=…&counter=…` answers `{ hash }`, null where the log holds no such event.
 * - `POST …/missing` with `{ clock, limit }` as JSON answers with a page of events in the JSON form, one a line.
 *
 * An `authorize` that needs the request's body reads that of `request.clone()`; one that takes the body itself
 * away is told so by an InputError `INVALID_AUTHORIZE`, thrown likewise.
 *
 * @throws InputError `INVALID_AUTHORIZE`, `INVALID_CORTEX_ID`, `INVALID_TIMEOUT`: when it is made.
 */
export function serveLog<A extends Actions = Action>(
  db: Database,
  options: ServeOptions<A>,
): (request: Request) => Promise<Response> {
  checkDatabase(db);
  const { authorize, cortexId, timeout = 30_000, ...rest } = checkedOptions<ServeOptions<A>>(options ?? null);
  checkFunction(authorize, "INVALID_AUTHORIZE", "authorize");
  checkULID(cortexId, "INVALID_CORTEX_ID", "cortexId");
  checkMilliseconds(timeout, "INVALID_TIMEOUT", "timeout");
  const table = tableOf(rest);
  const headers = { ...NOT_KEPT, [CORTEX_HEADER]: cortexId };

  return async (request) => {
    if ((await authorize(request)) !== true) return refuse(403, "FORBIDDEN");
    const { pathname, searchParams } = new URL(request.url);
    const route = `${request.method} ${pathname.replace(/\/$/, "").split("/").at(-1)}`;
    if (route === "GET frontier") return Response.json(await frontier(db, { table }), { headers });
    if (!["GET hash", "POST missing"].includes(route)) return refuse(404, "NOT_FOUND");
    // Not a mistake of the peer's, which would be told to it.
    refuseTakenBody(request);
    try {
      if (route === "GET hash") {
        const counter = Number(searchParams.get("counter"));
        const hash = await hashAt(db, searchParams.get("cortex") as string, counter, { table });
        return Response.json({ hash: hash ?? null }, { headers });
      }
      const lines = await answerMissing(db, table, await bodyOf(request, timeout));
      return new Response(lines, { headers: { ...headers, "content-type": "application/x-ndjson" } });
    } catch (error) {
      if (error instanceof PeerError) return refuse(STATUSES[error.code] ?? 400, error.code);
      if (error instanceof InputError) return refuse(400, error.code);
      throw error;
    }
  };
}

// A frontier that a cache has kept is compared with a log that has moved on, and a page is only for who may read it.
const NOT_KEPT = { "cache-control": "no-store" };

const refuse = (status: number, code: string) => Response.json({ code }, { status, headers: NOT_KEPT });

const STATUSES: Partial<Record<PeerErrorCode, number>> = { TIMEOUT: 408, BODY_TOO_LARGE: 413 };

function refuseTakenBody(request: Request): void {
  if (request.bodyUsed || request.body?.locked) {
    const problem =
      "or what ran before it has taken the request's body away: let it read that of request.clone()";
    throw new InputError("INVALID_AUTHORIZE", "authorize", problem);
  }
}

async function bodyOf(request: Request, timeout: number): Promise<string> {
  const limit = limitTime(timeout, timeout);
  try {
    return await readText(request.body, MAX_REQUEST_BYTES, limit);
  } finally {
    limit.end();
  }
}

async function answerMissing(db: Database, table: EventsTable<any>, body: string): Promise<string> {
  const { clock: theirs, limit = MAX_PAGE } = Object(parseJson(body, "body")) as {
    clock: VectorClock;
    limit?: number;
  };
  const most = Math.min(checkLimit(limit), MAX_PAGE);
  const page: StoredEvent<any>[] = await run(
    db,
    readMissing(db, table, checkedKnown(theirs), most, PAGE_BYTES),
  );
  let lines = "";
  let turnAt = TURN_CHARACTERS;
  for (const event of page) {
    lines += `${textOf(event)}\n`;
    if (lines.length > PAGE_BYTES) break;
    if (lines.length < turnAt) continue;
    turnAt = lines.length + TURN_CHARACTERS;
    await nextTurn();
  }
  return lines;
}
