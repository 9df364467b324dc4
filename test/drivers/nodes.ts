/**
 * The main suite on newer versions of Node, side by side, whose programs npm has: `npm run test:nodes`; on one of them,
 * or only some files of it, `npm run test:nodes -- 24 test/append`. better-sqlite3 is compiled for each, once: what is
 * found in .data/nodes is used again.
 */
import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { counts, summarize } from "../consumer/check.js";
import { attemptBeside, run } from "../consumer/command.js";
import { installPinned, REPO } from "./install.js";

/** What another Node would not change, and is slow. */
const LEFT_OUT = [
  // Whether the binding and SQLite bear the texts of 600 MiB that the package asks for.
  "test/huge-events.test.ts",
  // How long the loop stands still: two versions side by side would hold up each other.
  "test/hostile-cost.test.ts",
  "test/divergences.test.ts",
  // The example, whose promise is about what git answers.
  "test/git-history.test.ts",
  // What SQLite plans, and what esbuild and Hermes make of the code.
  "test/query-plan.test.ts",
  "test/cortex-plan.test.ts",
  "test/bundle.test.ts",
];
/** Of each kind of call; a fifth of what the suite makes of it on Node 20. */
const FUZZ_CALLS = "200";

const ADDON = "build/Release/better_sqlite3.node";
const args = process.argv.slice(2);
const wanted = args.filter((arg) => /^\d+$/.test(arg));
const versions = wanted.length > 0 ? wanted : ["22", "24"];
const files = args.filter((arg) => !/^\d+$/.test(arg));
const tools = installPinned("tools");

await Promise.all(versions.map(testOn));
summarize();

async function testOn(version: string): Promise<void> {
  const node = join(tools, `node_modules/node${version}`);
  const folder = copyRepository(version);
  await addAddon(folder, version, node);
  const started = performance.now();
  const leftOut = (files.length > 0 ? [] : LEFT_OUT).flatMap((file) => ["--exclude", file]);
  const { status, stdout, stderr } = await attemptBeside(
    folder,
    join(node, "bin/node"),
    ["node_modules/vitest/vitest.mjs", "run", "--reporter=dot", ...leftOut, ...files],
    { PATH: `${join(node, "bin")}:${process.env.PATH}`, FUZZ_CALLS },
    1_200_000,
  );
  // vitest's "Tests  1 failed | 5 passed (6)"
  const [line = ""] = stdout.match(/^ *Tests {2}.*$/m) ?? [];
  const [passed, failed] = ["passed", "failed"].map((word) =>
    Number(new RegExp(`(\\d+) ${word}`).exec(line)?.[1] ?? 0),
  );
  const broken = status !== 0 && failed === 0 ? 1 : failed!;
  if (broken > 0) console.log(stdout + stderr);
  const seconds = Math.round((performance.now() - started) / 1000);
  console.log(`Node ${version}: ${passed} passed, ${broken} failed, in ${seconds} s`);
  counts.passed += passed!;
  counts.failed += broken;
}

/** What is under version control with its node_modules, but better-sqlite3's addon. */
function copyRepository(version: string): string {
  const folder = join(REPO, ".data/nodes", version);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const files = run(REPO, "git", ["ls-files", "-z"]).stdout.split("\0");
  for (const file of files.filter((name) => name !== "" && existsSync(join(REPO, name)))) {
    cpSync(join(REPO, file), join(folder, file));
  }
  // Of links, for it is large; but what is compiled must not be written through them.
  run(REPO, "cp", ["-al", "node_modules", folder]);
  const sqlite = "node_modules/better-sqlite3";
  const built = join(REPO, sqlite, "build");
  rmSync(join(folder, sqlite), { recursive: true });
  cpSync(join(REPO, sqlite), join(folder, sqlite), { recursive: true, filter: (file) => file !== built });
  return folder;
}

/** Compiles the addon for that Node, with the headers of npm's package, unless it was before. */
async function addAddon(folder: string, version: string, node: string): Promise<void> {
  const sqlite = join(folder, "node_modules/better-sqlite3");
  const addon = join(REPO, `.data/nodes/better_sqlite3-${version}.node`);
  if (!existsSync(addon)) {
    const gyp = process.env.npm_config_node_gyp!;
    // Where it is set in npm's configuration, node-gyp heeds that rather than --nodedir.
    const env = { npm_config_nodedir: node, CFLAGS: "-O1", CXXFLAGS: "-O1" };
    const outcome = await attemptBeside(sqlite, join(node, "bin/node"), [gyp, "rebuild"], env, 900_000);
    if (outcome.status !== 0) throw new Error(`node-gyp failed\n${outcome.stdout}${outcome.stderr}`);
    cpSync(join(sqlite, ADDON), addon);
  }
  mkdirSync(dirname(join(sqlite, ADDON)), { recursive: true });
  cpSync(addon, join(sqlite, ADDON));
}
