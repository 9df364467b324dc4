// The package's own migrations beside the app's, on libsql and better-sqlite3.
import assert from "node:assert/strict";
import { createClient } from "@libsql/client";
import Database from "better-sqlite3";
import { checkLog, migrateEvents, migrationsTable } from "drizzle-event-log/migrations";
import { migrationsFolder } from "drizzle-event-log/migrations/folder";
import { drizzle as drizzleSync } from "drizzle-orm/better-sqlite3";
import { migrate as migrateSync } from "drizzle-orm/better-sqlite3/migrator";
import { drizzle } from "drizzle-orm/libsql";
import { migrate } from "drizzle-orm/libsql/migrator";
import { promise } from "./promise.js";

const ours = { migrationsFolder: migrationsFolder(), migrationsTable };
const own = { migrationsFolder: "./own-migrations" };
type Migrations = { migrationsFolder: string; migrationsTable?: string };
type Driver = { migrate(migrations: Migrations): unknown; asCode(): unknown; all(query: string): unknown };

function libsql(): Driver {
  const client = createClient({ url: ":memory:" });
  const db = drizzle({ client });
  return {
    migrate: (migrations) => migrate(db, migrations),
    asCode: async () => {
      await migrateEvents(db);
      return checkLog(db);
    },
    all: async (query) => (await client.execute(query)).rows.map((row) => ({ ...row })),
  };
}

function betterSqlite3(): Driver {
  const client = new Database(":memory:");
  const db = drizzleSync(client);
  return {
    migrate: (migrations) => migrateSync(db, migrations),
    asCode: () => {
      migrateEvents(db);
      return checkLog(db);
    },
    all: (query) => client.prepare(query).all(),
  };
}

async function contents(driver: Driver) {
  const schema = await driver.all("select type, name, sql from sqlite_master order by name");
  const ourRows = await driver.all(`select * from ${migrationsTable}`);
  const ownRows = await driver.all("select * from __drizzle_migrations");
  return { schema: schema as { type: string; name: string }[], ourRows, ownRows };
}

for (const [name, open] of Object.entries({ libsql, "better-sqlite3": betterSqlite3 })) {
  await promise(`${name}: the package's migrations and the app's work in either order`, async () => {
    const schemas = [];
    for (const order of [
      [ours, own],
      [own, ours],
    ]) {
      const driver = open();
      for (const migrations of order) await driver.migrate(migrations);
      const { schema } = await contents(driver);
      schemas.push(schema);
      const tables = schema.filter(({ type }) => type === "table").map((table) => table.name);
      const expected = ["__drizzle_migrations", "__event_log_migrations", "consumers", "events", "notes"];
      assert.deepEqual(
        tables.filter((table) => !table.startsWith("sqlite_")),
        expected,
      );
      assert.equal(schema.filter(({ type }) => type === "trigger").length, 3);
    }
    assert.deepEqual(schemas[0], schemas[1]);
  });

  await promise(`${name}: running both again changes nothing`, async () => {
    const driver = open();
    await driver.migrate(ours);
    await driver.migrate(own);
    const before = await contents(driver);
    await driver.migrate(own);
    await driver.migrate(ours);
    assert.deepEqual(await contents(driver), before);
  });

  await promise(
    `${name}: migrations as code and the folder leave the same, and nothing for each other to do`,
    async () => {
      const [asCode, folder] = [open(), open()];
      assert.deepEqual(await asCode.asCode(), { ok: true, problems: [] });
      await folder.migrate(ours);
      await folder.migrate(own);
      await asCode.migrate(own);
      const records = async (driver: Driver) => {
        const { schema, ourRows } = await contents(driver);
        const rows = ourRows as { hash: string }[];
        return {
          schema: schema.map(({ type, name }) => `${type} ${name}`),
          hashes: rows.map(({ hash }) => hash),
        };
      };
      const before = await records(folder);
      assert.deepEqual(await records(asCode), before);
      await asCode.migrate(ours);
      assert.deepEqual(await folder.asCode(), { ok: true, problems: [] });
      assert.deepEqual([await records(asCode), await records(folder)], [before, before]);
    },
  );
}
