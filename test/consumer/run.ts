/**
 * A test of the packed tarball, as an app meets it: `npm run test:consumer`, or only its documents with
 * `npm run test:consumer -- docs`, and of those one page: `-- docs guide`. It works in a temporary directory, which it keeps if a check fails.
 */
import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { check, counts, summarize } from "./check.js";
import { attempt, run } from "./command.js";
import { testDocuments } from "./documents.js";

const REPO = fileURLToPath(new URL("../..", import.meta.url));
const APP = fileURLToPath(new URL("app", import.meta.url));
const NAME = "drizzle-event-log";
const DRIVERS = ["@libsql/client", "better-sqlite3", "@types/better-sqlite3", "drizzle-orm"];
const TOOLS = ["@types/node", "drizzle-kit", "tsx", "typescript"];
const ADDON = "node_modules/better-sqlite3/build/Release/better_sqlite3.node";

const manifest = readJson(REPO, "package.json");
const lock = readJson(REPO, "package-lock.json");
// The real path: on some machines the temporary directory is a link.
const root = realpathSync(mkdtempSync(join(tmpdir(), "consumer-")));
const app = join(root, "app");
const packed = join(root, "package");

let tarball = "";

if (check("the package packs", pack)) {
  if (process.argv[2] !== "docs") testPackage();
  testPackedDocuments();
}
if (counts.failed === 0) rmSync(root, { recursive: true });
else console.log(`The apps are kept in ${root}`);
summarize();

function pack(): void {
  run(REPO, "npm", ["pack", "--pack-destination", root], { npm_config_ignore_scripts: "false" });
  tarball = join(root, readdirSync(root).find((name) => name.endsWith(".tgz"))!);
  run(root, "tar", ["-xzf", tarball]);
}

function testPackage(): void {
  testContents();
  cpSync(APP, app, { recursive: true });
  if (!check("npm installs it without a word about peer dependencies", install)) return;
  testTree();
  testTypes();
  testModules();
  testMigrationsOfTheApp();
  testProgram("kit.ts");
  check("drizzle-kit makes the app's own migrations without the events table", () => {
    generate("--config", "own.config.ts");
  });
  testProgram("ready-made.ts");
  testProgram("sync.ts");
}

function testContents(): void {
  const files = filesIn(packed);
  const sources = filesIn(REPO, "src");
  const modules = sources.map((file) => file.replace(/^src/, "dist").replace(/\.ts$/, ""));
  const built = modules.flatMap((name) => [".js", ".js.map", ".d.ts", ".d.ts.map"].map((end) => name + end));
  const migrations = filesIn(REPO, "drizzle");
  const documents = [...filesIn(REPO, "docs"), "CHANGELOG.md", "LICENSE", "README.md", "package.json"];

  check("the tarball holds the build, its sources, the migrations, the documents, and nothing else", () => {
    const expected = [...built, ...sources, ...migrations, ...documents];
    const missing = expected.filter((file) => !files.includes(file));
    const unexpected = files.filter((file) => !expected.includes(file));
    assert.deepEqual({ missing, unexpected }, { missing: [], unexpected: [] });
    assert.ok(migrations.includes("drizzle/meta/_journal.json"));
  });
  check("every source map leads to a source in the tarball", () => {
    const maps = files.filter((file) => file.endsWith(".map"));
    assert.ok(maps.length > 0);
    for (const file of maps) {
      for (const source of readJson(packed, file).sources) {
        assert.ok(existsSync(join(packed, dirname(file), source)), `${file}: ${source}`);
      }
    }
  });
  check("the root and the schema import nothing but drizzle-orm, ulid and @noble/hashes", () => {
    const packages = new Set(["dist/index.js", "dist/schema.js"].flatMap((file) => [...importsOf(file)]));
    assert.deepEqual([...packages].sort(), [
      "@noble/hashes/sha2.js",
      "@noble/hashes/utils.js",
      "drizzle-orm",
      "drizzle-orm/sqlite-core",
      "ulid",
    ]);
  });
  check("installing it runs no script", () => {
    const { scripts } = readJson(packed, "package.json");
    for (const name of ["preinstall", "install", "postinstall", "prepare"]) {
      assert.ok(!(name in scripts), name);
    }
  });
}

/** The packages that a file of the tarball imports, itself or through its own modules. */
function importsOf(file: string, seen = new Set<string>()): Set<string> {
  const packages = new Set<string>();
  if (seen.has(file)) return packages;
  seen.add(file);
  const code = readFileSync(join(packed, file), "utf8");
  for (const [, specifier = ""] of code.matchAll(/\b(?:from|import) ?\(?"([\w@./:-]+)"/g)) {
    if (!specifier.startsWith(".")) packages.add(specifier);
    else for (const name of importsOf(join(dirname(file), specifier), seen)) packages.add(name);
  }
  return packages;
}

function install(): void {
  const others = [...DRIVERS, ...TOOLS].map(packageSpec);
  const { stdout, stderr } = run(app, "npm", ["install", tarball, ...others]);
  assert.doesNotMatch(stdout + stderr, /ERESOLVE|peer/i);
  copyAddon(app);
}

/** Compiling better-sqlite3 takes a minute: take the binary that `npm ci` made here for the same version. */
function copyAddon(dir: string): void {
  if (!existsSync(join(dir, "node_modules/better-sqlite3"))) return;
  mkdirSync(join(dir, dirname(ADDON)), { recursive: true });
  cpSync(join(REPO, ADDON), join(dir, ADDON));
}

function packageSpec(name: string): string {
  if (name === NAME) return tarball;
  const version = lock.packages[`node_modules/${name}`]?.version;
  if (!version) throw new Error(`package-lock.json has no ${name}`);
  return `${name}@${version}`;
}

/** On Drizzle 1.0: what test/drivers/v1 pins, where a document says `@rc`. */
function packageSpecOf1(name: string): string {
  if (!name.endsWith("@rc")) return packageSpec(name);
  const version = readJson(REPO, "test/drivers/v1/package.json").dependencies[name.replace("@rc", "")];
  if (!version) throw new Error(`test/drivers/v1 has no ${name}`);
  return name.replace("@rc", `@${version}`);
}

function testTree(): void {
  check("ulid and @noble/hashes, which have no dependencies, are all that it brings along", () => {
    const tree = JSON.parse(run(app, "npm", ["ls", "--all", "--json"]).stdout);
    const ours = tree.dependencies[NAME];
    const peers = Object.keys(manifest.peerDependencies);
    const brought = Object.keys(ours.dependencies).filter((name) => !peers.includes(name));
    assert.deepEqual(brought.sort(), ["@noble/hashes", "ulid"]);
    for (const name of brought) assert.equal(ours.dependencies[name].dependencies, undefined);
  });
}

function testTypes(): void {
  check("the app compiles in strict mode (nodenext)", () => run(app, "npx", ["tsc"]));
  check("the app compiles as a bundler resolves it", () => {
    run(app, "npx", ["tsc", "-p", "tsconfig.bundler.json"]);
  });
  check("the package's own declarations have no error without skipLibCheck", () => {
    const { stdout } = attempt(app, "npx", ["tsc", "--skipLibCheck", "false", "--pretty", "false"]);
    const places = stdout.split("\n").filter((line) => /^\S.*\(\d+,\d+\): error/.test(line));
    assert.deepEqual(
      places.filter((line) => !/^node_modules\/(?!drizzle-event-log\/)/.test(line)),
      [],
    );
  });
}

function testModules(): void {
  check("plain node imports every entry", () => {
    assert.equal(run(app, "node", ["esm.mjs"]).stderr, "");
  });
  check("CommonJS imports it with import()", () => run(app, "node", ["commonjs/import.cjs"]));
  check("CommonJS requires it", () => run(app, "node", ["commonjs/require.cjs"]));
  check("CommonJS in TypeScript requires it", () => run(app, "npx", ["tsx", "commonjs/main.ts"]));
}

function testMigrationsOfTheApp(): void {
  check("init says what to run where there are no migrations yet", () => {
    const { status, stderr } = attempt(app, "npx", ["drizzle-event-log", "init"]);
    assert.equal(status, 1);
    assert.match(stderr, /npx drizzle-kit generate/);
  });
  check("drizzle-kit finds the re-exported table and makes its migration", () =>
    generate("--name", "tables"),
  );
  check("init adds the triggers of both logs as a custom migration, once, and prints a cortex id", () => {
    const { stdout } = run(app, "npx", ["drizzle-event-log", "init"]);
    assert.match(stdout, /^migrations\/0001_append-only.sql has the triggers of events, memory_events/);
    assert.match(stdout, /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/m);
    const again = run(app, "npx", ["drizzle-event-log", "init"]).stdout;
    assert.match(again, /migrations has the triggers of events, memory_events already/);
    run(app, "npx", ["drizzle-kit", "migrate"]);
  });
  check("drizzle-kit sees no changes after that", () => {
    assert.match(run(app, "npx", ["drizzle-kit", "generate"]).stdout, /No schema changes/);
    assert.equal(filesIn(app, "migrations").filter((file) => file.endsWith(".sql")).length, 2);
  });
}

function generate(...options: string[]): void {
  const { stdout } = run(app, "npx", ["drizzle-kit", "generate", ...options]);
  // Its exit status is 0 also when it fails.
  assert.match(stdout, /\[✓\] Your SQL migration/);
}

/** A program of the app prints its own checks. */
function testProgram(file: string): void {
  const { status, stdout, stderr } = attempt(app, "npx", ["tsx", file]);
  process.stdout.write(stdout);
  const ok = stdout.match(/^ok – /gm)?.length ?? 0;
  const notOk = stdout.match(/^not ok – /gm)?.length ?? 0;
  counts.passed += ok;
  counts.failed += notOk;
  if (status !== 0 || ok === 0) {
    process.stdout.write(stderr);
    if (notOk === 0)
      check(`${file} ends well`, () => assert.fail(`it exited with ${status} after ${ok} checks`));
  }
}

function testPackedDocuments(): void {
  const spec = { "0.45": packageSpec, "1.0": packageSpecOf1 };
  const app = (dir: string, drizzle: keyof typeof spec) => ({
    dir,
    drizzle,
    repository: REPO,
    packageSpec: spec[drizzle],
    afterInstall: () => copyAddon(dir),
  });
  const addTypeScript = (dir: string) => {
    run(dir, "npm", ["install", "--save-dev", ...["typescript", "@types/node"].map(packageSpec)]);
    cpSync(join(APP, "tsconfig.json"), join(dir, "tsconfig.json"));
  };
  const only = process.argv[3];
  testDocuments({ packed, root, app, addTypeScript, only }, check);
}

function readJson(...path: string[]) {
  return JSON.parse(readFileSync(join(...path), "utf8"));
}

/** The files below a directory, with their paths from `base`. */
function filesIn(base: string, below = "."): string[] {
  const entries = readdirSync(join(base, below), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((file) => relative(base, join(file.parentPath, file.name)));
}
