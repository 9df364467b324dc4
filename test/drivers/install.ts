import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../consumer/command.js";

export const REPO = fileURLToPath(new URL("../..", import.meta.url));
export const DATA = join(REPO, ".data/drivers");
const HERE = fileURLToPath(new URL(".", import.meta.url));
const ADDON = "node_modules/better-sqlite3/build/Release/better_sqlite3.node";

export type Major = "v0" | "v1";

/** Installs what is pinned in test/drivers/<name>, unless it is installed. Answers with the folder. */
export function installPinned(name: Major | "tools"): string {
  const folder = join(DATA, name);
  const [pinned, installed] = [HERE + name, folder].map((from) => join(from, "package-lock.json"));
  const isInstalled = existsSync(join(folder, "node_modules")) && textOf(installed!) === textOf(pinned!);
  if (isInstalled) return folder;
  mkdirSync(folder, { recursive: true });
  for (const file of ["package.json", "package-lock.json"]) rmSync(join(folder, file), { force: true });
  cpSync(join(HERE, name), folder, { recursive: true });
  run(folder, "npm", ["ci", "--ignore-scripts"]);
  return folder;
}

export function pack(): string {
  mkdirSync(DATA, { recursive: true });
  for (const file of readdirSync(DATA)) if (file.endsWith(".tgz")) rmSync(join(DATA, file));
  run(REPO, "npm", ["pack", "--pack-destination", DATA], { npm_config_ignore_scripts: "false" });
  const tarball = readdirSync(DATA).find((file) => file.endsWith(".tgz"))!;
  return join(DATA, tarball);
}

/** The package beside one major of Drizzle, with the programs that test it. npm must not say a word about peers. */
export function installPackage(major: Major, tarball: string): void {
  const folder = installPinned(major);
  const { stdout, stderr } = run(folder, "npm", ["install", "--no-save", "--ignore-scripts", tarball]);
  assert.doesNotMatch(stdout + stderr, /ERESOLVE|peer/i);
  const other = major === "v0" ? ".v1.ts" : ".v0.ts";
  const app = join(HERE, "app");
  for (const entry of readdirSync(app)) rmSync(join(folder, entry), { recursive: true, force: true });
  cpSync(app, folder, { recursive: true, filter: (file) => !file.endsWith(other) });
  renameSync(join(folder, `drivers/own.${major}.ts`), join(folder, "drivers/own.ts"));
  // Compiling better-sqlite3 takes a minute: take the binary that `npm ci` made here, of the same version.
  mkdirSync(join(folder, ADDON, ".."), { recursive: true });
  cpSync(join(REPO, ADDON), join(folder, ADDON));
}

function textOf(file: string): string {
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}
