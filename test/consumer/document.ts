import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { run } from "./command.js";

/** A fenced code block. `line` is the line of its opening fence, `title` the value of `title="…"`. */
export interface Block {
  line: number;
  kind: string;
  title: string | undefined;
  text: string;
}

/** A Markdown document with its blocks, by its path in the package. */
export interface Document {
  path: string;
  blocks: Block[];
}

/** The folder in which the blocks of a document run. */
export interface App {
  dir: string;
  drizzle: "0.45" | "1.0";
  /** The repository: a block of kind `ts file` is found there. */
  repository: string;
  /** What to install for a name as the document writes it: the tarball, or name@version. */
  packageSpec(name: string): string;
  /** Called after every sh block. */
  afterInstall(): void;
}

export type Check = (promise: string, body: () => void) => boolean;

// What a diagram does not hold.
const CODE = /^\s*(import|export|const|let|await|npm|npx)\s|[;{]\s*$/m;
const SAVED = ["sql", "json", "jsonc", "toml"];
const ONLY_1_0 = "sh drizzle-1.0";

/** The fenced blocks of a Markdown document. Throws on a fence that is never closed. */
export function parseDocument(path: string, markdown: string): Document {
  const blocks: Block[] = [];
  let open: (Block & { fence: string }) | undefined;
  for (const [i, content] of markdown.split(/\r?\n/).entries()) {
    const [, fence = "", info = ""] = /^\s*(`{3,}|~{3,})(.*)$/.exec(content) ?? [];
    if (!open) {
      if (fence) open = { fence, line: i + 1, ...parseInfo(info), text: "" };
    } else if (fence.startsWith(open.fence) && info.trim() === "") {
      const { fence: _, ...block } = open;
      blocks.push(block);
      open = undefined;
    } else {
      open.text += `${content}\n`;
    }
  }
  if (open) throw new Error(`${path}:${open.line}: the block is never closed`);
  return { path, blocks };
}

function parseInfo(info: string): { kind: string; title: string | undefined } {
  const [, kind = "", title] = /^(.*?)\s*(?:title="([^"]+)")?$/.exec(info.trim())!;
  return { kind, title };
}

/** The blocks that are meant for this major of Drizzle: `sh drizzle-1.0` replaces the sh block before it. */
export function blocksFor({ blocks }: Document, drizzle: App["drizzle"]): Block[] {
  if (drizzle === "0.45") return blocks.filter(({ kind }) => kind !== ONLY_1_0);
  const replaced = blocks.flatMap(({ kind }, i) =>
    kind === ONLY_1_0 ? [blocks.findLastIndex((block, j) => j < i && block.kind === "sh")] : [],
  );
  return blocks.filter((_, i) => !replaced.includes(i));
}

/** Runs blocks of a document in its order, each as a check that names its line, and type-checks them together. */
export function testBlocks(document: Document, blocks: readonly Block[], app: App, check: Check): void {
  let stdout: string | undefined;
  for (const block of blocks) {
    const previous = stdout;
    stdout = undefined;
    check(`${document.path}:${block.line} ${promiseOf(block)}`, () => {
      stdout = runBlock(block, document, app, previous);
    });
  }
  const programs = blocks.filter(({ kind }) => kind === "ts" || kind === "ts compiled");
  if (programs.length === 0) return;
  check(`${document.path} compiles in strict mode`, () => {
    compile(
      app.dir,
      programs.map(({ title }) => title!),
    );
  });
}

function promiseOf({ kind, title }: Block): string {
  if (kind === "text") return title ? "is what the block before prints" : "is a diagram";
  if (kind === "ts file") return `is in ${title}`;
  if (kind === "sh elsewhere") return "is for another place";
  return `${title ?? kind} works`;
}

/** Answers with what the block printed, if it is one that prints; `previous` is that of the block before. */
export function runBlock(block: Block, document: Document, app: App, previous?: string): string | undefined {
  const { kind, title, text } = block;
  if ((kind === "sh" || kind === ONLY_1_0) && !title) return runShell(block, document, app);
  if ((kind === "ts" || kind === "ts compiled") && title) return runProgram(block, title, document, app);
  if (kind === "ts file" && title) return checkFile(text, join(app.repository, title));
  if (SAVED.includes(kind) && title) return save(app.dir, title, text);
  if (kind === "text" && title === "output") return checkOutput(text, previous);
  if (kind === "sh elsewhere" && !title) return undefined;
  if ((kind === "text" || kind === "mermaid") && !title) return assert.doesNotMatch(text, CODE) as undefined;
  throw new Error(`this test cannot run such a block: ${kind} ${title ?? ""}`);
}

function runProgram({ kind, text }: Block, name: string, document: Document, app: App): string | undefined {
  assert.match(name, /\.tsx?$/);
  save(app.dir, name, text);
  if (kind === "ts compiled" || isConfiguration(name) || isUsed(name, document)) return undefined;
  return run(app.dir, "node_modules/.bin/tsx", [name]).stdout;
}

function isConfiguration(name: string): boolean {
  return /(^|[/.-])(schema|config)\.ts$/.test(name);
}

/** Whether a ts block of the document imports this one, or an sh block runs it. */
function isUsed(name: string, { blocks }: Document): boolean {
  return blocks.some(({ kind, title = "", text }) => {
    if (kind === "sh") return text.split("\n").includes(`npx tsx ${name}`);
    const specifiers = [...text.matchAll(/\bfrom "(\.[^"]+)"/g)].map((match) => match[1]!);
    const files = specifiers.map((path) => join(dirname(title), path).replace(/\.js$/, ".ts"));
    return kind.startsWith("ts") && files.includes(normalize(name));
  });
}

function checkFile(text: string, file: string): undefined {
  assert.ok(existsSync(file), `${file} is not there`);
  assert.ok(readFileSync(file, "utf8").includes(text), `${file} does not hold the block`);
}

function checkOutput(expected: string, stdout: string | undefined): undefined {
  assert.ok(stdout !== undefined, "the block before is not a program that ran");
  assert.equal(stdout.trim(), expected.trim());
}

function save(dir: string, name: string, text: string): undefined {
  const file = join(dir, name);
  assert.ok(file.startsWith(`${dir}/`), `${name} is outside the app`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

function compile(dir: string, files: readonly string[]): void {
  const config = { extends: "./tsconfig.json", files };
  writeFileSync(join(dir, "tsconfig.blocks.json"), JSON.stringify(config));
  run(dir, "node_modules/.bin/tsc", ["-p", "tsconfig.blocks.json"]);
}

function runShell({ line, text }: Block, { path }: Document, app: App): string {
  const script = text.replace(/^\s*npm (install|i|add) .*$/gm, (command) => pinPackages(command, app));
  // The trace on stderr says at which line of the document it failed.
  const trace = `PS4='+ ${path}:$((LINENO + ${line - 1})): '; set -x`;
  const { stdout } = run(app.dir, "bash", ["-euo", "pipefail", "-c", `${trace}\n${script}`]);
  app.afterInstall();
  return stdout;
}

function pinPackages(command: string, { packageSpec }: App): string {
  const [npm, install, ...words] = command.trim().split(/\s+/);
  const pinned = words.map((word) => (/^-|.@\d/.test(word) ? word : packageSpec(word)));
  return [npm, install, ...pinned].join(" ");
}
