import { append, type NewEvent } from "drizzle-event-log";
import type { drivers, Libsql, Statement } from "./fixture.js";

/** What a plan names: the primary key and the indexes. */
export const PRIMARY = "INTEGER PRIMARY KEY";
export const ID = "events_id_unique";
export const TRACE = "events_trace_id_id_index";
export const PLACE = "events_cortex_id_counter_unique";
export const KEY = "events_idempotency_key_cortex_id_unique";
export const ACTOR = "events_actor_index";

type Query = readonly [name: string, run: (db: Libsql) => unknown, ...rest: unknown[]];

/** The statements that each query runs on a log, by its name, and how SQLite plans a statement. */
export async function capture(
  open: (typeof drivers)[number][1],
  state: string,
  log: readonly NewEvent[],
  queries: readonly Query[],
) {
  const { client, statements, ...database } = await open();
  const db = database.db as Libsql;
  await db.transaction((tx) => append(tx, log));
  if (state === "analyzed") await db.run("analyze");
  const captured = new Map<string, Statement[]>();
  // All queries run before the first EXPLAIN: on libsql one leaves its statement open, and no commit follows.
  for (const [name, run] of queries) {
    statements.length = 0;
    await run(db);
    captured.set(name, [...statements]);
  }
  const explain = async ({ sql, params }: Statement): Promise<string[]> => {
    const query = `explain query plan ${sql}`;
    const rows =
      "prepare" in client
        ? client.prepare<unknown[], { detail: string }>(query).all(...params)
        : (await client.execute({ sql: query, args: params as string[] })).rows;
    return rows.map(({ detail }) => String(detail));
  };
  return { captured, explain };
}

/** The indexes that a plan seeks in. */
export function indexesIn(plan: readonly string[]): Set<string> {
  return new Set(
    plan.flatMap((step) => /^SEARCH .* USING (?:COVERING )?(?:INDEX )?(.*) \(/.exec(step)?.[1] ?? []),
  );
}
