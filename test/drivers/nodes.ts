/**
 * The main suite on newer versions of Node, whose programs npm has: `npm run test:nodes`; on one of them, or only some
 * files of it, `npm run test:nodes -- 24 test/append`. better-sqlite3 is compiled for each, once, which takes a minute or
 * two; what is found below .data/nodes is used again.
 */
import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { attempt, run } from "../consumer/command.js";
import { installPinned, REPO } from "./install.js";

const ADDON = "node_modules/better-sqlite3/build/Release/better_sqlite3.node";
const args = process.argv.slice(2);
const wanted = args.filter((arg) => /^\d+$/.test(arg));
const versions = wanted.length > 0 ? wanted : ["22", "24"];
const files = args.filter((arg) => !/^\d+$/.test(arg));
const tools = installPinned("tools");
const counts = { passed: 0, failed: 0 };

for (const version of versions) testOn(version);
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed === 0 ? 0 : 1;

function testOn(version: string): void {
  const node = join(tools, `node_modules/node${version}`);
  const program = join(node, "bin/node");
  const folder = copyRepository(version, node, program);
  const { status, stdout, stderr } = attempt(
    folder,
    program,
    ["node_modules/vitest/vitest.mjs", "run", "--reporter=dot", ...files],
    { PATH: `${join(node, "bin")}:${process.env.PATH}` },
    1_200_000,
  );
  // vitest's "Tests  1 failed | 5 passed (6)"
  const [line = ""] = stdout.match(/^ *Tests {2}.*$/m) ?? [];
  const [passed, failed] = ["passed", "failed"].map((word) =>
    Number(new RegExp(`(\\d+) ${word}`).exec(line)?.[1] ?? 0),
  );
  const broken = status !== 0 && failed === 0 ? 1 : failed!;
  if (broken > 0) console.log(stdout + stderr);
  console.log(
    `Node ${run(folder, program, ["--version"]).stdout.trim()}: ${passed} passed, ${broken} failed`,
  );
  counts.passed += passed!;
  counts.failed += broken;
}

/** What is under version control with its node_modules, but an addon for that Node. */
function copyRepository(version: string, node: string, program: string): string {
  const folder = join(REPO, ".data/nodes", version);
  const addon = join(REPO, `.data/nodes/better_sqlite3-${version}.node`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const files = run(REPO, "git", ["ls-files", "-z"]).stdout.split("\0");
  for (const file of files.filter((name) => name !== "" && existsSync(join(REPO, name)))) {
    cpSync(join(REPO, file), join(folder, file));
  }
  // Of links, for it is large; but what is compiled must not be written through them.
  run(REPO, "cp", ["-al", "node_modules", folder]);
  const sqlite = join(folder, "node_modules/better-sqlite3");
  rmSync(sqlite, { recursive: true });
  cpSync(join(REPO, "node_modules/better-sqlite3"), sqlite, {
    recursive: true,
    filter: (file) => file !== join(REPO, "node_modules/better-sqlite3/build"),
  });
  if (!existsSync(addon)) {
    const npm = run(REPO, "npm", ["root", "--global"]).stdout.trim();
    const gyp = join(npm, "npm/node_modules/node-gyp/bin/node-gyp.js");
    run(sqlite, program, [gyp, "rebuild", "--release", `--nodedir=${node}`], {}, 900_000);
    cpSync(join(folder, ADDON), addon);
  }
  mkdirSync(dirname(join(folder, ADDON)), { recursive: true });
  cpSync(addon, join(folder, ADDON));
  return folder;
}
