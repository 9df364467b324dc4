const assert = require("node:assert/strict");
const { existsSync } = require("node:fs");
const log = require("drizzle-event-log");
const migrations = require("drizzle-event-log/migrations/folder");
const schema = require("drizzle-event-log/schema");

assert.equal(typeof log.append, "function");
assert.equal(log.events, schema.events);
assert.ok(existsSync(`${migrations.migrationsFolder()}/meta/_journal.json`));
