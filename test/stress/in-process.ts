import { join } from "node:path";
import { openCortex } from "drizzle-event-log";
import { writeTransaction } from "drizzle-event-log/libsql";
import { type Harness, none, sum, withDirectory } from "./harness.js";
import { brokenPromises, cortexId, createLog, type Log, readAll, type Tx } from "./log.js";
import { openAs } from "./marks.js";

const WRITES = 1_000;
const cortex = openCortex({ id: cortexId(0), origin: "one" });
const append = (tx: Tx, n: number) => cortex.append(tx, { action: "update", traceId: "t", data: { n } });

export const inProcess: Harness = {
  name: "in-process",
  fault: "in-process load",
  required: "all stored; db.transaction of @libsql/client must not",
  timeout: [600_000, 600_000],
  async run() {
    return withDirectory(async (directory) => {
      const file = (name: string) => `file:${join(directory, name)}.db`;
      const queued: Write = (db, n) => writeTransaction(db, (tx) => append(tx, n), { deadline: 50_000 });
      const plain: Write = (db, n) => db.transaction((tx) => append(tx, n));
      const logs = [
        await writeAll(await createLog(file("queued")), queued),
        await writeAll(await createLog(file("plain")), plain),
        await writeAll(await createLog(":memory:"), queued),
      ];
      const stored = logs.map((log) => new Set(log.map((event) => JSON.stringify(event.data))).size);
      const broken = sum(logs.flatMap((log) => Object.values(brokenPromises(log))));
      (await createLog(file("control"))).$client.close();
      const kept = [
        await writeAll(await openAs("plain", file("control")), plain),
        await writeAll(await createLog(":memory:"), plain),
      ].map((log) => log.length);
      return {
        ran: `Promise.all of ${WRITES.toLocaleString("en")} write transactions: on a file, on a file by db.transaction, on :memory:`,
        count: `3 × ${WRITES.toLocaleString("en")}`,
        figures: [
          [`stored ${stored.join(" + ")}`, stored.every((n) => n === WRITES)],
          none(broken, "stamps wrong"),
          [
            `control: db.transaction of @libsql/client stored ${kept.join(" + ")}`,
            kept.every((n) => n < WRITES),
          ],
        ],
      };
    });
  },
};

type Write = (db: Log, n: number) => Promise<unknown>;

async function writeAll(db: Log, write: Write) {
  await Promise.allSettled(Array.from({ length: WRITES }, (_, n) => write(db, n)));
  const log = await readAll(db);
  db.$client.close();
  return log;
}
