import { createClient, type InValue } from "@libsql/client";
import type { BenchEvent } from "../content.js";
import { FEED, FOR_TRACE, INSERT, LATEST, parsed, SINCE, valuesOf } from "./sql.js";
import type { Stack } from "./stack.js";

export const libsqlClient: Stack = {
  name: "@libsql/client",
  schema: "events",
  open: async (file) => {
    const client = createClient({ url: `file:${file}` });
    const select = async (sql: string, ...args: InValue[]) =>
      parsed((await client.execute({ sql, args })).rows);
    const appendOne = (event: BenchEvent) => client.execute({ sql: INSERT, args: valuesOf(event) });
    return {
      synchronous: (mode) => client.execute(`pragma synchronous = ${mode}`),
      appendOne,
      appendStamped: appendOne,
      appendBatch: (events) =>
        client.batch(
          events.map((event) => ({ sql: INSERT, args: valuesOf(event) })),
          "write",
        ),
      feed: (after, limit) => select(FEED, after, limit),
      since: (afterId, limit) => select(SINCE, afterId, limit),
      forTrace: (traceId, limit) => select(FOR_TRACE, traceId, limit),
      latest: (limit) => select(LATEST, limit),
      close: () => client.close(),
    };
  },
};
