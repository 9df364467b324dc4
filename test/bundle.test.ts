import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type BuildOptions, buildSync } from "esbuild";
import { Miniflare } from "miniflare";
import { afterAll, describe, expect, test } from "vitest";

const directory = mkdtempSync(join(tmpdir(), "bundle-test-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const ENTRIES: Record<string, string> = {
  root: 'export * from "drizzle-event-log"',
  "append alone": 'export { append } from "drizzle-event-log"',
  schema: 'export * from "drizzle-event-log/schema"',
  migrations: 'export * from "drizzle-event-log/migrations"',
  tracked: 'export * from "drizzle-event-log/tracked"',
  federation: 'export * from "drizzle-event-log/federation"',
};

/** Bundles with Drizzle unless told otherwise; the paths of tsconfig.json lead to src. */
function bundle(contents: string, options: BuildOptions = {}): string {
  const { outputFiles } = buildSync({
    stdin: { contents, resolveDir: process.cwd(), loader: "ts" },
    bundle: true,
    format: "esm",
    minify: true,
    write: false,
    logLevel: "silent",
    ...options,
  });
  return outputFiles![0]!.text;
}

const platforms: Record<string, BuildOptions> = {
  browser: { platform: "browser" },
  // As wrangler does it.
  workerd: {
    platform: "neutral",
    conditions: ["workerd", "worker", "browser"],
    mainFields: ["module", "main"],
  },
};

describe.each(Object.entries(platforms))("in a bundle for %s", (_name, options) => {
  test.each(Object.entries(ENTRIES))("%s has no import of Node's and no import.meta", (_entry, contents) => {
    // Drizzle outside: some of its files read others, and none of those are imported here.
    const code = bundle(contents, { ...options, external: ["drizzle-orm"] });
    expect(code).not.toMatch(/\bimport\.meta\b/);
    // A module that is asked for at run time is none.
    expect(code).not.toMatch(/(?:\bfrom|\bimport|\brequire)\s*\(?\s*["']node:|\brequire\(/);
    bundle(contents, options);
  });
});

/** Hermes is the engine of React Native and Expo: what its compiler refuses cannot be imported there at all. */
function compileForHermes(code: string): void {
  const platform = { linux: "linux64-bin", darwin: "osx-bin", win32: "win64-bin" }[
    process.platform as "linux"
  ];
  const file = join(directory, "bundle.js");
  writeFileSync(file, code);
  const compiler = join("node_modules/hermes-compiler/hermesc", platform, "hermesc");
  execFileSync(compiler, ["-emit-binary", "-out", `${file}.hbc`, file], { stdio: "pipe" });
}

test.each(Object.entries(ENTRIES))("%s compiles for Hermes, Drizzle and all", (_entry, contents) => {
  // React Native's Babel preset takes async generators apart; the rest Hermes knows.
  const supported = { "async-generator": false, "for-await": false };
  compileForHermes(bundle(contents, { format: "iife", globalName: "bundled", supported }));
});

test("Hermes refuses import.meta", () => {
  expect(() => compileForHermes("export const folder = import.meta.url;")).toThrow("import.meta");
});

// In bytes, with Drizzle outside: where each is now, and where it should come to.
const BOUNDS: Record<string, [bound: number, target: number]> = {
  root: [27_100, 14_000],
  "append alone": [13_900, 6_000],
  schema: [1_500, 1_200],
};

test.each(Object.entries(BOUNDS))("the gzip size of %s stays below its bound", (name, [bound, target]) => {
  const bytes = gzipSync(bundle(ENTRIES[name]!, { external: ["drizzle-orm"] }), { level: 9 }).length;
  const verdict = bytes > target ? "OVER" : "pass";
  console.log(`${name}: ${(bytes / 1000).toFixed(2)} kB gzip, target ${target / 1000} kB: ${verdict}`);
  expect(bytes).toBeLessThanOrEqual(bound);
});

describe("migrationsFolder in a bundle", () => {
  const code = `import { migrationsFolder } from "drizzle-event-log/migrations/folder";
    try { console.log(migrationsFolder()) } catch (error) { console.log(error.name, error.code) }`;
  const run = (format: "esm" | "cjs", file: string) => {
    writeFileSync(file, bundle(code, { platform: "node", format }));
    return execFileSync(process.execPath, [file], { encoding: "utf8" }).trim();
  };

  test.each([
    ["esm", "app.mjs"],
    ["cjs", "app.cjs"],
  ] as const)("throws for %s, also beside a folder of the app's own", (format, name) => {
    mkdirSync(join(directory, "app/drizzle/meta"), { recursive: true });
    mkdirSync(join(directory, "app/dist/server"), { recursive: true });
    writeFileSync(join(directory, "app/drizzle/meta/_journal.json"), '{"entries":[]}');
    writeFileSync(join(directory, "app/drizzle/0000_events.sql"), "create table events (id text)");
    expect(run(format, join(directory, "app/dist/server", name))).toBe("MigrationError NO_FOLDER");
  });

  test("answers with the folder where the code is not moved", async () => {
    const { migrationsFolder } = await import("drizzle-event-log/migrations/folder");
    expect(migrationsFolder()).toBe(join(process.cwd(), "drizzle"));
  });
});

describe("openLibsql in a bundle", () => {
  const code = `import { openLibsql } from "drizzle-event-log/libsql";
    import { sql } from "drizzle-orm";
    openLibsql("file:" + process.argv[2]).then((db) => db.values(sql\`select 1 + 1\`)).then(([row]) => console.log(row[0]));`;
  // As webpack does it: the place where the code was when it was built.
  const define = {
    "import.meta.url": '"file:///builder/node_modules/drizzle-event-log/dist/libsql/native.js"',
  };

  test.each<[string, string, BuildOptions]>([
    ["ESM", "mjs", { format: "esm" }],
    ["CommonJS", "cjs", { format: "cjs" }],
    ["CommonJS of webpack's kind", "cjs", { format: "cjs", define }],
  ])("of %s opens a file", (_kind, ending, options) => {
    const folder = mkdtempSync(join(directory, "libsql-"));
    symlinkSync(join(process.cwd(), "node_modules"), join(folder, "node_modules"));
    const file = join(folder, `app.${ending}`);
    writeFileSync(file, bundle(code, { platform: "node", external: ["@libsql/client"], ...options }));
    const args = [file, join(folder, "app.db")];
    expect(execFileSync(process.execPath, args, { encoding: "utf8", cwd: directory })).toBe("2\n");
  });
});

describe("a Worker with D1", () => {
  const worker = `
    import { appendQuery, feed } from "drizzle-event-log";
    import { checkLog, migrateEvents } from "drizzle-event-log/migrations";
    import { drizzle } from "drizzle-orm/d1";
    export default {
      async fetch(request, env) {
        const db = drizzle(env.DB);
        try {
          await Promise.all([migrateEvents(db), migrateEvents(drizzle(env.DB)), migrateEvents(drizzle(env.DB))]);
          await migrateEvents(db);
          const event = { action: "create", traceId: "t", cortexId: "01ARZ3NDEKTSV4RRFFQ69G5FAV", origin: "worker" };
          await db.batch([appendQuery(db, event)]);
          const refused = await db.run("delete from events").then(() => "", (error) => String(error.cause));
          const records = await db.values("select count(*) from __event_log_migrations");
          return Response.json({ report: await checkLog(db), events: (await feed(db)).length, refused, records });
        } catch (error) {
          return new Response(error.stack + " " + error.cause, { status: 500 });
        }
      },
    };`;

  test("migrates it, three at a time, checks it and appends", async () => {
    const script = bundle(worker, platforms.workerd);
    const flare = new Miniflare({
      modules: true,
      script,
      compatibilityDate: "2025-01-01",
      d1Databases: ["DB"],
    });
    try {
      const response = await flare.dispatchFetch("http://localhost/");
      const answer = await response.text();
      expect([response.status, answer]).toEqual([200, expect.any(String)]);
      expect(JSON.parse(answer)).toEqual({
        report: { ok: true, problems: [] },
        events: 1,
        refused: expect.stringContaining("append-only"),
        records: [[2]],
      });
    } finally {
      await flare.dispose();
    }
  });
});
