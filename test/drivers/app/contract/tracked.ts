import assert from "node:assert/strict";
import { feed, fold, openCortex } from "drizzle-event-log";
import { rowData, track } from "drizzle-event-log/tracked";
import { eq, sql } from "drizzle-orm";
import { blob, customType, integer, primaryKey, real, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { ALPHA, caught, errorOf, type Log, type TransactionalLog, then } from "./log.js";

class Money {
  constructor(readonly cents: number) {}
}
const money = customType<{ data: Money; driverData: number }>({
  dataType: () => "integer",
  toDriver: ({ cents }) => cents,
  fromDriver: (cents) => new Money(Number(cents)),
});

const items = sqliteTable(
  "items",
  {
    shop: text("shop").notNull(),
    n: integer("n").notNull(),
    title: text("title").notNull().default("untitled"),
    flag: integer("flag", { mode: "boolean" }),
    trashed: text("trashed"),
    ratio: real("ratio"),
    big: blob("big", { mode: "bigint" }),
    bytes: blob("bytes", { mode: "buffer" }),
    json: text("json", { mode: "json" }).$type<object>(),
    price: money("price"),
    secret: text("secret"),
  },
  (table) => [primaryKey({ columns: [table.shop, table.n] })],
);
const DDL = `create table items (shop text not null, n integer not null, title text not null default 'untitled', flag integer,
  trashed text, ratio real, big blob, bytes blob, json text, price integer, secret text,
  primary key (shop, n))`;

const trackedItems = track(items, {
  traceId: ({ shop, n }) => `${shop}/${n}`,
  omit: ["secret"],
  softDelete: "trashed",
});
const cortex = openCortex({ id: ALPHA, origin: "alpha" });
const full = {
  ...{
    shop: "s",
    title: "Milk",
    flag: true,
    ratio: 0.1,
    big: 2n ** 65n,
    price: new Money(7),
    secret: "s3cret",
  },
  ...{ json: { a: [1, null] }, bytes: Buffer.from([0, 255]) },
};

async function withItems(log: Log): Promise<void> {
  await log.run("drop table if exists items");
  await log.run(DDL);
}

/** What a tracked table promises, whatever the driver. */
export const tracked: Record<string, (log: TransactionalLog) => unknown> = {
  async "a tracked table's log folds into its rows"(log) {
    await withItems(log);
    const { db, transaction } = log;
    await transaction((tx) =>
      trackedItems.insert(
        tx,
        cortex,
        [1, 2, 3].map((n) => ({ ...full, n })),
      ),
    );
    const same = {
      bytes: Buffer.from([0, 255]),
      json: { a: [1, null] },
      price: new Money(7),
      big: 2n ** 65n,
    };
    assert.deepEqual(await transaction((tx) => trackedItems.update(tx, cortex, same, sql`true`)), []);
    await transaction((tx) => trackedItems.update(tx, cortex, { title: sql`title || n` }, sql`n > 1`));
    await transaction((tx) => trackedItems.update(tx, cortex, { trashed: "yes" }, eq(items.n, 2)));
    await transaction((tx) => trackedItems.update(tx, cortex, { n: sql`n + 10` }, eq(items.n, 3)));
    await transaction((tx) => trackedItems.delete(tx, cortex, eq(items.n, 1)));
    const history = await feed(db);
    assert.deepEqual(
      history.slice(3).map(({ action, traceId }: any) => `${action} ${traceId}`),
      ["update s/2", "update s/3", "trash s/2", "purge s/3", "create s/13", "purge s/1"],
    );
    const rows: any[] = await db.select().from(items);
    assert.equal(rows.length, 2);
    for (const row of rows) {
      const events = history.filter(({ traceId }) => traceId === `${row.shop}/${row.n}`);
      const folded = fold(events, trackedItems.reducer, undefined);
      assert.deepEqual(folded, rowData(items, row, { omit: ["secret"] }));
    }
    assert.doesNotMatch(JSON.stringify(history), /s3cret/);
  },

  async "a row comes back as it was, with values of every type"(log) {
    await withItems(log);
    const { db, transaction } = log;
    const created = await transaction((tx) => trackedItems.insert(tx, cortex, { ...full, n: 1 }));
    const [before] = await db.select().from(items);
    await transaction((tx) =>
      trackedItems.update(
        tx,
        cortex,
        { flag: null, big: null, bytes: null, json: null, price: null },
        sql`true`,
      ),
    );
    await transaction((tx) => trackedItems.restore(tx, cortex, created));
    assert.deepEqual(await db.select().from(items), [before]);
    const [purged] = await transaction((tx) => trackedItems.delete(tx, cortex, sql`true`));
    await transaction((tx) => trackedItems.restore(tx, cortex, purged!, { values: { secret: "s3cret" } }));
    assert.deepEqual(await db.select().from(items), [before]);
  },

  async "a row that no event can hold is as it was, though the error is caught"(log) {
    await withItems(log);
    const { db, transaction } = log;
    await transaction((tx) => trackedItems.insert(tx, cortex, { ...full, n: 1 }));
    const before = await db.select().from(items);
    const huge = { title: "x".repeat(2 ** 20) };
    await transaction((tx) => caught(() => trackedItems.update(tx, cortex, huge, sql`true`)));
    assert.deepEqual(await db.select().from(items), before);
    const error = await errorOf(() => transaction((tx) => trackedItems.update(tx, cortex, huge, sql`true`)));
    assert.equal(error.code, "DATA_TOO_LARGE");
    assert.equal((await feed(db)).length, 1);
  },

  async "a retried call writes once"(log) {
    await withItems(log);
    const { db, transaction } = log;
    const key = { idempotencyKey: "k" };
    const values = [1, 2].map((n) => ({ ...full, n }));
    const write = () => transaction((tx) => trackedItems.insert(tx, cortex, values, key));
    assert.deepEqual(await write(), await write());
    assert.equal((await db.select().from(items)).length, 2);
    await errorOf(() =>
      transaction((tx) =>
        then(trackedItems.delete(tx, cortex, sql`true`) as any, () => {
          throw new Error("rolled back");
        }),
      ),
    );
    assert.equal((await feed(db)).length, 2);
  },

  async "many rows go in pieces that every driver takes"(log) {
    await withItems(log);
    const { db, transaction } = log;
    const values = Array.from({ length: 120 }, (_, n) => ({ shop: "s", n }));
    await transaction((tx) => trackedItems.insert(tx, cortex, values));
    const updated = await transaction((tx) => trackedItems.update(tx, cortex, { title: "Oats" }, sql`true`));
    assert.deepEqual(
      updated.map(({ traceId }: any) => traceId),
      values.map(({ n }) => `s/${n}`),
    );
    await transaction((tx) => trackedItems.delete(tx, cortex, sql`true`));
    assert.equal((await feed(db)).length, 360);
  },
};

/** And without transactions, where the rows are known. */
export const trackedBatches: Record<string, (log: Log) => unknown> = {
  async "the mutations of known rows go with them in a cortex's batch"(log) {
    await withItems(log);
    const { db } = log;
    const row = { ...full, n: 1, flag: null, trashed: null, big: null, bytes: null };
    const ofRow = eq(items.n, 1);
    const created = await cortex.batch(db, trackedItems.mutations(undefined, row), [
      db.insert(items).values(row),
    ]);
    const next = { ...row, title: "Oats", secret: "another" };
    const change = trackedItems
      .mutations(row, next)
      .map((one) => ({ ...one, expect: created.events[0]!.seq }));
    const write = () => cortex.batch(db, change, [db.update(items).set(next).where(ofRow)]);
    await write();
    assert.equal((await errorOf(write)).code, "STALE_HEAD");
    const rows: any[] = await db.select().from(items);
    const history = await feed(db);
    const folded = fold(history, trackedItems.reducer, undefined);
    // A driver that gives integers as bigints or text gives the row's own so, too.
    const read = rowData(items, { ...rows[0], n: Number(rows[0].n) }, { omit: ["secret"] });
    assert.deepEqual(folded, read);
    await cortex.batch(db, trackedItems.mutations(next, undefined), [db.delete(items).where(ofRow)]);
    assert.deepEqual(
      (await feed(db)).map(({ action }) => action),
      ["create", "update", "purge"],
    );
    assert.doesNotMatch(JSON.stringify(history), /s3cret|another/);
  },
};
