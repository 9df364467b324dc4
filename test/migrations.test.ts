import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import SQLite from "better-sqlite3";
import { createEventsTable } from "drizzle-event-log";
import { checkLog, migrateEvents, migrationStatements, migrationsTable } from "drizzle-event-log/migrations";
import { migrationsFolder } from "drizzle-event-log/migrations/folder";
import { generateSQLiteDrizzleJson, generateSQLiteMigration } from "drizzle-kit/api";
import { drizzle as drizzleSync } from "drizzle-orm/better-sqlite3";
import { migrate as migrateSync } from "drizzle-orm/better-sqlite3/migrator";
import { drizzle } from "drizzle-orm/libsql";
import { migrate } from "drizzle-orm/libsql/migrator";
import { drizzle as drizzleProxy } from "drizzle-orm/sqlite-proxy";
import { afterAll, describe, expect, test } from "vitest";
import { MIGRATIONS } from "../src/migrations/sql.js";
import { triggersSQL } from "../src/migrations/triggers.js";
import { errorOf } from "./fixture.js";

const directory = mkdtempSync(join(tmpdir(), "migrations-test-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
let files = 0;
const newFile = () => join(directory, `${++files}.db`);

const audit = createEventsTable("audit_log");
const kitFolder = { migrationsFolder: migrationsFolder(), migrationsTable };

/** A database by its file, with a look at it that is not the driver's. */
const opened = {
  libsql: (file: string) => drizzle(createClient({ url: `file:${file}` })),
  "better-sqlite3": (file: string) => drizzleSync(new SQLite(file)),
  "sqlite-proxy": (file: string) => openProxy(file, false),
  "a driver with batches only": (file: string) => openProxy(file, true),
};

/** Like D1, when it has no `begin`: its batches are atomic. */
function openProxy(file: string, onlyBatches: boolean) {
  const client = new SQLite(file);
  const query = async (text: string, params: unknown[], method: string) => {
    if (onlyBatches && /^(begin|savepoint)/.test(text)) throw new Error("no transactions here");
    const statement = client.prepare(text);
    if (!statement.reader) return { rows: [statement.run(...params)] as any[] };
    const rows = statement.raw().all(...params);
    return { rows: (method === "get" ? rows[0] : rows) as any[] };
  };
  return drizzleProxy(query, async (batch) => {
    client.exec("begin immediate");
    try {
      const results = [];
      for (const { sql, params, method } of batch) results.push(await query(sql, params, method));
      client.exec("commit");
      return results;
    } catch (error) {
      client.exec("rollback");
      throw error;
    }
  });
}

const drivers = Object.entries(opened);

function look(file: string) {
  const client = new SQLite(file, { readonly: true });
  const all = (text: string) => client.prepare(text).all() as Record<string, unknown>[];
  const schema = all("select type, name, sql from sqlite_master where sql is not null order by type, name");
  const records = schema.some(({ name }) => name === migrationsTable)
    ? all(`select hash, created_at from ${migrationsTable} order by created_at`)
    : [];
  client.close();
  const names = schema.map(({ name }) => String(name)).filter((name) => !name.startsWith("sqlite_"));
  return { schema, records, names };
}

describe("the SQL", () => {
  test.each(MIGRATIONS)(
    "$tag is byte for byte the file in drizzle/, and that in the layout of Drizzle 1.0",
    (one) => {
      const file = readFileSync(`drizzle/${one.tag}.sql`, "utf8");
      expect(one.sql("events")).toBe(file);
      expect(readFileSync(`drizzle/v1/${one.name}/migration.sql`, "utf8")).toBe(file);
      expect(one.hash).toBe(createHash("sha256").update(file).digest("hex"));
      expect(one.name.slice(0, 14)).toBe(
        new Date(one.createdAt).toISOString().replaceAll(/\D/g, "").slice(0, 14),
      );
    },
  );

  test("the journal names the same, at whole seconds", () => {
    const { entries } = JSON.parse(readFileSync("drizzle/meta/_journal.json", "utf8"));
    expect(entries.map(({ tag, when }: any) => [tag, when])).toEqual(
      MIGRATIONS.map(({ tag, createdAt }) => [tag, createdAt]),
    );
    for (const { createdAt } of MIGRATIONS) expect(createdAt % 1000).toBe(0);
    expect(readdirSync("drizzle/v1")).toEqual(MIGRATIONS.map(({ name }) => name));
  });

  test("for another table it is what drizzle-kit makes of that table's schema", async () => {
    const json = await generateSQLiteDrizzleJson({ audit });
    const made = await generateSQLiteMigration(await generateSQLiteDrizzleJson({}), json);
    expect(MIGRATIONS[0]!.sql("audit_log")).toBe(made.join("--> statement-breakpoint\n"));
    expect(MIGRATIONS[1]!.sql("audit_log")).toBe(triggersSQL("audit_log"));
    for (const statement of migrationStatements({ table: audit })) {
      expect(statement).not.toMatch(/[`"']events/);
    }
  });
});

describe.each(drivers)("migrateEvents on %s", (_name, open) => {
  test("makes the log, and another under its own names; run again it changes nothing", async () => {
    const file = newFile();
    const db = open(file) as ReturnType<typeof opened.libsql>;
    expect(await migrateEvents(db)).toBeUndefined();
    await migrateEvents(db, { table: audit });
    expect(await checkLog(db)).toEqual({ ok: true, problems: [] });
    expect(await checkLog(db, { table: audit })).toEqual({ ok: true, problems: [] });
    const before = look(file);
    const own = (table: string) => before.names.filter((name) => name.startsWith(table));
    expect(own("audit_log")).toEqual(own("events").map((name) => name.replace("events", "audit_log")));
    expect(own("events")).toHaveLength(10);
    await migrateEvents(db);
    await migrateEvents(db, { table: audit });
    expect(look(file)).toEqual(before);
  });

  test("Drizzle's own migrator has nothing to do after it", async () => {
    const file = newFile();
    await migrateEvents(open(file) as ReturnType<typeof opened.libsql>);
    const before = look(file);
    migrateSync(opened["better-sqlite3"](file), kitFolder);
    await migrate(opened.libsql(file), kitFolder);
    expect(look(file)).toEqual(before);
    expect(before.records).toEqual(
      MIGRATIONS.map(({ hash, createdAt }) => ({ hash, created_at: createdAt })),
    );
  });

  test("it has nothing to do after Drizzle's own migrator", async () => {
    const file = newFile();
    migrateSync(opened["better-sqlite3"](file), kitFolder);
    const before = look(file);
    await migrateEvents(open(file) as ReturnType<typeof opened.libsql>);
    expect(look(file)).toEqual(before);
  });

  test("what is missing of indexes and triggers is made again, also on a table that another tool made", async () => {
    const file = newFile();
    const client = new SQLite(file);
    client.exec(MIGRATIONS[0]!.sql("events"));
    client.exec("drop index events_actor_index; create index events_branched_index2 on events (trace_id)");
    client.exec("create trigger events_no_update before update on events begin select 1; end");
    const db = open(file) as ReturnType<typeof opened.libsql>;
    await migrateEvents(db);
    expect(await checkLog(db)).toEqual({ ok: true, problems: [] });
    // drizzle-kit push would ask to drop a table that it does not know.
    expect(look(file).names).not.toContain(migrationsTable);
    expect(look(file).names).toContain("events_branched_index2");
  });

  test("a table of the name that is no log is refused, and nothing is changed", async () => {
    const file = newFile();
    new SQLite(file).exec("create table events (id text primary key, origin text not null)");
    const before = look(file);
    const db = open(file) as ReturnType<typeof opened.libsql>;
    const error = await errorOf(() => migrateEvents(db));
    expect(error).toMatchObject({ name: "MigrationError", code: "LOG_DIFFERS" });
    expect((error as any).problems).toContainEqual({ kind: "column", name: "id", problem: "different" });
    expect((error as Error).message).toContain("column seq is missing");
    expect(look(file)).toEqual(before);
  });

  test("a failure half way leaves nothing behind", async () => {
    const file = newFile();
    // Its name is taken by a table: the last statement but one fails.
    new SQLite(file).exec("create table events_branched_index (a)");
    const before = look(file);
    const db = open(file) as ReturnType<typeof opened.libsql>;
    expect(await errorOf(() => migrateEvents(db))).toBeInstanceOf(Error);
    expect(look(file)).toEqual(before);
  });
});
