import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

const { exports } = JSON.parse(read("package.json"));
/** The doors that have a page of their own, by the name of their subpath. */
const doors = Object.keys(exports).filter((name) => !/\*|package\.json|folder/.test(name));
const sourceOf = (door: string) => exports[door].default.replace("./dist/", "").replace(/\.js$/, ".ts");

const pages = readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".md"))
  .map((file) => join("docs", file));
const documents = ["README.md", "CONTRIBUTING.md", ...pages];

test("the README has at most 250 lines", () => {
  expect(read("README.md").trimEnd().split("\n").length).toBeLessThanOrEqual(250);
});

test.each(documents)("every link of %s within the repository leads somewhere", (path) => {
  const broken = linksOf(path).filter(({ file, anchor }) => !leads(file, anchor));
  expect(broken).toEqual([]);
});

test.each(pages)("every program of %s has a name, so that it is run", (path) => {
  expect(read(path).match(/^```(?:ts|js|tsx|jsx)\s*$/gm) ?? []).toEqual([]);
});

test("the README, or a page that it links, links every page", () => {
  const linked = new Set(["README.md"]);
  for (const path of linked) {
    if (path.endsWith(".md")) for (const { file } of linksOf(path)) linked.add(file);
  }
  expect(pages.filter((page) => !linked.has(page))).toEqual([]);
});

test.each(doors)("%s is in the README's table with its page", (door) => {
  const cell = door === "." ? "(the root)" : `\`${door.slice(1)}\``;
  const row = read("README.md").match(new RegExp(`^\\| ${literally(cell)} \\|.*$`, "m"))?.[0] ?? "";
  const [, page = ""] = /\(docs\/([\w-]+)\.md\) \|$/.exec(row) ?? [];
  expect(page).toBe(door === "." ? "core" : door.slice(2));
});

test.each(doors)("every function and value that %s exports is in a page", (door) => {
  const code = pages.flatMap((page) =>
    Array.from(withoutBlocks(read(page)).matchAll(/`([^`\n]+)`/g), String),
  );
  const words = new Set(code.join(" ").match(/\w+/g));
  expect(valuesOf(sourceOf(door)).filter((name) => !words.has(name))).toEqual([]);
});

function linksOf(path: string): { file: string; anchor: string }[] {
  const prose = withoutBlocks(read(path));
  const targets = Array.from(prose.matchAll(/\]\(([^)\s]+)\)/g), (match) => match[1]!);
  return targets
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [file = "", anchor = ""] = target.split("#");
      return { file: file ? join(dirname(path), file) : path, anchor };
    });
}

function withoutBlocks(markdown: string): string {
  return markdown.replace(/^```.*?^```/gms, "");
}

function leads(file: string, anchor: string): boolean {
  if (!existsSync(join(ROOT, file))) return false;
  return anchor === "" || anchorsOf(read(file)).includes(anchor);
}

/** As GitHub makes them of headings. */
function anchorsOf(markdown: string): string[] {
  const headings = withoutBlocks(markdown).matchAll(/^#+ (.*)$/gm);
  return Array.from(headings, ([, text = ""]) =>
    text
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

/** The names that a module exports, one by one, but for types. */
function valuesOf(source: string): string[] {
  const code = read(join("src", source));
  const lists = Array.from(code.matchAll(/^export \{([^}]*)\}/gm), (match) => match[1]!.split(","));
  const listed = lists.flat().map((name) => name.trim());
  const declared = Array.from(
    code.matchAll(/^export (?:const|function|class) (\w+)/gm),
    (match) => match[1]!,
  );
  return [...listed.filter((name) => name && !name.startsWith("type ")), ...declared];
}

function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
