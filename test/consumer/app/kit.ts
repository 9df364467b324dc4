// The events table in the app's own schema and migrations, on libsql. Runs after drizzle-kit migrate.
import assert from "node:assert/strict";
import { createClient } from "@libsql/client";
import { append, forTrace, type StoredEvent } from "drizzle-event-log";
import { checkLog } from "drizzle-event-log/migrations";
import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/libsql";
import { promise } from "./promise.js";
import { memoryEvents, notes } from "./schema.js";

const client = createClient({ url: "file:app.db" });
const db = drizzle({ client, schema: { notes } });
const me = { cortexId: "01KAS3D2M80000000000000000", origin: "consumer" };

const title = async () => (await db.select().from(notes).where(eq(notes.id, "n1")).get())?.title;

await promise("drizzle-kit makes the events table, a custom one, and indexes named after each", async () => {
  const indexesOf = async (table: string) => {
    const { rows } = await client.execute({
      sql: "select name from sqlite_master where type = 'index' and tbl_name = ? and sql is not null order by name",
      args: [table],
    });
    const names = rows.map((row) => String(row.name));
    for (const name of names) assert.ok(name.startsWith(`${table}_`), name);
    return names.map((name) => name.slice(table.length));
  };
  const indexes = await indexesOf("events");
  assert.ok(indexes.includes("_id_unique"));
  assert.deepEqual(await indexesOf("memory_events"), indexes);
});

await promise("a transaction commits the app's change and its event together", async () => {
  const event: StoredEvent = await db.transaction(async (tx) => {
    await tx.insert(notes).values({ id: "n1", title: "Milk" });
    return append(tx, { ...me, action: "create", traceId: "n1", data: { title: "Milk" } });
  });
  assert.equal(await title(), "Milk");
  assert.deepEqual(await forTrace(db, "n1"), [event]);
});

await promise("a throw after both leaves neither", async () => {
  const failing = db.transaction(async (tx) => {
    await tx.update(notes).set({ title: "Oat milk" }).where(eq(notes.id, "n1"));
    await append(tx, { ...me, action: "update", traceId: "n1", data: { title: "Oat milk" } });
    assert.equal((await forTrace(tx, "n1")).length, 2);
    throw new Error("after both");
  });
  await assert.rejects(failing, /^Error: after both$/);
  assert.equal(await title(), "Milk");
  assert.equal((await forTrace(db, "n1")).length, 1);
});

await promise("a custom table takes the app's own actions, by type and at run time", async () => {
  const published = { ...me, action: "publish", traceId: "n1" } as const;
  const event = await db.transaction((tx) => append(tx, published, { table: memoryEvents }));
  assert.deepEqual(await forTrace(db, "n1", { table: memoryEvents }), [event]);
  assert.equal((await forTrace(db, "n1")).length, 1);

  // @ts-expect-error the default log has no such action
  const notAllowed: Parameters<typeof append>[1] = published;
  assert.equal(notAllowed, published);
  // @ts-expect-error a database is not a transaction
  assert.throws(() => append(db, { ...me, action: "create", traceId: "n2" }), { code: "NOT_A_TRANSACTION" });
});

await promise(
  "the triggers in the app's migrations refuse UPDATE and DELETE, and checkLog misses nothing",
  async () => {
    await assert.rejects(client.execute("update events set origin = 'x'"), /append-only/);
    await assert.rejects(client.execute("delete from events"), /append-only/);
    assert.equal((await forTrace(db, "n1")).length, 1);
    assert.deepEqual(await checkLog(db), { ok: true, problems: [] });
    assert.deepEqual(await checkLog(db, { table: memoryEvents }), { ok: true, problems: [] });
  },
);
