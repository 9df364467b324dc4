import { join } from "node:path";
import { openCortex } from "drizzle-event-log";
import { writeTransaction } from "drizzle-event-log/libsql";
import { type Harness, none, sum, withDirectory } from "./harness.js";
import { brokenPromises, cortexId, createLog, type Log, readAll, type Tx } from "./log.js";

const WRITES = 1_000;
const cortex = openCortex({ id: cortexId(0), origin: "one" });
const append = (tx: Tx, n: number) => cortex.append(tx, { action: "update", traceId: "t", data: { n } });

export const inProcess: Harness = {
  name: "in-process",
  fault: "in-process load",
  required: "all stored; plain db.transaction must not",
  timeout: [60_000, 60_000],
  async run() {
    return withDirectory(async (directory) => {
      const stored: number[] = [];
      const kept: number[] = [];
      let broken = 0;
      for (const name of ["file", "memory"]) {
        const url = (form: string) => (name === "file" ? `file:${join(directory, form)}.db` : ":memory:");
        const log = await writeAll(url("gated"), (db, n) =>
          writeTransaction(db, (tx) => append(tx, n), { deadline: 50_000 }),
        );
        broken += sum(Object.values(brokenPromises(log)));
        stored.push(new Set(log.map((event) => JSON.stringify(event.data))).size);
        kept.push((await writeAll(url("plain"), (db, n) => db.transaction((tx) => append(tx, n)))).length);
      }
      return {
        ran: `Promise.all of ${WRITES.toLocaleString("en")} write transactions, file and :memory:`,
        count: `2 × ${WRITES.toLocaleString("en")}`,
        figures: [
          [`stored ${stored.join(" + ")}`, stored.every((n) => n === WRITES)],
          none(broken, "stamps wrong"),
          [`control: db.transaction stored ${kept.join(" + ")}`, kept.every((n) => n < WRITES)],
        ],
      };
    });
  },
};

async function writeAll(url: string, write: (db: Log, n: number) => Promise<unknown>) {
  const db = await createLog(url);
  await Promise.allSettled(Array.from({ length: WRITES }, (_, n) => write(db, n)));
  const log = await readAll(db);
  db.$client.close();
  return log;
}
