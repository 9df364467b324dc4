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

/** What a recipe's types come from, where that is not Node's, and how its imports are resolved. */
const BUNDLED = { module: "esnext", moduleResolution: "bundler" };
const OPTIONS: Record<string, object> = {
  "hono-d1": { ...BUNDLED, types: ["@cloudflare/workers-types"] },
  "turso-worker": { ...BUNDLED, types: ["@cloudflare/workers-types"] },
  "durable-object": { ...BUNDLED, types: ["@cloudflare/workers-types"] },
  next: BUNDLED,
  bun: { types: ["bun-types"] },
  // Expo and all that it brings would be more than the rest together.
  expo: {
    paths: Object.fromEntries(
      ["expo-sqlite", "expo-sqlite/kv-store", "expo-crypto"].map((name) => [name, ["../expo-stand-in.ts"]]),
    ),
  },
};

/** Each recipe of docs/recipes, its files written as they stand there, is type-checked and run by the program of its name in app/recipes. */
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
    "turso-worker": [`http://${address}`],
    "better-auth": [],
  };
  for (const [recipe, args] of Object.entries(recipes)) {
    const folder = join(app, "recipes", recipe);
    check(`the recipe ${recipe} has the types that it says`, () => {
      writeFiles(recipe, folder);
      // Strict as the templates of apps are.
      const compilerOptions = { exactOptionalPropertyTypes: false, ...OPTIONS[recipe] };
      const exclude = major === "v0" ? ["next.config.ts"] : [];
      const tsconfig = { extends: "../../tsconfig.json", compilerOptions, include: ["**/*.ts"], exclude };
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(tsconfig));
      run(folder, process.execPath, [join(app, "node_modules/typescript/bin/tsc"), "--pretty", "false"]);
    });
    check(`the recipe ${recipe} does what it says`, () => {
      run(app, process.execPath, ["--import", "tsx", `recipes/${recipe}.ts`, ...args]);
    });
  }
  // Next and its compiler are as large as all the rest: with one major.
  if (major === "v0") return;
  check("the recipe next is built and served by Next", () => {
    run(app, process.execPath, ["--import", "tsx", "recipes/next-server.ts"]);
  });
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
