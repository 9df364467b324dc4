import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { run } from "./command.js";
import {
  type App,
  type Block,
  blocksFor,
  type Check,
  type Document,
  parseDocument,
  runBlock,
  testBlocks,
} from "./document.js";

const MOST_COMMANDS = 10;

export interface Documents {
  /** The package, unpacked. */
  packed: string;
  /** An empty folder for each app. */
  root: string;
  app(dir: string, drizzle: App["drizzle"]): App;
  /** The name of the one page that is wanted. */
  only: string | undefined;
  /** Adds to a folder what type-checks its programs. */
  addTypeScript(dir: string): void;
}

/** The README in an empty folder, as it is pasted, on both majors; then every page of docs/ in the app that it makes. */
export function testDocuments({ packed, root, app, addTypeScript, only }: Documents, check: Check): void {
  const [readme, ...pages] = documentsIn(packed);
  for (const drizzle of only ? (["0.45"] as const) : (["1.0", "0.45"] as const)) {
    const dir = join(root, `readme-${drizzle}`);
    mkdirSync(dir);
    const folder = app(dir, drizzle);
    if (!testFirstMinutes(readme!, folder, check) || drizzle === "1.0") continue;
    if (!check("TypeScript installs beside it", () => addTypeScript(dir))) continue;
    snapshot(dir);
    testRest(readme!, folder, check);
    for (const page of pages) if (!only || page.path.endsWith(`/${only}.md`)) testPage(page, folder, check);
  }
}

/** The README and the pages of docs/. */
function documentsIn(packed: string): Document[] {
  const files = readdirSync(join(packed, "docs"), { recursive: true, encoding: "utf8" });
  // The recipes are for other places than this app, and are run there: see test/drivers/recipes.ts.
  const pages = files.filter((file) => file.endsWith(".md") && !file.startsWith("recipes")).sort();
  return ["README.md", ...pages.map((file) => join("docs", file))].map((path) =>
    parseDocument(path, readFileSync(join(packed, path), "utf8")),
  );
}

/** All up to the first output: pasted into an empty folder, and then once more. */
function testFirstMinutes(readme: Document, app: App, check: Check): boolean {
  const blocks = untilFirstOutput(blocksFor(readme, app.drizzle));
  const on = `on Drizzle ${app.drizzle}`;
  const commands = commandsIn(blocks);
  const printed = check(`README.md: the first event is printed after ${commands} commands ${on}`, () => {
    assert.ok(commands <= MOST_COMMANDS, `more than ${MOST_COMMANDS}`);
    assert.equal(paste(blocks, readme, app), blocks.at(-1)!.text);
  });
  if (!printed) return false;
  return check(`README.md: pasted a second time it works ${on}`, () => {
    const lines = (text: string) => text.replace(/^\d+/gm, "seq");
    assert.equal(lines(paste(blocks, readme, app)), lines(blocks.at(-1)!.text));
  });
}

function untilFirstOutput(blocks: readonly Block[]): Block[] {
  const last = blocks.findIndex(({ title }) => title === "output");
  assert.ok(last > 0, "README.md has no output");
  return blocks.slice(0, last + 1);
}

function commandsIn(blocks: readonly Block[]): number {
  const scripts = blocks.filter(({ kind }) => kind.startsWith("sh")).map(({ text }) => text.trim());
  return scripts.flatMap((text) => text.split(/\n|&&/)).length;
}

/** Answers with what the last command before the output printed. */
function paste(blocks: readonly Block[], document: Document, app: App): string {
  const printed = blocks.slice(0, -1).map((block) => runBlock(block, document, app));
  return printed.at(-1) ?? "";
}

function testRest(readme: Document, app: App, check: Check): void {
  const blocks = blocksFor(readme, app.drizzle);
  const first = untilFirstOutput(blocks);
  testBlocks(
    readme,
    [...first.filter(({ kind }) => kind === "ts"), ...blocks.slice(first.length)],
    app,
    check,
  );
}

/** A page starts in the app as the README made it, with an empty log. */
function testPage(page: Document, app: App, check: Check): void {
  restore(app.dir);
  run(app.dir, "npx", ["drizzle-kit", "migrate"]);
  testBlocks(page, blocksFor(page, app.drizzle), app, check);
}

const kept = (dir: string) => `${dir}-kept`;

/** What is installed stays, and its package.json with it. */
function isKept(dir: string, file: string): boolean {
  return !/^(node_modules|package|app\.db)/.test(relative(dir, file));
}

function snapshot(dir: string): void {
  cpSync(dir, kept(dir), { recursive: true, filter: (file) => isKept(dir, file) });
}

function restore(dir: string): void {
  for (const name of readdirSync(dir)) {
    if (isKept(dir, join(dir, name)) || name.startsWith("app.db"))
      rmSync(join(dir, name), { recursive: true });
  }
  cpSync(kept(dir), dir, { recursive: true });
}
