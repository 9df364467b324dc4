// A process that pulls one file into another, and says how much memory it held after each page.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { databasePeer, pull } from "drizzle-event-log/federation";
import { openLibsql, writeTransaction } from "drizzle-event-log/libsql";
import { argument, say } from "./child.js";

export interface PullerArguments {
  from: string;
  to: string;
  limit: number;
}

export interface PullReport {
  /** Bytes after each page. */
  heap: number[];
  rss: number[];
}

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

const { from, to, limit } = argument<PullerArguments>();
const [source, db] = [await openLibsql(from), await openLibsql(to)];
const report: PullReport = { heap: [], rss: [] };
await pull(db, databasePeer(source), {
  limit,
  transaction: (write) => writeTransaction(db, (tx) => write(tx)),
  onProgress() {
    collectGarbage();
    const { heapUsed, rss } = process.memoryUsage();
    report.heap.push(heapUsed);
    report.rss.push(rss);
  },
});
say(report);
