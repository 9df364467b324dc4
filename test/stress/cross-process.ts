import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import {
  control,
  type Harness,
  heard,
  none,
  plural,
  startChild,
  startTogether,
  sum,
  withDirectory,
} from "./harness.js";
import { brokenPromises, cortexId, createLog, difference, readAll } from "./log.js";
import type { WriterArguments, WriterReport } from "./writer.js";

const PROCESSES = 4;
const LANES = 8;
const CONTROL_EVENTS = 400;
const LONGEST_BLOCK = 150;

export const crossProcess: Harness = {
  name: "cross-process",
  fault: "cross-process load",
  required: `all acknowledged present once; longest loop block < ${LONGEST_BLOCK} ms beyond an idle process's; db.transaction of @libsql/client must fail`,
  timeout: [600_000, 600_000],
  async run({ short }) {
    const events = short ? 4_000 : 20_000;
    const { log, reports, stall } = await writeAtOnce(events, (n) =>
      n < PROCESSES / 2 ? "cortex" : "together",
    );
    const naive = await writeAtOnce(CONTROL_EVENTS, () => "plain");
    const acknowledged = reports.flatMap((report) => report.ids);
    const { missed, strange } = difference(
      acknowledged,
      log.map((event) => event.id),
    );
    const broken = brokenPromises(log);
    const block = Math.max(...reports.map((report) => report.longestBlock));
    const seconds = Math.max(...reports.map((report) => report.seconds));
    const failed = sum(naive.reports.map((report) => report.failed));
    return {
      ran: `${PROCESSES} processes × ${LANES} lanes, two processes to a cortex, one of them with shared transactions`,
      count: plural(log.length, "event"),
      figures: [
        [`${acknowledged.length} acknowledged`, acknowledged.length === events],
        none(missed, "missing"),
        none(strange, "unacknowledged"),
        none(sum(Object.values(broken)), "stamps wrong"),
        [
          `longest block ${block.toFixed(0)} ms (idle process ${stall.toFixed(0)} ms)`,
          block - stall < LONGEST_BLOCK,
        ],
        [`${(log.length / seconds).toFixed(0)} events/s`, true],
        control(`db.transaction of @libsql/client failed ${failed} of ${CONTROL_EVENTS}`, failed),
      ],
    };
  },
};

async function writeAtOnce(events: number, formOf: (n: number) => WriterArguments["form"]) {
  return withDirectory(async (directory) => {
    const url = `file:${join(directory, "load.db")}`;
    const db = await createLog(url);
    const writers = Array.from({ length: PROCESSES }, (_, n) => {
      // Two processes to a cortex: its counters are dense across them. In one its lanes share transactions.
      const args: WriterArguments = {
        ...{ url, cortexId: cortexId(n % 2), skew: 0, form: formOf(n) },
        ...{ transactions: events / PROCESSES, lanes: LANES, sizes: [1] },
      };
      return startChild("./writer.ts", args);
    });
    // This process is idle meanwhile: what stops it is the machine, not SQLite.
    const idle = monitorEventLoopDelay({ resolution: 1 });
    await startTogether(writers);
    idle.enable();
    const reports = await Promise.all(writers.map((writer) => heard<WriterReport>(writer)));
    idle.disable();
    await Promise.all(writers.map((writer) => writer.exit));
    const log = await readAll(db);
    db.$client.close();
    return { log, reports, stall: idle.max / 1e6 };
  });
}
