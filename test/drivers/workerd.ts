// Runs the contract in workerd, Cloudflare's runtime: `workerd.ts <folder of the app> <d1 | durable-object>`, with
// miniflare and esbuild out of the folder of the tools. Prints a line of JSON for each promise.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [app = "", door = ""] = process.argv.slice(2);
const tools = createRequire(join(app, "../tools/package.json"));
const { build } = tools("esbuild");
const { Miniflare } = tools("miniflare");

const { outputFiles } = await build({
  ...{ absWorkingDir: app, entryPoints: ["drivers/worker.ts"], write: false },
  ...{ bundle: true, format: "esm", platform: "neutral", target: "es2022", mainFields: ["module", "main"] },
  ...{ conditions: ["workerd", "worker", "import"], external: ["cloudflare:*", "node:*"] },
});
const miniflare = new Miniflare({
  ...{ modules: true, script: outputFiles[0].text },
  // For the contract, which uses node:assert: the package itself needs no such thing.
  ...{ compatibilityDate: "2026-07-01", compatibilityFlags: ["nodejs_compat"] },
  ...{ d1Databases: ["DB"], durableObjects: { LOGS: { className: "LogObject", useSQLite: true } } },
});
const drizzle = join(app, "node_modules/drizzle-event-log/drizzle");
const files = ["0000_events.sql", "0001_append_only.sql"];
const body = JSON.stringify(files.map((file) => readFileSync(join(drizzle, file), "utf8")));
try {
  const answer = await miniflare.dispatchFetch(`http://contract/${door}`, { method: "POST", body });
  if (!answer.ok) throw new Error(await answer.text());
  for (const report of await answer.json()) console.log(JSON.stringify(report));
} finally {
  await miniflare.dispose();
}
