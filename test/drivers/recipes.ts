import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { run } from "../consumer/command.js";
import { parseDocument } from "../consumer/document.js";
import { type Major, REPO } from "./install.js";

export interface Places {
  app: string;
  tools: string;
  /** Of the libSQL server. */
  address: string;
}

/** Each recipe of docs/recipes, its files written as they stand there, is run by the program of its name in app/recipes. */
export function testRecipes(
  major: Major,
  places: Places,
  check: (promise: string, body: () => void) => void,
): void {
  const { app, tools, address } = places;
  const recipes: Record<string, string[]> = {
    "hono-d1": [],
    "durable-object": [],
    next: [],
    expo: [],
    bun: [join(tools, "node_modules/@oven/bun-linux-x64/bin/bun")],
    "turso-replica": [`http://${address}`],
    // Its adapter is for 0.45.
    ...(major === "v0" && { "better-auth": [] }),
  };
  for (const [recipe, args] of Object.entries(recipes)) {
    check(`the recipe ${recipe} does what it says`, () => {
      writeFiles(recipe, join(app, "recipes", recipe));
      run(app, process.execPath, ["--import", "tsx", `recipes/${recipe}.ts`, ...args]);
    });
  }
}

function writeFiles(recipe: string, folder: string): void {
  const path = join("docs/recipes", `${recipe}.md`);
  for (const { title, text } of parseDocument(path, readFileSync(join(REPO, path), "utf8")).blocks) {
    if (title === undefined) continue;
    mkdirSync(dirname(join(folder, title)), { recursive: true });
    writeFileSync(join(folder, title), text);
  }
  if (recipe !== "better-auth") return;
  cpSync(join(REPO, "test/integration/better-auth-schema.ts"), join(folder, "auth-schema.ts"));
}
