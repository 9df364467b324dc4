import assert from "node:assert/strict";
import { CORTEX_ID, startWorker } from "./tools.js";

const worker = await startWorker("hono-d1", {
  d1Databases: ["DB"],
  bindings: { CORTEX_ID, PEER_TOKEN: "secret" },
});
const call = (path: string, init?: object) => worker.dispatchFetch(`http://worker${path}`, init);
try {
  const database = await worker.getD1Database("DB");
  await database.exec("create table notes (id text primary key, title text not null)");
  const put = (key: string, title: string) =>
    call("/notes/a", { method: "PUT", body: JSON.stringify({ title }), headers: { "idempotency-key": key } });
  // At once: each isolate migrates what is not there.
  const [first, other] = await Promise.all([put("1", "Milk"), call("/notes/b/history")]);
  assert.equal(first.status, 200, await first.clone().text());
  const stored = await first.json();
  assert.equal(stored.vclock[CORTEX_ID], 1);
  assert.deepEqual(await other.json(), []);
  assert.deepEqual(await (await put("1", "Milk")).json(), stored);
  await put("2", "Bread");
  const history = await (await call("/notes/a/history")).json();
  assert.deepEqual(
    history.map(({ data }: any) => data.title),
    ["Milk", "Bread"],
  );
  assert.deepEqual((await database.prepare("select * from notes").all()).results, [
    { id: "a", title: "Bread" },
  ]);
  // The key says another thing: neither the note nor an event is written.
  assert.equal((await put("2", "Butter")).status, 500);
  assert.deepEqual((await database.prepare("select title from notes").all()).results, [{ title: "Bread" }]);
  assert.equal((await call("/log/frontier")).status, 403);
  assert.equal((await call("/log/frontier", { headers: { authorization: "Bearer secret" } })).status, 200);
} finally {
  await worker.dispose();
}
