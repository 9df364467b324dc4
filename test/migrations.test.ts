import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient } from "@libsql/client";
import SQLite from "better-sqlite3";
import { consumers, createConsumersTable, createEventsTable } from "drizzle-event-log";
import {
  checkLog,
  type LogReport,
  migrateEvents,
  migrationStatements,
  migrationsTable,
} from "drizzle-event-log/migrations";
import { migrationsFolder } from "drizzle-event-log/migrations/folder";
import { generateSQLiteDrizzleJson, generateSQLiteMigration } from "drizzle-kit/api";
import { drizzle as drizzleSync } from "drizzle-orm/better-sqlite3";
import { migrate as migrateSync } from "drizzle-orm/better-sqlite3/migrator";
import { drizzle } from "drizzle-orm/libsql";
import { migrate } from "drizzle-orm/libsql/migrator";
import { drizzle as drizzleProxy } from "drizzle-orm/sqlite-proxy";
import { afterAll, describe, expect, expectTypeOf, test } from "vitest";
import { MIGRATIONS } from "../src/migrations/sql.js";
import { triggersSQL } from "../src/migrations/triggers.js";
import { errorOf, inputErrorOf } from "./fixture.js";

const directory = mkdtempSync(join(tmpdir(), "migrations-test-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
let files = 0;
const newFile = () => join(directory, `${++files}.db`);

const audit = createEventsTable("audit_log");
const auditConsumers = createConsumersTable("audit_log_consumers");
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
  const answer = (text: string, params: unknown[], method: string) => {
    if (onlyBatches && /^(begin|savepoint)/.test(text)) throw new Error("no transactions here");
    const statement = client.prepare(text);
    if (!statement.reader) return { rows: [statement.run(...params)] as any[] };
    const rows = statement.raw().all(...params);
    return { rows: (method === "get" ? rows[0] : rows) as any[] };
  };
  const query = async (text: string, params: unknown[], method: string) => answer(text, params, method);
  return drizzleProxy(query, async (batch) => {
    client.exec("begin immediate");
    try {
      const results = batch.map(({ sql, params, method }) => answer(sql, params, method));
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
    const json = await generateSQLiteDrizzleJson({ audit, auditConsumers });
    const made = await generateSQLiteMigration(await generateSQLiteDrizzleJson({}), json);
    const tables = (statements: readonly string[]) => [...statements].sort();
    const own = MIGRATIONS[0]!.sql("audit_log", "audit_log_consumers").split("--> statement-breakpoint\n");
    expect(tables(own)).toEqual(tables(made));
    expect(MIGRATIONS[1]!.sql("audit_log")).toBe(triggersSQL("audit_log"));
    for (const statement of migrationStatements({ table: audit })) {
      expect(statement).not.toMatch(/[`"'](events|consumers)/);
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
    const isConsumers = (name: string) => name.endsWith("consumers");
    expect(before.names.filter(isConsumers)).toEqual(["audit_log_consumers", "consumers"]);
    const own = (table: string) =>
      before.names.filter((name) => name.startsWith(table) && !isConsumers(name));
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

  test("a log of another name is not taken for this one by Drizzle's own migrator", async () => {
    const file = newFile();
    await migrateEvents(open(file) as ReturnType<typeof opened.libsql>, { table: audit });
    migrateSync(opened["better-sqlite3"](file), kitFolder);
    expect(checkLog(opened["better-sqlite3"](file))).toEqual({ ok: true, problems: [] });
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

  test("a table of consumers that is the app's own is refused, and nothing is changed, until it is given a name", async () => {
    const file = newFile();
    new SQLite(file).exec("create table consumers (id integer primary key, name text)");
    const before = look(file);
    const db = open(file) as ReturnType<typeof opened.libsql>;
    const error = await errorOf(() => migrateEvents(db));
    expect(error).toMatchObject({ name: "MigrationError", code: "LOG_DIFFERS" });
    expect((error as any).problems).toContainEqual({
      ...{ kind: "column", name: "consumers.seq", problem: "missing" },
    });
    expect(look(file)).toEqual(before);
    const consumers = createConsumersTable("followers");
    await migrateEvents(db, { consumers });
    expect(await checkLog(db, { consumers })).toEqual({ ok: true, problems: [] });
    expect(look(file).names).toEqual(expect.arrayContaining(["consumers", "followers"]));
  });

  test("a table of consumers that is missing is made again where this package made the log, and only there", async () => {
    const file = newFile();
    const db = open(file) as ReturnType<typeof opened.libsql>;
    await migrateEvents(db);
    const made = look(file);
    new SQLite(file).exec("drop table consumers");
    const missing = { kind: "table", name: "consumers", problem: "missing" };
    expect(await checkLog(db)).toEqual({ ok: false, problems: [missing] });
    await migrateEvents(db);
    expect(await checkLog(db)).toEqual({ ok: true, problems: [] });
    expect(look(file)).toEqual(made);

    const others = newFile();
    new SQLite(others).exec(`${MIGRATIONS[0]!.sql("events")}; drop table consumers`);
    const ofOthers = open(others) as ReturnType<typeof opened.libsql>;
    await migrateEvents(ofOthers);
    expect(look(others).names).not.toContain("consumers");
    expect(await checkLog(ofOthers)).toEqual({ ok: true, problems: [] });
    expect(await checkLog(ofOthers, { consumers: createConsumersTable() })).toEqual({
      ...{ ok: false, problems: [missing] },
    });
  });

  test("a table of consumers that is there already stays", async () => {
    const file = newFile();
    new SQLite(file).exec(`${MIGRATIONS[0]!.sql("events")}; drop table events;
      insert into consumers (name, seq, skipped) values ('kept', 0, 0)`);
    const db = open(file) as ReturnType<typeof opened.libsql>;
    await migrateEvents(db);
    expect(await checkLog(db)).toEqual({ ok: true, problems: [] });
    expect(new SQLite(file).prepare("select name from consumers").all()).toEqual([{ name: "kept" }]);
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

/** Resolves when the process has printed so much, or has ended. */
const firstWord = (child: ChildProcess) => Promise.race([once(child.stdout!, "data"), once(child, "exit")]);

describe("at the same time", () => {
  test("six processes of two drivers end well, each log is made once", async () => {
    const logs = Array.from({ length: 15 }, newFile);
    const script = fileURLToPath(new URL("migrating-process.ts", import.meta.url));
    const children = ["libsql", "better-sqlite3", "libsql", "libsql", "better-sqlite3", "libsql"].map(
      (driver, i) =>
        spawn("node_modules/.bin/tsx", [script, driver, String(i), ...logs], {
          stdio: ["pipe", "pipe", "pipe"],
        }),
    );
    const errors = children.map(async ({ stderr }) => Buffer.concat(await stderr.toArray()).toString());
    await Promise.all(children.map(firstWord));
    const ends = children.map((child) => once(child, "exit"));
    for (const { stdin } of children) stdin.write("go\n");
    const codes = (await Promise.all(ends)).map(([code]) => code);
    expect([codes, await Promise.all(errors)]).toEqual([
      [0, 0, 0, 0, 0, 0],
      ["", "", "", "", "", ""],
    ]);
    for (const file of logs) {
      const { records, names } = look(file);
      expect(records).toHaveLength(MIGRATIONS.length);
      expect(names.filter((name) => name.startsWith("events"))).toHaveLength(10);
      expect(names.filter((name) => name.startsWith("by "))).toHaveLength(6);
    }
  });

  test.each(drivers)("eight calls on one database of %s end well", async (_name, open) => {
    const file = newFile();
    const db = open(file) as ReturnType<typeof opened.libsql>;
    await Promise.all(Array.from({ length: 8 }, (_, i) => migrateEvents(db, i % 2 ? { table: audit } : {})));
    expect(look(file).records).toHaveLength(MIGRATIONS.length);
    expect([await checkLog(db), await checkLog(db, { table: audit })]).toEqual([
      { ok: true, problems: [] },
      { ok: true, problems: [] },
    ]);
  });

  test("batches of two databases at once: the second finds what the first has made", async () => {
    const file = newFile();
    const [a, b] = [openProxy(file, true), openProxy(file, true)];
    await Promise.all([migrateEvents(a), migrateEvents(b)]);
    expect(look(file).records).toHaveLength(MIGRATIONS.length);
  });
});

describe("migrateEvents", () => {
  test("answers with a value on a synchronous driver, also inside a transaction of the caller's", () => {
    const file = newFile();
    const db = opened["better-sqlite3"](file);
    const answer = () =>
      db.transaction((tx) => {
        expect(migrateEvents(tx)).toBeUndefined();
        expect(checkLog(tx).ok).toBe(true);
        throw new Error("undo");
      });
    expect(answer).toThrow("undo");
    expect(look(file).names).toEqual([]);
    migrateEvents(db);
    expectTypeOf(checkLog(db)).toEqualTypeOf<LogReport>();
    expectTypeOf(migrateEvents(opened.libsql(file))).toEqualTypeOf<Promise<void>>();
  });

  test("applies what Drizzle's migrator has not come to, and records it", () => {
    const file = newFile();
    const client = new SQLite(file);
    migrateEvents(drizzleSync(client));
    client.exec(
      "drop trigger events_no_update; drop trigger events_no_delete; drop trigger events_no_replace",
    );
    const before = `delete from ${migrationsTable} where created_at = ${MIGRATIONS[1]!.createdAt}`;
    client.exec(before);
    migrateEvents(drizzleSync(client));
    expect(checkLog(drizzleSync(client)).ok).toBe(true);
    expect(look(file).records).toHaveLength(2);
  });

  test("a table of migrations as Drizzle 1.0 makes it gets the names, too", () => {
    const client = new SQLite(":memory:");
    client.exec(`create table ${migrationsTable} (id integer primary key, hash text not null, created_at numeric,
      name text, applied_at text)`);
    migrateEvents(drizzleSync(client));
    const rows = client.prepare(
      `select name, created_at, applied_at is not null as dated from ${migrationsTable}`,
    );
    expect(rows.all()).toEqual(
      MIGRATIONS.map(({ name, createdAt }) => ({ name, created_at: createdAt, dated: 1 })),
    );
  });

  test("what a later version has made is left as it is", () => {
    const client = new SQLite(":memory:");
    const db = drizzleSync(client);
    migrateEvents(db);
    client.exec(`insert into ${migrationsTable} (hash, created_at) values ('later', 9e12)`);
    client.exec("drop trigger events_no_update");
    migrateEvents(db);
    expect(checkLog(db).problems).toEqual([
      { kind: "trigger", name: "events_no_update", problem: "missing" },
    ]);
  });

  test("on D1's kind of database a table that is no log is refused at once, not for ten seconds", async () => {
    const file = newFile();
    new SQLite(file).exec("create view events as select 1 as id");
    const begun = performance.now();
    expect(await errorOf(() => migrateEvents(openProxy(file, true)))).toMatchObject({ code: "LOG_DIFFERS" });
    expect(performance.now() - begun).toBeLessThan(1000);
  });

  test("takes nothing but a database and an events table", () => {
    expect(inputErrorOf(() => migrateEvents({} as any)).code).toBe("NOT_A_DATABASE");
    const db = opened["better-sqlite3"](newFile());
    expect(inputErrorOf(() => migrateEvents(db, { table: "events" as any })).code).toBe("INVALID_TABLE");
    expect(inputErrorOf(() => checkLog(db, 1 as any)).code).toBe("INVALID_OPTIONS");
  });
});

describe("checkLog", () => {
  const table = MIGRATIONS[0]!.sql("events");
  const from = (...statements: string[]) => checkLog(made(...statements));
  const made = (...statements: string[]) => {
    const client = new SQLite(":memory:");
    for (const statement of statements) client.exec(statement);
    return drizzleSync(client);
  };
  const triggers = triggersSQL("events");

  test("says what is missing", () => {
    expect(from()).toEqual({ ok: false, problems: [{ kind: "table", name: "events", problem: "missing" }] });
    const missing = ["update", "delete", "replace"].map((what) => `events_no_${what}`);
    expect(from(table).problems).toEqual(
      missing.map((name) => ({ kind: "trigger", name, problem: "missing" })),
    );
  });

  test.each([
    ["a column's type", ["`actor` text", "`actor` integer"], "column actor different"],
    ["a column's NOT NULL", ["`origin` text NOT NULL", "`origin` text"], "column origin different"],
    [
      "a column's collation",
      ["`id` text NOT NULL", "`id` text NOT NULL COLLATE NOCASE"],
      "column id different",
    ],
    ["no AUTOINCREMENT", ["AUTOINCREMENT ", ""], "column seq different"],
    [
      "a missing column",
      ["\t`branched` integer,\n", "\t`x` integer,\n"],
      "column branched missing, column x unknown",
    ],
    [
      "another check",
      ["length(actor) between 1 and 255", "length(actor) between 1 and 256"],
      "check events_actor_check different",
    ],
    ["a check's letters", ["'[A-Za-z]*'", "'[A-za-z]*'"], "check events_action_check different"],
    [
      "a missing check",
      [',\n\tCONSTRAINT "events_branched_check" CHECK(branched = 1)', ""],
      "check events_branched_check missing",
    ],
    [
      "a constraint too many",
      ["CHECK(branched = 1)", "CHECK(branched = 1), UNIQUE (actor)"],
      "table events different",
    ],
    [
      "an index of other columns",
      ["(`trace_id`,`id`)", "(`id`,`trace_id`)"],
      "index events_trace_id_id_index different",
    ],
    [
      "an index that is not unique",
      ["UNIQUE INDEX `events_id_unique`", "INDEX `events_id_unique`"],
      "index events_id_unique different",
    ],
    [
      "an index of other rows",
      ["WHERE branched = 1", "WHERE branched = 0"],
      "index events_branched_index different",
    ],
    [
      "a missing index",
      ["CREATE INDEX `events_actor_index` ON `events` (`actor`) WHERE actor is not null", "select 1"],
      "index events_actor_index missing",
    ],
    [
      "a trigger that does nothing",
      ["'events is append-only: no UPDATE'", "'?'"],
      "trigger events_no_update different",
    ],
    ["a trigger at another time", ["BEFORE DELETE", "AFTER DELETE"], "trigger events_no_delete different"],
    [
      "a unique index of others",
      [
        "BEGIN\n\tSELECT RAISE(ABORT, 'events is append-only: no UPDATE');\nEND;",
        "BEGIN\n\tSELECT RAISE(ABORT, 'events is append-only: no UPDATE');\nEND; create unique index mine on events (origin);",
      ],
      "index mine unknown",
    ],
    [
      "a trigger of others that passes over events",
      [
        "BEGIN\n\tSELECT RAISE(ABORT, 'events is append-only: no UPDATE');\nEND;",
        `BEGIN\n\tSELECT RAISE(ABORT, 'events is append-only: no UPDATE');\nEND;
          create trigger mine insert on events when new.action = 'view' begin select raise(ignore); end;
          create trigger harmless after insert on events begin select raise(ignore); end;`,
      ],
      "trigger mine unknown",
    ],
  ])("sees %s", (_what, [before, after], expected) => {
    const all = `${table};${triggers}`;
    expect(all).toContain(before);
    if (table.includes("`branched` integer,\n") && expected.includes("branched missing")) {
      // Its check and index name it.
      const without = all.replace(before!, after!).replaceAll("branched = 1", "1");
      const { problems } = from(without.replace("ON `events` (`trace_id`) WHERE 1", "ON `events` (`x`)"));
      const columns = problems.filter(({ kind }) => kind === "column");
      expect(columns.map(({ kind, name, problem }) => `${kind} ${name} ${problem}`).join(", ")).toBe(
        expected,
      );
      return;
    }
    const { ok, problems } = from(all.replace(before!, after!));
    expect(problems.map(({ kind, name, problem }) => `${kind} ${name} ${problem}`).join(", ")).toBe(expected);
    expect(ok).toBe(false);
  });

  test.each([
    [
      "as drizzle-kit 1.0 writes it",
      [
        ["AUTOINCREMENT NOT NULL", "AUTOINCREMENT"],
        ["PRIMARY KEY NOT NULL", "PRIMARY KEY"],
      ],
    ],
    [
      "in other quotes, letters and spaces",
      [
        ["`", '"'],
        ["text NOT NULL", "TEXT  not\n null"],
        ["CHECK(", "check ("],
      ],
    ],
    [
      "in other signs, as Turso Database keeps it",
      [
        ["<> -1", "!= - 1"],
        ["branched = 1", "branched == 1"],
      ],
    ],
    [
      "with comments and IF NOT EXISTS",
      [
        ["CREATE TABLE", "create table if not exists /* ; ( */"],
        ["BEFORE", "--x (\n BEFORE"],
      ],
    ],
    [
      "with other names of indexes, checks and triggers",
      [
        ["events_id_unique", "a"],
        ["events_id_check", "b"],
        ["events_no_update", "c"],
      ],
    ],
    [
      "beside the app's own triggers and indexes",
      [
        [
          "BEGIN\n\tSELECT RAISE(ABORT, 'events is append-only: no UPDATE');\nEND;",
          "BEGIN\n\tSELECT RAISE(ABORT, 'events is append-only: no UPDATE');\nEND; create index mine on events (origin); create trigger t after insert on events begin select 1; end;",
        ],
      ],
    ],
  ])("the same %s is the same", (_what, changes) => {
    let all = `${table};${triggers}`;
    for (const [before, after] of changes) {
      expect(all).toContain(before);
      all = all.replaceAll(before!, after!);
    }
    expect(checkLog(made(all), { consumers })).toEqual({ ok: true, problems: [] });
  });

  test("a table rebuilt as drizzle-kit does it has lost its triggers and nothing else", () => {
    const statements = table.split("--> statement-breakpoint");
    const indexes = statements.filter((statement) => statement.includes("INDEX"));
    const create = statements.find((statement) => statement.includes("CREATE TABLE `events`"))!;
    const rebuild = `${create.replace("`events`", "`__new_events`")} drop table events;
      alter table __new_events rename to events; ${indexes.join("")}`;
    const { problems } = from(`${table};${triggers}`, rebuild);
    expect(problems.map(({ kind }) => kind)).toEqual(["trigger", "trigger", "trigger"]);
    expect(from(`${table};${triggers}`, rebuild, triggers).ok).toBe(true);
  });
});
