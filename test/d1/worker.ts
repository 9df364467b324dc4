/**
 * A Worker with a log on D1: it migrates, appends through a cortex by `batch`, and serves the log to peers. And it does
 * the same naively, for a control.
 */
import { clock, events, feed, type Mutation, newULID, openCortex } from "drizzle-event-log";
import { httpPeer, pull, serveLog } from "drizzle-event-log/federation";
import { checkLog, migrateEvents } from "drizzle-event-log/migrations";
import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

const tallies = sqliteTable("tallies", { writer: text("writer").primaryKey(), n: integer("n").notNull() });

export const CORTEXES = ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "01BX5ZZKBKACTAV9WEVGEMMVS0"] as const;
const cortexes = CORTEXES.map((id) => openCortex({ id, origin: "worker" }));

interface Write {
  writer: number;
  mutation: Mutation;
}

type Db = ReturnType<typeof open>;
const open = (DB: any) => drizzle(DB);

const routes: Record<string, (db: Db, body: any) => unknown> = {
  async migrate(db) {
    await migrateEvents(db);
    await db.run("create table if not exists tallies (writer text primary key, n integer not null)");
    return checkLog(db);
  },

  append: (db, { writer, mutation }: Write) =>
    cortexes[writer % 2]!.batch(db, mutation, [tallyOf(db, writer)], { deadline: 60_000 }),

  /** What one would write without `batch`: it reads, and then writes whatever has come in between. */
  async naive(db, { writer, mutation }: Write) {
    const cortexId = CORTEXES[writer % 2]!;
    const seen = await clock(db);
    const vclock = { ...seen, [cortexId]: (seen[cortexId] ?? 0) + 1 };
    const { action, traceId } = mutation;
    const event = {
      id: newULID(),
      action,
      traceId,
      cortexId,
      origin: "naive",
      timestamp: "2026-01-01T00:00:00Z",
    };
    const proof = `${"0".repeat(64)}.${"0".repeat(32)}`;
    const insert = db.insert(events).values({ ...event, vclock, counter: vclock[cortexId]!, proof });
    await db.batch([tallyOf(db, writer), insert]);
    return { event };
  },

  async audit(db) {
    const [row] = await db.values<[number]>(sql`select coalesce(sum(n), 0) from tallies`);
    return { events: await feed(db, { limit: 10_000 }), tally: row![0] };
  },
};

const tallyOf = (db: Db, writer: number) =>
  db
    .insert(tallies)
    .values({ writer: String(writer), n: 1 })
    .onConflictDoUpdate({ target: tallies.writer, set: { n: sql`n + 1` } });

export default {
  async fetch(request: Request, env: Record<string, unknown>): Promise<Response> {
    const [, log, ...path] = new URL(request.url).pathname.split("/");
    const db = open(env[log!]);
    const answer = serveLog(db, { cortexId: CORTEXES[0], authorize: () => true });
    if (path[0] === "log") return answer(request);
    try {
      // With the runtime's own Request, as its fetch makes one.
      const over = async (...args: Parameters<typeof fetch>) => answer(new Request(...args));
      const peer = httpPeer("http://peer/log", { fetch: over });
      if (path[0] === "pull") return Response.json(await pull(open(env[path[1]!]), peer));
      const body = request.method === "POST" ? await request.json() : undefined;
      return Response.json(await routes[path[0]!]!(db, body));
    } catch (error) {
      const { name, code, message } = error as Error & { code?: string };
      return Response.json({ name, code, message }, { status: 500 });
    }
  },
};
