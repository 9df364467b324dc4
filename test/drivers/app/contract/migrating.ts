import assert from "node:assert/strict";
import { createEventsTable } from "drizzle-event-log";
import { checkLog, migrateEvents } from "drizzle-event-log/migrations";
import { add, event, type Log, seqs } from "./log.js";

const table = createEventsTable("made");

export const migrating: Record<string, (log: Log) => unknown> = {
  async "checkLog finds nothing wrong with the log that the files of SQL make"({ db }) {
    assert.deepEqual(await checkLog(db), { ok: true, problems: [] });
  },

  async "migrateEvents makes a log, and once more what it has lost"(log) {
    const { db } = log;
    const problems = async () => (await checkLog(db, { table })).problems.map(({ name }) => name);
    assert.deepEqual(await problems(), ["made"]);
    await migrateEvents(db, { table });
    assert.deepEqual(await problems(), []);
    assert.deepEqual(seqs([await add(log, event(), { table })]), [1]);
    for (const lost of ["trigger made_no_delete", "index made_actor_index"]) await log.run(`drop ${lost}`);
    assert.deepEqual(await problems(), ["made_actor_index", "made_no_delete"]);
    await migrateEvents(db, { table });
    await migrateEvents(db, { table });
    assert.deepEqual(await problems(), []);
    assert.deepEqual(seqs([await add(log, event(), { table })]), [2]);
  },
};
