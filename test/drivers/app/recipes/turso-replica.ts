import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import { feed, forTrace } from "drizzle-event-log";
import { drizzle } from "drizzle-orm/libsql";
import { DROPS } from "../contract/index.js";
import { CORTEX_ID } from "./tools.js";

const [url = ""] = process.argv.slice(2);
const client = createClient({ url });
await client.batch([...DROPS, "drop table if exists __event_log_migrations"], "write");
process.chdir(mkdtempSync(join(tmpdir(), "recipe-")));
Object.assign(process.env, { CORTEX_ID, TURSO_DATABASE_URL: url, TURSO_AUTH_TOKEN: "none" });
const { db, rename } = await import("./turso-replica/log.js" as string);
const stored = [await rename("note", "Milk"), await rename("note", "Bread")];
assert.deepEqual(await forTrace(db, "note"), stored);
assert.deepEqual(await feed(drizzle({ client })), stored);
// It syncs now and then, as long as it is open.
process.exit(0);
