// TypeScript that is CommonJS, through tsx.
import assert = require("node:assert/strict");
import fs = require("node:fs");
import log = require("drizzle-event-log");
import migrations = require("drizzle-event-log/migrations/folder");

const id: string = log.newULID();
assert.ok(log.isULID(id));
assert.ok(fs.existsSync(`${migrations.migrationsFolder()}/meta/_journal.json`));
