import { clock } from "../clock.js";
import { checkDatabase, type Database } from "../database.js";
import { type Action, type Actions, MAX_TEXT } from "../event.js";
import { checkULID } from "../field.js";
import { checkedOptions, checkFunction, InputError } from "../input-error.js";
import { parseJson } from "../json.js";
import { formatEvent } from "../json-form.js";
import type { ReadOptions } from "../read.js";
import type { EventsTable } from "../schema.js";
import { tableOf } from "../table.js";
import type { VectorClock } from "../vector-clock.js";
import { CORTEX_HEADER, readBody } from "./body.js";
import { missing } from "./missing.js";

export interface ServeOptions<A extends Actions = Action> extends ReadOptions<A> {
  /** This log's cortex, which peers hold it to. */
  cortexId: string;
  /** Whether the request may read the whole log. Nothing is served without it. */
  authorize: (request: Request) => boolean | Promise<boolean>;
}

const MAX_REQUEST_BYTES = 2 ** 16;
const MAX_PAGE = 1000;

/**
 * Serves a log to peers, as a standard `Request` → `Response` function: `GET …/clock`, and `POST …/missing` with
 * `{ clock, limit }` as JSON, which answers with a page of events in the JSON form, one a line. It only reads:
 * each side pulls. An error of the database is thrown, for the server around it to log.
 *
 * @throws InputError `INVALID_AUTHORIZE`, `INVALID_CORTEX_ID`: when it is made.
 */
export function serveLog<A extends Actions = Action>(
  db: Database,
  options: ServeOptions<A>,
): (request: Request) => Promise<Response> {
  checkDatabase(db);
  const { authorize, cortexId, ...rest } = checkedOptions<ServeOptions<A>>(options ?? null);
  checkFunction(authorize, "INVALID_AUTHORIZE", "authorize");
  checkULID(cortexId, "INVALID_CORTEX_ID", "cortexId");
  const table = tableOf(rest);
  const headers = { [CORTEX_HEADER]: cortexId };
  const refuse = (status: number, code: string) => Response.json({ code }, { status });

  return async (request) => {
    if ((await authorize(request)) !== true) return refuse(403, "FORBIDDEN");
    const route = `${request.method} ${new URL(request.url).pathname.split("/").at(-1)}`;
    if (route === "GET clock") return Response.json(await clock(db, { table }), { headers });
    if (route !== "POST missing") return refuse(404, "NOT_FOUND");
    try {
      const body = await readBody(request.body, MAX_REQUEST_BYTES);
      if (body === undefined) return refuse(413, "BODY_TOO_LARGE");
      const lines = await answerMissing(db, table, body);
      return new Response(lines, { headers: { ...headers, "content-type": "application/x-ndjson" } });
    } catch (error) {
      if (error instanceof InputError) return refuse(400, error.code);
      throw error;
    }
  };
}

async function answerMissing(db: Database, table: EventsTable<any>, body: string): Promise<string> {
  const { clock: theirs, limit = MAX_PAGE } = Object(parseJson(body, "body")) as {
    clock: VectorClock;
    limit?: number;
  };
  const page = await missing(db, theirs, { table, limit: Math.min(limit, MAX_PAGE) });
  return page.map((event) => `${formatEvent<any>(event, { maxDataBytes: MAX_TEXT })}\n`).join("");
}
