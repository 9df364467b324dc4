import assert from "node:assert/strict";
import { createClient } from "@libsql/client";
import { feed } from "drizzle-event-log";
import { httpPeer, pull } from "drizzle-event-log/federation";
import { migrateEvents } from "drizzle-event-log/migrations";
import { drizzle } from "drizzle-orm/libsql";
import { startWorker } from "./tools.js";

const worker = await startWorker("durable-object", {
  durableObjects: { LOGS: { className: "Log", useSQLite: true } },
  bindings: { PEER_TOKEN: "secret" },
});
try {
  for (const title of ["Milk", "Bread"]) {
    const answer = await worker.dispatchFetch("http://worker/note", {
      ...{ method: "POST", body: JSON.stringify({ title }) },
    });
    assert.equal(answer.status, 201, await answer.clone().text());
  }
  const history = await (await worker.dispatchFetch("http://worker/note")).json();
  assert.deepEqual(
    history.map(({ cortexId, vclock }: any) => vclock[cortexId]),
    [1, 2],
  );

  const db = drizzle({ client: createClient({ url: ":memory:" }) });
  await migrateEvents(db);
  const fetchIt = (url: any, init: any) => worker.dispatchFetch(String(url), init);
  const peer = (token: string) =>
    httpPeer("http://worker/log/", { fetch: fetchIt as any, headers: { authorization: `Bearer ${token}` } });
  await assert.rejects(async () => pull(db, peer("wrong")), { name: "PeerError" });
  assert.equal((await pull(db, peer("secret"))).stored, 2);
  assert.deepEqual(await feed(db), history);
} finally {
  await worker.dispose();
}
