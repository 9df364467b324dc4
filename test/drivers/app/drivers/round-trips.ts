// How many requests an operation sends to a libSQL server by http: `round-trips.ts <address>`.
import assert from "node:assert/strict";
import { createClient } from "@libsql/client";
import { append, appendQuery, feed, forTrace, openCortex } from "drizzle-event-log";
import { migrateEvents } from "drizzle-event-log/migrations";
import { drizzle } from "drizzle-orm/libsql";
import { ALPHA, DROPS, event } from "../contract/log.js";

const [url = ""] = process.argv.slice(2);
let requests = 0;
const counting: typeof fetch = (...args) => {
  requests++;
  return fetch(...args);
};
const client = createClient({ url, fetch: counting });
const db = drizzle({ client });
await client.batch([...DROPS, "drop table if exists __event_log_migrations"], "write");
await migrateEvents(db);
const cortex = openCortex({ id: ALPHA, origin: "alpha" });
const change = (over: object = {}) => ({ action: "update" as const, traceId: "trace", ...over });
const write = (over?: object) => db.transaction((tx) => cortex.append(tx, change(over)));

const hundred = Array.from({ length: 100 }, () => event());
const works: Record<string, () => Promise<unknown>> = {
  "append in a transaction": () => db.transaction((tx) => append(tx, event())),
  "append of 100 events": () => db.transaction((tx) => append(tx, hundred)),
  "append with an idempotency key": () => db.transaction((tx) => append(tx, event({ idempotencyKey: "k" }))),
  "append of 100 events with keys": () =>
    db.transaction((tx) =>
      append(
        tx,
        Array.from({ length: 100 }, (_, i) => event({ idempotencyKey: `k${i}` })),
      ),
    ),
  "appendQuery in a batch": () => db.batch([appendQuery(db, event())]),
  "a cortex after others' events": () => write(),
  "a cortex after its own event": () => write(),
  "a cortex with an idempotency key": () => write({ idempotencyKey: "m" }),
  "a page of feed": () => feed(db, { limit: 10 }),
  "a history": () => forTrace(db, "trace"),
};
const counts: Record<string, number> = {};
for (const [name, work] of Object.entries(works)) {
  requests = 0;
  await work();
  counts[name] = requests;
}
client.close();

// As docs/drivers.md tells. Begin goes with the first statement.
assert.deepEqual(counts, {
  "append in a transaction": 2,
  "append of 100 events": 2,
  "append with an idempotency key": 2,
  "append of 100 events with keys": 3,
  "appendQuery in a batch": 1,
  "a cortex after others' events": 3,
  "a cortex after its own event": 2,
  "a cortex with an idempotency key": 2,
  "a page of feed": 1,
  "a history": 1,
});
