/**
 * The API reference, from the doc comments: `npm run docs`. A warning fails it: a link that leads nowhere, a class, a
 * function, a method or a value without a comment.
 *
 * TypeDoc reads the compiler's API, which TypeScript 7 does not have. So it is installed in a folder of its own, with TypeScript 6.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../consumer/command.js";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FOLDER = join(ROOT, ".data/reference");

const lockOf = (folder: string) => {
  const file = join(folder, "package-lock.json");
  return existsSync(file) && readFileSync(file, "utf8");
};

if (!existsSync(join(FOLDER, "node_modules/typedoc")) || lockOf(FOLDER) !== lockOf(HERE)) {
  mkdirSync(FOLDER, { recursive: true });
  for (const file of ["package.json", "package-lock.json"]) cpSync(join(HERE, file), join(FOLDER, file));
  run(FOLDER, "npm", ["ci", "--ignore-scripts"]);
}
const { exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const doors = Object.values<{ default?: string }>(exports).flatMap(({ default: built }) => built ?? []);
const sources = doors.map((built) => join(ROOT, built.replace("./dist/", "src/").replace(/\.js$/, ".ts")));
const typedoc = join(FOLDER, "node_modules/typedoc/bin/typedoc");
const args = [typedoc, "--options", join(HERE, "typedoc.json"), ...sources];
process.exitCode = spawnSync(process.execPath, args, { stdio: "inherit" }).status ?? 1;
