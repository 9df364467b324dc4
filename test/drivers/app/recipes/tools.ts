// What the recipes are tried with.
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const tools = createRequire(new URL("../../tools/package.json", import.meta.url));
export const folderOf = (recipe: string): string => fileURLToPath(new URL(`./${recipe}`, import.meta.url));

export const CORTEX_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/** A Worker of a recipe in workerd, bundled as wrangler does it. */
export async function startWorker(recipe: string, options: object): Promise<any> {
  const { outputFiles } = await tools("esbuild").build({
    ...{
      absWorkingDir: folderOf(recipe),
      entryPoints: ["worker.ts"],
      write: false,
      bundle: true,
      format: "esm",
    },
    ...{ platform: "neutral", target: "es2022", mainFields: ["module", "main"], external: ["cloudflare:*"] },
    conditions: ["workerd", "worker", "browser"],
  });
  const script = outputFiles[0].text;
  return new (tools("miniflare").Miniflare)({
    ...{ modules: true, script, compatibilityDate: "2026-01-01" },
    ...options,
  });
}

/** A module of a recipe bundled into one file, with others in the place of some of its imports. */
export async function bundleModule(
  recipe: string,
  module: string,
  aliases: Record<string, string>,
): Promise<string> {
  const outfile = `${folderOf(recipe)}/bundle.mjs`;
  await tools("esbuild").build({
    ...{ absWorkingDir: folderOf(recipe), entryPoints: [module], outfile, bundle: true, format: "esm" },
    ...{ platform: "node", external: ["better-sqlite3"], alias: aliases },
  });
  return outfile;
}
