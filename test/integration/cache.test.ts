import { createClient } from "@libsql/client";
import { feed, openCortex } from "drizzle-event-log";
import { migrateEvents } from "drizzle-event-log/migrations";
import { track } from "drizzle-event-log/tracked";
import { eq, getTableName, sql } from "drizzle-orm";
import { Cache, type MutationOption } from "drizzle-orm/cache/core";
import { drizzle } from "drizzle-orm/libsql";
import { sqliteTable, text } from "drizzle-orm/sqlite-core";
import { beforeEach, describe, expect, test } from "vitest";
import { ALPHA } from "../fixture.js";

/** A cache as apps have it with `global: true`: of each select, until a builder of this process writes to its tables. */
class EverySelect extends Cache {
  readonly entries = new Map<string, { answer: any; tables: string[] }>();

  override strategy() {
    return "all" as const;
  }

  override async get(key: string) {
    return this.entries.get(key)?.answer;
  }

  override async put(key: string, answer: any, tables: string[]) {
    this.entries.set(key, { answer, tables });
  }

  override async onMutate({ tables = [] }: MutationOption) {
    const written = [tables].flat().map((table) => (typeof table === "string" ? table : getTableName(table)));
    for (const [key, entry] of this.entries) {
      if (entry.tables.some((table) => written.includes(table))) this.entries.delete(key);
    }
  }
}

const notes = sqliteTable("notes", { id: text("id").primaryKey(), title: text("title").notNull() });
const tracked = track(notes, { traceId: ({ id }) => id });
const cortex = openCortex({ id: ALPHA, origin: "alpha" });

describe("an app with a cache of every select", () => {
  let client: ReturnType<typeof createClient>;
  let db: ReturnType<typeof drizzle>;

  beforeEach(async () => {
    client = createClient({ url: ":memory:" });
    db = drizzle({ client, cache: new EverySelect() });
    await migrateEvents(db);
    await db.run(sql`create table notes (id text primary key, title text not null)`);
  });

  const rename = (title: string) =>
    db.transaction((tx) => tracked.update(tx, cortex, { title }, eq(notes.id, "1")));

  test("a tracked table sees the row that another program has inserted since", async () => {
    expect(await rename("Milk")).toEqual([]);
    await client.execute("insert into notes values ('1', 'Bread')");
    // The control: what the app's own select answers is old.
    await db.select().from(notes);
    await client.execute("update notes set title = 'Rye'");
    expect(await db.select().from(notes)).toMatchObject([{ title: "Bread" }]);
    expect(await rename("Milk")).toMatchObject([{ data: { title: { from: "Rye", to: "Milk" } } }]);
  });

  test("a tracked table does not see the row that was rolled back", async () => {
    const event = await db.transaction((tx) => tracked.insert(tx, cortex, { id: "1", title: "Milk" }));
    const undone = db.transaction(async (tx) => {
      await tracked.update(tx, cortex, { title: "Bread" }, eq(notes.id, "1"));
      tx.rollback();
    });
    await expect(undone).rejects.toThrow();
    expect(await db.transaction((tx) => tracked.restore(tx, cortex, event))).toEqual([]);
    expect(await rename("Milk")).toEqual([]);
  });

  test("feed sees each event at once", async () => {
    for (const n of [1, 2, 3]) {
      await db.transaction((tx) => cortex.append(tx, { action: "update", traceId: "1" }));
      expect(await feed(db)).toHaveLength(n);
    }
  });
});
