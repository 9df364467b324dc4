import assert from "node:assert/strict";
import { createClient } from "@libsql/client";
import { feed } from "drizzle-event-log";
import { drizzle } from "drizzle-orm/libsql";
import { DROPS } from "../contract/index.js";
import { CORTEX_ID, startWorker } from "./tools.js";

const [url = ""] = process.argv.slice(2);
const client = createClient({ url });
const notes = "create table notes (id text primary key, title text not null)";
await client.batch([...DROPS, "drop table if exists __event_log_migrations", notes], "write");
const worker = await startWorker("turso-worker", {
  bindings: { CORTEX_ID, TURSO_DATABASE_URL: url, TURSO_AUTH_TOKEN: "none" },
});
const call = async (id: string, init?: object) =>
  (await worker.dispatchFetch(`http://worker/${id}`, init)).json();
const put = (id: string, title: string) =>
  call(id, { method: "PUT", body: title, headers: { "idempotency-key": `${id} ${title}` } });
try {
  const milk = await put("a", "Milk");
  assert.deepEqual(milk.vclock, { [CORTEX_ID]: 1 });
  assert.deepEqual(await put("a", "Milk"), milk);
  await Promise.all(["b", "c", "d"].map((id) => put(id, "Bread")));
  const log = await feed(drizzle({ client }));
  assert.deepEqual(await call("a"), [log[0]]);
  assert.deepEqual(
    log.map(({ vclock }) => vclock![CORTEX_ID]),
    [1, 2, 3, 4],
  );
  assert.equal((await client.execute("select * from notes")).rows.length, 4);
} finally {
  await worker.dispose();
}
