/**
 * The package beside both majors of Drizzle and on every driver that npm can bring: `npm run test:drivers`, or only
 * what matches, `npm run test:drivers -- v1 sqlite`. It installs the packed tarball below .data/drivers.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { check as checkOne, counts, summarize } from "../consumer/check.js";
import { attempt, type Outcome, run } from "../consumer/command.js";
import { DATA, installPackage, installPinned, type Major, pack, REPO } from "./install.js";
import { testKit } from "./kit.js";
import { testRecipes } from "./recipes.js";
import { startServer } from "./server.js";

const VERSIONS: Record<Major, string> = { v0: "0.45", v1: "1.0" };
const [onlyMajor, ...wanted] = process.argv.slice(2).filter((word) => word !== "all");
const majors = (["v0", "v1"] as const).filter((major) => !onlyMajor || onlyMajor === major);

const matrix: [cell: string, kept: number, broken: number][] = [];

const tarball = pack();
const tools = installPinned("tools");
for (const major of majors) {
  // The replica's server has no history but its own: one that packs a long log away tells replicas for seconds
  // "snapshot not found" (tursodatabase/libsql #1310).
  const [server, primary] = [await startServer(tools), await startServer(tools)];
  testMajor(major, server.address, primary.address);
  server.close();
  primary.close();
}

for (const [cell, kept, broken] of matrix) console.log(`${cell.padEnd(40)} ${kept} kept, ${broken} broken`);
summarize();

function testMajor(major: Major, address: string, primary: string): void {
  const app = join(DATA, major);
  const named = `Drizzle ${VERSIONS[major]}`;
  const check = (promise: string, body: () => unknown) => checkOne(`${named}: ${promise}`, body);
  if (!check("npm installs the tarball without a word about peers", () => installPackage(major, tarball)))
    return;
  if (wanted.length === 0) {
    testTypes(app, check);
    testKit(app, major, check);
  }
  if (wanted.every((word) => "round trips".includes(word))) {
    check("an operation sends as many requests as docs/drivers.md tells", () => {
      run(app, process.execPath, ["--import", "tsx", "drivers/round-trips.ts", `http://${address}`]);
    });
  }
  if (major === "v0" && wanted.every((word) => "op-sqlite".includes(word))) {
    check("op-sqlite has no transaction in 0.45: what is rolled back stays", () => {
      const { stdout } = run(app, process.execPath, ["--import", "tsx", "drivers/op-sqlite-rollback.ts"]);
      assert.equal(stdout, "2\n");
    });
  }
  if (wanted.every((word) => "recipes".includes(word))) testRecipes(major, { app, tools, address }, check);
  for (const [driver, keep] of Object.entries(driversOf(major, app, address, primary))) {
    if (wanted.every((word) => driver.includes(word))) testDriver(`${named}, ${driver}`, keep);
  }
}

function testTypes(app: string, check: (promise: string, body: () => unknown) => boolean): void {
  const tsc = ["node_modules/typescript/bin/tsc", "--pretty", "false"];
  check("the types say what is right and refuse what is wrong", () => run(app, process.execPath, tsc));
  check("the same as a bundler resolves the package", () => {
    run(app, process.execPath, [...tsc, "--module", "esnext", "--moduleResolution", "bundler"]);
  });
  check("an app that emits declarations can export what the package answers with", () => {
    run(app, process.execPath, [...tsc, "--project", "tsconfig.declarations.json"]);
  });
  check("the package's own declarations have no error without skipLibCheck", () => {
    const { stdout } = attempt(app, process.execPath, [...tsc, "--skipLibCheck", "false"]);
    const errors = stdout.split("\n").filter((line) => /drizzle-event-log.*: error/.test(line));
    assert.deepEqual(errors, []);
  });
}

/** How to keep the contract on each driver: each in a process of its own, which prints its reports. */
function driversOf(
  major: Major,
  app: string,
  address: string,
  primary: string,
): Record<string, () => Outcome> {
  const node = (driver: string, program = process.execPath, file = "drivers/main.ts") => {
    return attempt(app, program, ["--import", "tsx", file, ...driver.split("|")]);
  };
  const workerd = (door: string) => {
    return attempt(REPO, process.execPath, ["--import", "tsx", "test/drivers/workerd.ts", app, door]);
  };
  const deno = (driver: string) => {
    const program = join(tools, "node_modules/@deno/linux-x64-glibc/deno");
    // The imports say .js where the files are .ts, as TypeScript has it.
    const flags = [
      "run",
      "--allow-all",
      "--node-modules-dir=manual",
      "--unstable-sloppy-imports",
      "--no-check",
    ];
    return attempt(app, program, [...flags, "drivers/main.ts", driver]);
  };
  const bun = join(tools, "node_modules/@oven/bun-linux-x64/bin/bun");
  const nodeOf = (version: number) => join(tools, `node_modules/node${version}/bin/node`);
  return {
    "libsql :memory:": () => node("libsql :memory:"),
    "libsql :memory:, bigint": () => node("libsql :memory:, bigint"),
    "libsql :memory:, string": () => node("libsql :memory:, string"),
    "libsql file, openLibsql": () => node("libsql file, openLibsql"),
    "libsql http": () => node(`libsql http|http://${address}`),
    "libsql ws": () => node(`libsql ws|ws://${address}`),
    "libsql embedded replica": () => node(`http://${primary}`, process.execPath, "drivers/replica.ts"),
    "better-sqlite3 file": () => node("better-sqlite3 file"),
    "better-sqlite3 file, bigint": () => node("better-sqlite3 file, bigint"),
    "sql.js": () => node("sql.js"),
    "sqlite-proxy": () => node("sqlite-proxy"),
    "expo-sqlite": () => node("expo-sqlite"),
    D1: () => workerd("d1"),
    "Durable Object": () => workerd("durable-object"),
    "bun:sqlite": () => attempt(app, bun, ["drivers/bun.ts"]),
    "libsql file, openLibsql, Bun": () => attempt(app, bun, ["drivers/main.ts", "libsql file, openLibsql"]),
    "libsql file, openLibsql, Node 22": () => node("libsql file, openLibsql", nodeOf(22)),
    "libsql file, openLibsql, Node 24": () => node("libsql file, openLibsql", nodeOf(24)),
    "libsql file, openLibsql, Deno": () => deno("libsql file, openLibsql"),
    ...(major === "v1" && {
      "node:sqlite, Deno": () => deno("node:sqlite"),
      "Turso Database": () => node("Turso Database"),
      "op-sqlite": () => node("op-sqlite"),
      "node:sqlite, Node 22": () => node("node:sqlite", nodeOf(22)),
      "node:sqlite, Node 24": () => node("node:sqlite", nodeOf(24)),
      "node:sqlite, Node 24, bigint": () => node("node:sqlite, bigint", nodeOf(24)),
    }),
  };
}

function testDriver(cell: string, keep: () => Outcome): void {
  let [kept, broken] = [0, 0];
  const { status, stdout, stderr } = keep();
  for (const line of stdout.split("\n").filter((text) => text.startsWith("{"))) {
    const { promise, failure } = JSON.parse(line) as { promise: string; failure?: string };
    if (failure === undefined) kept++;
    else {
      broken++;
      console.log(`not ok – ${cell}: ${promise}\n${failure}`);
    }
  }
  if (status !== 0 || kept + broken < 20) {
    broken++;
    console.log(
      `not ok – ${cell} ends well: it exited with ${status} after ${kept + broken} promises\n${stderr}`,
    );
  }
  if (broken === 0) console.log(`ok – ${cell}: ${kept} promises kept`);
  matrix.push([cell, kept, broken]);
  counts.passed += kept;
  counts.failed += broken;
}
