import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CORTEX_ID } from "./tools.js";

const folder = mkdtempSync(join(tmpdir(), "recipe-"));
process.env.DATABASE_URL = `file:${join(folder, "not-there", "app.db")}`;
process.env.CORTEX_ID = CORTEX_ID;
const route = await import("./next/app/notes/[id]/route.js" as string);
const config = await import("./next/next.config.js" as string);

const context = { params: Promise.resolve({ id: "a" }) };
const post = (title: string) =>
  route.POST(new Request("http://next", { method: "POST", body: JSON.stringify({ title }) }), context);
await assert.rejects(post("before there is a database"));
process.env.DATABASE_URL = `file:${join(folder, "app.db")}`;
const [one, other] = await Promise.all([post("Milk"), post("Bread")]);
assert.deepEqual([one.status, other.status], [201, 201]);
const history = await (await route.GET(new Request("http://next"), context)).json();
assert.deepEqual(
  history.map(({ vclock }: any) => vclock[CORTEX_ID]),
  [1, 2],
);
assert.ok(config.default.serverExternalPackages.includes("libsql"));
