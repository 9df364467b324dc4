// Plain node, no loader: what a JavaScript app gets.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import * as log from "drizzle-event-log";
import * as migrations from "drizzle-event-log/migrations/folder";
import manifest from "drizzle-event-log/package.json" with { type: "json" };
import * as schema from "drizzle-event-log/schema";

assert.equal(typeof log.append, "function");
assert.equal(log.events, schema.events);
assert.ok(existsSync(`${migrations.migrationsFolder()}/meta/_journal.json`));

const entries = Object.keys(manifest.exports).filter((path) => !/json$|\*$/.test(path));
assert.ok(entries.length >= 2);
for (const path of entries) await import(`drizzle-event-log${path.slice(1)}`);
