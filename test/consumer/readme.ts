import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { run } from "./command.js";

/** A fenced code block. `line` is the line of its opening fence, `title` the value of `title="…"`. */
export interface Block {
  line: number;
  kind: string;
  title: string | undefined;
  text: string;
}

// What a diagram does not hold.
const CODE = /^\s*(import|export|const|let|await|npm|npx)\s|[;{]\s*$/m;
/^\s*(import|export|const|let|await|function|npm|npx|node|git|select|insert|create)\b.*\S|[;{]\s*$/im;

/** The fenced blocks of a Markdown document. Throws on a fence that is never closed. */
export function parseBlocks(markdown: string): Block[] {
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
  if (open) throw new Error(`README.md:${open.line}: the block is never closed`);
  return blocks;
}

function parseInfo(info: string): { kind: string; title: string | undefined } {
  const [, kind = "", title] = /^(.*?)\s*(?:title="([^"]+)")?$/.exec(info.trim())!;
  return { kind, title };
}

export interface ReadmeApp {
  /** The app's directory, empty but for a package.json and a tsconfig.json. */
  dir: string;
  /** What to install for a bare package name: the tarball, or name@version. */
  packageSpec(name: string): string;
  /** The scripts of the repository's package.json. */
  scripts: Record<string, string>;
  /** Called after every sh block. */
  afterInstall(): void;
}

export type Check = (promise: string, body: () => void) => void;

/** Runs every block of a README in document order in one app, each as a check that names its line. */
export function testReadme(markdown: string, app: ReadmeApp, check: Check): void {
  let blocks: Block[] = [];
  check("README.md has commands and programs, and its blocks are closed", () => {
    blocks = parseBlocks(markdown);
    for (const kind of ["sh", "ts"]) assert.ok(blocks.some((block) => block.kind === kind));
  });
  let stdout: string | undefined;
  for (const block of blocks) {
    const previous = stdout;
    stdout = undefined;
    check(`README.md:${block.line} ${promiseOf(block)}`, () => {
      stdout = runBlock(block, blocks, app, previous);
    });
  }
}

function promiseOf({ kind, title }: Block): string {
  if (kind === "text") return title ? "is what the block before prints" : "is a diagram";
  if (kind === "sh dev") return "names scripts that exist";
  return `${title ?? kind} works`;
}

/** Answers with what the block printed, if it is one that prints; `previous` is that of the block before. */
function runBlock(block: Block, blocks: readonly Block[], app: ReadmeApp, previous?: string) {
  const { kind, title, text } = block;
  if (kind === "sh" && !title) return runShell(block, app);
  if (kind === "sh dev" && !title) return checkDevelopment(block, app);
  if (kind === "ts") return runProgram(title ?? `block-${blocks.indexOf(block) + 1}.ts`, text, blocks, app);
  if (kind === "sql" && title) return save(app.dir, title, text);
  if (kind === "text" && title === "output") return checkOutput(text, previous);
  if ((kind === "text" || kind === "mermaid") && !title) return assert.doesNotMatch(text, CODE) as undefined;
  throw new Error(`this test cannot run such a block: ${kind} ${title ?? ""}`);
}

function runProgram(name: string, text: string, blocks: readonly Block[], app: ReadmeApp) {
  assert.match(name, /\.ts$/);
  save(app.dir, name, text);
  compile(app.dir, name);
  if (isConfiguration(name) || isImported(name, blocks)) return undefined;
  return run(app.dir, "node_modules/.bin/tsx", [name]).stdout;
}

function isConfiguration(name: string): boolean {
  return /(^|[/.-])(schema|config)\.ts$/.test(name);
}

/** Whether a ts block of the document imports this one. */
function isImported(name: string, blocks: readonly Block[]): boolean {
  return blocks.some(({ kind, title = "", text }) => {
    const specifiers = [...text.matchAll(/\bfrom "(\.[^"]+)"/g)].map((match) => match[1]!);
    const files = specifiers.map((path) => join(dirname(title), path).replace(/\.js$/, ".ts"));
    return kind === "ts" && files.includes(normalize(name));
  });
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

function compile(dir: string, name: string): void {
  const config = { extends: "./tsconfig.json", files: [name] };
  writeFileSync(join(dir, "tsconfig.block.json"), JSON.stringify(config));
  run(dir, "node_modules/.bin/tsc", ["-p", "tsconfig.block.json"]);
}

function runShell({ line, text }: Block, app: ReadmeApp): string {
  const script = text.replace(/^\s*npm (install|i|add) .*$/gm, (command) => pinPackages(command, app));
  // The trace on stderr says at which line of the README it failed.
  const trace = `PS4='+ README.md:$((LINENO + ${line - 1})): '; set -x`;
  const { stdout } = run(app.dir, "bash", ["-euo", "pipefail", "-c", `${trace}\n${script}`]);
  app.afterInstall();
  return stdout;
}

function pinPackages(command: string, { packageSpec }: ReadmeApp): string {
  const [npm, install, ...words] = command.trim().split(/\s+/);
  const pinned = words.map((word) => (/^-|.@/.test(word) ? word : packageSpec(word)));
  return [npm, install, ...pinned].join(" ");
}

const SCRIPT_OF: Record<string, string> = { cit: "test", it: "test", t: "test", tst: "test" };
const BUILT_IN = ["ci", "install", "i", "pack", "publish"];

function checkDevelopment({ text }: Block, { scripts }: ReadmeApp): undefined {
  const commands = [...text.matchAll(/\bnpm (run )?([\w:-]+)/g)];
  assert.ok(commands.length > 0, "the block names no npm command");
  for (const [command, runs, word = ""] of commands) {
    const name = runs ? word : (SCRIPT_OF[word] ?? word);
    if (!runs && BUILT_IN.includes(word)) continue;
    assert.ok(scripts[name], `${command}: package.json has no script ${name}`);
  }
}
