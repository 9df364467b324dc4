// The raw drivers, which have one API: prepared statements, run one by one.
import type { BenchEvent } from "../content.js";
import { FEED, FOR_TRACE, INSERT, LATEST, parsed, SINCE, valuesOf } from "./sql.js";
import type { Log, Stack } from "./stack.js";
import { optional } from "./stack.js";

export interface Driver {
  exec(sql: string): unknown;
  prepare(sql: string): { run(...values: unknown[]): unknown; all(...values: unknown[]): unknown[] };
  close(): unknown;
}

export const rawLibsql: Stack = {
  name: "libsql",
  schema: "events",
  open: (file) => openDriver("libsql", file),
};

export const betterSqlite3: Stack = {
  name: "better-sqlite3",
  schema: "events",
  open: (file) => openDriver("better-sqlite3", file),
};

async function openDriver(name: string, file: string): Promise<Log> {
  const driver = await optional<{ default: new (file: string) => Driver }>(name);
  if (!driver) throw new Error("not installed");
  return preparedLog(new driver.default(file));
}

function preparedLog(db: Driver): Log {
  const insert = db.prepare(INSERT);
  const [feed, since, forTrace, latest] = [FEED, SINCE, FOR_TRACE, LATEST].map((sql) => db.prepare(sql));
  const appendOne = (event: BenchEvent) => insert.run(...valuesOf(event));
  return {
    synchronous: (mode) => db.exec(`pragma synchronous = ${mode}`),
    appendOne,
    appendStamped: appendOne,
    appendBatch: (events) => {
      db.exec("begin immediate");
      for (const event of events) insert.run(...valuesOf(event));
      db.exec("commit");
    },
    feed: (after, limit) => parsed(feed!.all(after, limit)),
    since: (afterId, limit) => parsed(since!.all(afterId, limit)),
    forTrace: (traceId, limit) => parsed(forTrace!.all(traceId, limit)),
    latest: (limit) => parsed(latest!.all(limit)),
    close: () => db.close(),
  };
}
