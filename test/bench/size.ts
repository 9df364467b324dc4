/**
 * What a log takes on disk, and what many logs take in one process: `npm run bench:size`, 1,000,000 events and 1,000 logs,
 * or a tenth of both with `-- --quick`. The table in docs/scale.md is what it printed.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { append, feed, type Mutation, newULID, openCortex } from "drizzle-event-log";
import { openLibsql, writeTransaction } from "drizzle-event-log/libsql";
import { migrateEvents } from "drizzle-event-log/migrations";
import { sql } from "drizzle-orm";

const quick = process.argv.includes("--quick");
const EVENTS = quick ? 100_000 : 1_000_000;
const LOGS = quick ? 100 : 1_000;
const BATCH = 1_000;
/** Events of one trace: its id is in the trace's index each time. */
const PER_TRACE = 20;

type Db = Awaited<ReturnType<typeof openLibsql>>;
type Row = Pick<Mutation, "data" | "actor" | "meta" | "idempotencyKey">;

const text = (length: number) => "Lorem ipsum dolor sit amet, ".repeat(length / 28 + 1).slice(0, length);
const data = (bytes: number) => ({ data: { text: text(bytes - '{"text":""}'.length) } });
const full = () => ({
  ...data(100),
  actor: "user-42",
  meta: { request: newULID() },
  idempotencyKey: newULID(),
});

mkdirSync(".data", { recursive: true });
const folder = mkdtempSync(".data/size-");
try {
  console.log(
    `| ${EVENTS.toLocaleString("en")} events | bytes per event | per million |\n| --- | --- | --- |`,
  );
  await measure("without a clock, no data", 0, () => ({}));
  await measure("without a clock, 100 bytes of data", 0, () => data(100));
  await measure("by a cortex, no data", 1, () => ({}));
  await measure("by a cortex, 100 bytes of data", 1, () => data(100));
  await measure("by a cortex, 1 KiB of data", 1, () => data(1024));
  await measure("by a cortex, 100 bytes of data, actor, meta and key", 1, full);
  await measure("by 10 cortexes in turn, 100 bytes of data", 10, () => data(100));
  await measure("by 100 cortexes in turn, 100 bytes of data", 100, () => data(100));
  await manyLogs();
} finally {
  rmSync(folder, { recursive: true });
}

/** A log with events of such rows, by so many cortexes; without any they have no clock. */
async function measure(name: string, cortexes: number, row: () => Row): Promise<void> {
  const db = await log("size.db");
  const writers = Array.from({ length: cortexes }, (_, i) =>
    openCortex({ id: newULID(), origin: `node-${i}` }),
  );
  const cortexId = newULID();
  let traceId = "";
  for (let at = 0; at < EVENTS; at += BATCH) {
    const mutations = Array.from({ length: BATCH }, (_, i) => {
      if (i % PER_TRACE === 0) traceId = newULID();
      return { action: i % PER_TRACE === 0 ? ("create" as const) : ("update" as const), traceId, ...row() };
    });
    const writer = writers[(at / BATCH) % cortexes];
    const local = { cortexId, origin: "node" };
    await writeTransaction(db, (tx) =>
      writer
        ? writer.append(tx, mutations)
        : append(
            tx,
            mutations.map((mutation) => ({ ...local, ...mutation })),
          ),
    );
  }
  await close(db);
  const bytes = statSync(join(folder, "size.db")).size / EVENTS;
  rmSync(join(folder, "size.db"));
  console.log(`| ${name} | ${Math.round(bytes)} | ${Math.round(bytes)} MB |`);
}

/** One log per tenant: what it takes to have many of them open. */
async function manyLogs(): Promise<void> {
  for (let i = 0; i < LOGS; i++) await close(await log(`tenant-${i}.db`));
  const bytes = statSync(join(folder, "tenant-0.db")).size;
  const before = { memory: process.memoryUsage().rss, files: descriptors() };
  const open: Db[] = [];
  const start = performance.now();
  for (let i = 0; i < LOGS; i++) {
    const db = await openLibsql(`file:${join(folder, `tenant-${i}.db`)}`);
    await feed(db, { limit: 1 });
    open.push(db);
  }
  const ms = (performance.now() - start) / LOGS;
  const kib = (process.memoryUsage().rss - before.memory) / LOGS / 1024;
  const files = (descriptors() - before.files) / LOGS;
  for (const db of open) db.$client.close();
  console.log(`\n${LOGS.toLocaleString("en")} logs open in one process, each read once; of one of them:`);
  console.log(`${bytes / 1024} KiB on disk while empty, ${ms.toFixed(1)} ms to open and read`);
  console.log(`${Math.round(kib)} KiB of memory, ${files} file descriptors`);
}

async function log(name: string): Promise<Db> {
  const db = await openLibsql(`file:${join(folder, name)}`);
  await migrateEvents(db);
  return db;
}

/** All of it is in the file then, and nothing in its log. */
async function close(db: Db): Promise<void> {
  await db.run(sql`pragma wal_checkpoint(truncate)`);
  db.$client.close();
}

function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}
