// A synchronous driver: better-sqlite3.
import assert from "node:assert/strict";
import Database from "better-sqlite3";
import type { StoredEvent } from "drizzle-event-log";
import { append, feed, forTrace, getEvent } from "drizzle-event-log";
import { migrateEvents } from "drizzle-event-log/migrations";
import { drizzle } from "drizzle-orm/better-sqlite3";
import { migrate } from "drizzle-orm/better-sqlite3/migrator";
import { notes } from "./notes.js";
import { promise } from "./promise.js";

const db = drizzle({ client: new Database(":memory:") });
migrate(db, { migrationsFolder: "./own-migrations" });
migrateEvents(db);
const me = { cortexId: "01KAS3D2M80000000000000000", origin: "consumer" };

await promise("better-sqlite3: a synchronous transaction answers with the stored event itself", () => {
  const event: StoredEvent = db.transaction((tx) => {
    tx.insert(notes).values({ id: "n1", title: "Milk" }).run();
    return append(tx, { ...me, action: "create", traceId: "n1", data: { title: "Milk" } });
  });
  assert.equal(event.seq, 1);
  const history: StoredEvent[] = forTrace(db, "n1");
  const found: StoredEvent | undefined = getEvent(db, event.id);
  assert.deepEqual([history, feed(db), found], [[event], [event], event]);
  assert.equal(db.select().from(notes).all().length, 1);
});

await promise("better-sqlite3: a throw after both leaves neither", () => {
  const failing = () =>
    db.transaction((tx) => {
      tx.insert(notes).values({ id: "n2", title: "Bread" }).run();
      append(tx, { ...me, action: "create", traceId: "n2" });
      assert.equal(forTrace(tx, "n2").length, 1);
      throw new Error("after both");
    });
  assert.throws(failing, /^Error: after both$/);
  assert.deepEqual(forTrace(db, "n2"), []);
  assert.equal(db.select().from(notes).all().length, 1);
});
