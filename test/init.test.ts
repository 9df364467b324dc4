import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import SQLite from "better-sqlite3";
import { isULID } from "drizzle-event-log";
import { checkLog } from "drizzle-event-log/migrations";
import { drizzle } from "drizzle-orm/better-sqlite3";
import { afterAll, describe, expect, test } from "vitest";
import { logsIn, replay } from "../src/migrations/replay.js";
import { MIGRATIONS } from "../src/migrations/sql.js";
import { triggersSQL } from "../src/migrations/triggers.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "init-test-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** An app with a drizzle-kit of its own. */
function newApp(name: string, config = "") {
  const dir = join(directory, name);
  mkdirSync(dir);
  symlinkSync(join(ROOT, "node_modules"), join(dir, "node_modules"));
  const save = (file: string, text: string) => writeFileSync(join(dir, file), text);
  save(
    "drizzle.config.ts",
    `const dialect: string = "sqlite";
    export default { dialect, schema: "./schema.ts", out: "./sql/here", dbCredentials: { url: "app.db" }, ${config} };`,
  );
  const call = (script: string, args: string[], environment = {}) => {
    const env = { ...process.env, NO_COLOR: "1", ...environment };
    const { stdout, stderr, status } = spawnSync(script, args, { cwd: dir, encoding: "utf8", env });
    return { output: stdout + stderr, status };
  };
  const kit = (...args: string[]) => call("node_modules/.bin/drizzle-kit", args).output;
  const init = (...args: string[]) =>
    call("node_modules/.bin/tsx", [join(ROOT, "src/migrations/command.ts"), "init", ...args]);
  return { dir, save, call, kit, init };
}

const NOTES = `import { sqliteTable, text } from "drizzle-orm/sqlite-core";
  export const notes = sqliteTable("notes", { id: text("id").primaryKey() });`;
const EVENTS = `export { events } from ${JSON.stringify(join(ROOT, "src/schema.ts"))};`;

describe("init", () => {
  test("in a project with migrations: says what to run first, adds the triggers, again only after a rebuild", () => {
    const { dir, save, kit, init } = newApp("app");
    save("schema.ts", NOTES);
    kit("generate", "--name", "first");
    expect(init()).toMatchObject({ status: 1, output: expect.stringContaining("npx drizzle-kit generate") });

    // A log without NOT NULL: the next change of it is a rebuild.
    const older = MIGRATIONS[0]!.sql("events").replace("`origin` text NOT NULL", "`origin` text");
    save("schema.ts", `${NOTES}\n${EVENTS}`);
    kit("generate", "--name", "events");
    const { output, status } = init();
    expect([status, output.split("\n")[0]]).toEqual([
      0,
      "sql/here/0002_append-only.sql has the triggers of events. Now run:",
    ]);
    expect(isULID(output.trim().split("\n").at(-1)!)).toBe(true);
    expect(init().output).toContain("sql/here has the triggers of events already: nothing to do.");
    expect(kit("generate")).toContain("No schema changes");

    kit("generate", "--custom", "--name", "rebuild");
    const statements = older.split("--> statement-breakpoint");
    const create = statements.find((statement) => statement.includes("CREATE TABLE `events`"))!;
    const rebuild = create.replace("`events`", "`__new_events`");
    const rename =
      "DROP TABLE `events`;--> statement-breakpoint\nALTER TABLE `__new_events` RENAME TO `events`;";
    save("sql/here/0003_rebuild.sql", `${rebuild}--> statement-breakpoint\n${rename}`);
    expect(init().output).toContain("sql/here/0004_append-only-2.sql has the triggers of events.");
    kit("migrate");
    const { problems } = checkLog(drizzle(new SQLite(join(dir, "app.db"))));
    expect(problems.filter(({ kind }) => kind === "trigger")).toEqual([]);
    expect(problems).toContainEqual({ kind: "column", name: "origin", problem: "different" });
  });

  test("finds a drizzle-kit that is in no node_modules, as Yarn's Plug'n'Play has it", () => {
    const { dir, save, call, kit } = newApp("plugged");
    save("schema.ts", EVENTS);
    kit("generate", "--name", "events");
    // A link. rmSync of Node 24 takes it for the directory.
    unlinkSync(join(dir, "node_modules"));
    const [tsx, command] = ["node_modules/tsx/dist/cli.mjs", "src/migrations/command.ts"].map((file) =>
      join(ROOT, file),
    );
    save(
      "plugged.cjs",
      `const Module = require("node:module");
      const [find, elsewhere] = [Module._resolveFilename, Module.createRequire(${JSON.stringify(tsx)})];
      Module._resolveFilename = (name, ...rest) =>
        name === "drizzle-kit" ? elsewhere.resolve("../../drizzle-kit/index.js") : find(name, ...rest);`,
    );
    const init = (NODE_OPTIONS: string) => call(process.execPath, [tsx!, command!, "init"], { NODE_OPTIONS });
    expect(init("--require ./plugged.cjs").output).toContain(
      "0001_append-only.sql has the triggers of events",
    );
    expect(init("")).toMatchObject({ status: 1, output: expect.stringContaining("is not installed here") });
  });

  test("where the configuration cannot be read, or is another database's, it says so", () => {
    const { save, init } = newApp("other", 'dialect: "postgresql"');
    expect(init()).toMatchObject({ status: 1, output: expect.stringMatching(/is postgresql.*--config/) });
    save("drizzle.config.ts", "export default {;");
    expect(init()).toMatchObject({ status: 1, output: expect.stringContaining("cannot read") });
    expect(init("--config", "none.ts")).toMatchObject({ status: 1, output: "There is no none.ts.\n" });
    expect(init("--nonsense").status).toBe(1);
    expect(init("--out", "./sql/elsewhere").status).toBe(1); // drizzle-kit writes where the configuration says
    expect(readFileSync(join(directory, "other/drizzle.config.ts"), "utf8")).toBe("export default {;");
  });
});

describe("init leaves the migrations as they are", () => {
  /** With migrations of a log, whose triggers were lost in a rebuild. */
  function rebuilt(name: string, config?: string) {
    const app = newApp(name, config);
    const file = (path: string) => join(app.dir, "sql/here", path);
    const read = (path: string) => readFileSync(file(path), "utf8");
    app.save("schema.ts", EVENTS);
    app.kit("generate", "--name", "tables");
    app.init();
    app.kit("generate", "--custom", "--name", "rebuild");
    const journal = JSON.parse(read("meta/_journal.json")) as { entries: { tag: string; when: number }[] };
    const [tables, triggers, rebuild] = journal.entries.map(({ tag }) => tag);
    const drop = "DROP TABLE `events`;--> statement-breakpoint\n";
    app.save(`sql/here/${rebuild}.sql`, drop + read(`${tables}.sql`));
    return { ...app, journal, file, read, triggers: triggers! };
  }

  test("drizzle-kit gives them names without numbers: the second file of triggers is not the first", () => {
    const { read, init, triggers } = rebuilt("unnumbered", 'migrations: { prefix: "none" }');
    const before = read(`${triggers}.sql`);
    expect(before).toContain("CREATE TRIGGER `events_no_update`");
    expect(init()).toMatchObject({ status: 0, output: expect.stringContaining("_append-only-2.sql has") });
    expect(read(`${triggers}.sql`)).toBe(before);
    expect(read("_append-only-2.sql")).toContain("CREATE TRIGGER `events_no_update`");
  });

  test("the last is of a later time than the clock: Drizzle would pass over a new one, so none is made", () => {
    const { dir, save, read, init, journal } = rebuilt("ahead");
    const set = (when: number) => {
      journal.entries.at(-1)!.when = when;
      save("sql/here/meta/_journal.json", JSON.stringify(journal));
    };
    const files = () => readdirSync(dir, { recursive: true });
    const before = files();
    set(Date.now() + 3_600_000);
    expect(init()).toMatchObject({
      status: 1,
      output: expect.stringMatching(/later time .* by 3\d{3} seconds/),
    });
    expect(files()).toEqual(before);
    set(Date.now());
    expect(init().status).toBe(0);
    const { entries } = JSON.parse(read("meta/_journal.json")) as typeof journal;
    expect(entries).toHaveLength(4);
    expect(entries[3]!.when).toBeGreaterThan(entries[2]!.when);
  });

  test("one cannot be read: it is named", () => {
    const { save, file, init, triggers } = rebuilt("unreadable");
    rmSync(file(`${triggers}.sql`));
    const lost = init();
    expect(lost).toMatchObject({ status: 1, output: expect.stringContaining(`${triggers}.sql`) });
    save("sql/here/meta/_journal.json", "<<<<<<< HEAD");
    const conflict = init();
    expect(conflict).toMatchObject({
      status: 1,
      output: expect.stringContaining("_journal.json cannot be read"),
    });
    for (const { output } of [lost, conflict]) expect(output).not.toMatch(/\n +at /);
  });
});

describe("replay", () => {
  const [events, audit] = ["events", "audit"].map((name) => MIGRATIONS[0]!.sql(name));
  const logs = (...migrations: string[]) => logsIn(replay(migrations));

  test.each<[string, string[], boolean]>([
    ["without triggers", [events!], false],
    ["with them", [events!, triggersSQL("events")], true],
    ["with one of them", [events!, triggersSQL("events").split("--> ")[0]!], false],
    ["with another of their names", [events!, triggersSQL("events").replace("no UPDATE", "?")], false],
    [
      "with one dropped",
      [events!, triggersSQL("events"), "drop trigger if exists `events_no_update`;"],
      false,
    ],
    [
      "without breakpoints",
      [`${events}${triggersSQL("events")}`.replaceAll("--> statement-breakpoint", "")],
      true,
    ],
    ["dropped and made again", [events!, triggersSQL("events"), "drop table events", events!], false],
  ])("a log %s", (_what, migrations, hasTriggers) => {
    expect(logs(...migrations)).toEqual([{ name: "events", hasTriggers }]);
  });

  test("finds each log, also under a new name, and no other table", () => {
    expect(logs(events!, audit!, "create table notes (id text)", triggersSQL("audit"))).toEqual([
      { name: "events", hasTriggers: false },
      { name: "audit", hasTriggers: true },
    ]);
    expect(logs(events!, "alter table `events` rename to `log`;")).toMatchObject([{ name: "log" }]);
    expect(logs(events!, "drop table `events`;")).toEqual([]);
    const added = MIGRATIONS[0]!.sql("events").replace("\t`vclock` text,\n", "");
    expect(logs(added, "alter table `events` add `vclock` text;")).toMatchObject([{ name: "events" }]);
  });
});
