import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { attempt, run } from "../consumer/command.js";
import type { Major } from "./install.js";

type Check = (promise: string, body: () => void) => void;

/** What an app does with drizzle-kit when the events table is in its own schema. */
export function testKit(app: string, major: Major, check: Check): void {
  const kit = join(app, "kit");
  const drizzleKit = (...args: string[]) => {
    const { stdout, stderr } = run(kit, join(app, "node_modules/.bin/drizzle-kit"), args);
    return stdout + stderr;
  };
  const inspect = (...args: string[]) => run(kit, process.execPath, ["inspect.mjs", ...args]).stdout;
  check("drizzle-kit generate finds the re-exported table", () => {
    writeApp(kit);
    drizzleKit("generate", "--name", "tables");
    const [tables = ""] = migrationsIn(kit);
    assert.match(readFileSync(tables, "utf8"), /CREATE TABLE `events`/);
  });
  const command = join(app, "node_modules/.bin/drizzle-event-log");
  if (major === "v1") {
    check("drizzle-event-log init makes none that Drizzle would apply before the table", () => {
      const [tables = ""] = migrationsIn(kit).map(dirname);
      const later = join(kit, "migrations/20991231235959_tables");
      renameSync(tables, later);
      const { status, stderr } = attempt(kit, command, ["init"]);
      renameSync(later, tables);
      assert.equal(status, 1);
      assert.match(stderr, /is of a later time/);
      assert.equal(migrationsIn(kit).length, 1);
    });
  }
  check("drizzle-event-log init adds a migration with the triggers, once", () => {
    const init = () => run(kit, command, ["init"]).stdout;
    assert.match(init(), /[0-9A-HJKMNP-TV-Z]{26}/);
    assert.equal(migrationsIn(kit).length, 2);
    init();
    assert.equal(migrationsIn(kit).length, 2);
  });
  check("drizzle-kit migrate makes the log", () => {
    drizzleKit("migrate");
    assert.equal(inspect(), "3 triggers, 6 indexes, 1 events\n");
    assert.equal(inspect("check"), "[]\n");
  });
  if (major === "v1") {
    check("drizzle-kit push leaves its triggers, its indexes and its events", () => {
      drizzleKit("push", "--force");
      assert.equal(inspect(), "3 triggers, 6 indexes, 2 events\n");
      drizzleKit("push", "--force");
      assert.equal(inspect(), "3 triggers, 6 indexes, 3 events\n");
    });
  } else {
    // Of two tables with checks kit 0.31 rebuilds both, on every push: it takes the checks of all for each one's.
    check(
      "drizzle-kit push leaves its indexes and its events, and migrateEvents brings back its triggers",
      () => {
        drizzleKit("push", "--force");
        assert.equal(inspect(), "0 triggers, 6 indexes, 2 events\n");
        assert.equal(inspect("migrate"), "3 triggers, 6 indexes, 3 events\n");
      },
    );
  }
  check("drizzle-kit generate sees no changes after that", () => {
    assert.match(drizzleKit("generate"), /No schema changes/);
    assert.equal(migrationsIn(kit).length, 2);
  });
  check("drizzle-kit check finds no fault", () => {
    drizzleKit("check");
  });
  check("drizzle-kit push of the app's own tables leaves a log that it does not see", () => {
    for (let i = 0; i < 2; i++) drizzleKit("push", "--config", "own.config.ts", "--force");
    assert.equal(inspect(), "3 triggers, 6 indexes, 4 events\n");
    assert.equal(inspect("check"), "[]\n");
  });
}

function writeApp(kit: string): void {
  rmSync(kit, { recursive: true, force: true });
  mkdirSync(kit);
  const files = {
    "schema.ts": `
      import { sqliteTable, text } from "drizzle-orm/sqlite-core";
      export { consumers, events } from "drizzle-event-log/schema";
      export const notes = sqliteTable("notes", { id: text("id").primaryKey() });`,
    "drizzle.config.ts": `
      import { defineConfig } from "drizzle-kit";
      const dbCredentials = { url: "file:app.db" };
      export default defineConfig({ dialect: "turso", schema: "./schema.ts", out: "./migrations", dbCredentials });`,
    "own.ts": `
      import { sqliteTable, text } from "drizzle-orm/sqlite-core";
      export const notes = sqliteTable("notes", { id: text("id").primaryKey(), title: text("title") });`,
    "own.config.ts": `
      import config from "./drizzle.config";
      const tablesFilter = ["!events", "!consumers", "!__event_log_migrations"];
      export default { ...config, schema: "./own.ts", tablesFilter };`,
    // Appends an event, and tells what there is.
    "inspect.mjs": `
      import { createClient } from "@libsql/client";
      import { consumers, feed, openCortex } from "drizzle-event-log";
      import { checkLog, migrateEvents } from "drizzle-event-log/migrations";
      import { drizzle } from "drizzle-orm/libsql";
      const client = createClient({ url: "file:app.db" });
      const db = drizzle({ client });
      if (process.argv[2] === "migrate") await migrateEvents(db);
      if (process.argv[2] === "check") {
        console.log(JSON.stringify((await checkLog(db, { consumers })).problems));
        process.exit();
      }
      const { append: write } = openCortex({ id: "01ARZ3NDEKTSV4RRFFQ69G5FAV", origin: "kit" });
      await db.transaction((tx) => write(tx, { action: "update", traceId: "t" }));
      const { rows } = await client.execute(
        "select type, count(*) as n from sqlite_master where tbl_name = 'events' and sql is not null group by type");
      const count = (type) => rows.find((row) => row.type === type)?.n ?? 0;
      console.log(\`\${count("trigger")} triggers, \${count("index")} indexes, \${(await feed(db)).length} events\`);`,
  };
  for (const [file, text] of Object.entries(files)) writeFileSync(join(kit, file), `${text}\n`);
}

/** The files of SQL, in either major's layout. */
function migrationsIn(kit: string): string[] {
  const files = readdirSync(join(kit, "migrations"), { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => file.endsWith(".sql"))
    .sort()
    .map((file) => join(kit, "migrations", file));
}
