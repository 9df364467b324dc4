const assert = require("node:assert/strict");

Promise.all([import("drizzle-event-log"), import("drizzle-event-log/schema")]).then(([log, schema]) => {
  assert.equal(typeof log.append, "function");
  assert.equal(log.events, schema.events);
});
