import { join } from "node:path";
import {
  type Figure,
  type Harness,
  heard,
  none,
  plural,
  startChild,
  startTogether,
  withDirectory,
} from "./harness.js";
import type { HogArguments, HogReport } from "./hog-writer.js";
import { watchDisk } from "./loop-block.js";
import { type ClientKind, createMarks, partsOf } from "./marks.js";

const PROCESSES = 4;
const LANES = 8;
const LONGEST_WAIT = 1_000;

export const hog: Harness = {
  name: "hog",
  fault: "a process that hogs",
  required: `all there once; longest wait of the others ≤ ${LONGEST_WAIT / 1000} s beyond what the disk takes: its longest stall, and a commit of every lane; with random pauses alone it must be longer`,
  timeout: [600_000, 600_000],
  async run({ short }) {
    const own = await runHog("own", short ? 5_000 : 30_000);
    const plain = await runHog("plain", 5_000);
    const longer: Figure = [
      `control: without gaps ${plain.wait.toFixed(0)} ms`,
      plain.wait - plain.stall > LONGEST_WAIT && plain.wait > own.wait,
    ];
    return {
      ran: `${PROCESSES} processes × ${LANES} lanes, one of them with transactions of 50 ms back to back`,
      count: plural(own.stored, "write"),
      figures: [
        none(own.missing, "missing"),
        none(own.strange, "partial or doubled"),
        [`${own.byHog} of them the hog's`, own.byHog > 0],
        [
          `longest wait of the others ${own.wait.toFixed(0)} ms (the disk ${own.stall.toFixed(0)} ms)`,
          own.wait - own.stall <= LONGEST_WAIT,
        ],
        longer,
      ],
    };
  },
};

async function runHog(client: ClientKind, time: number) {
  return withDirectory(async (directory) => {
    const url = `file:${join(directory, "hog.db")}`;
    const db = await createMarks(url);
    const writers = Array.from({ length: PROCESSES }, (_, i) => {
      const args: HogArguments = {
        url,
        client,
        isHog: i === 0,
        lanes: LANES,
        time,
        from: i * 1_000_000,
      };
      return startChild("./hog-writer.ts", args);
    });
    await startTogether(writers);
    const stop = watchDisk(directory);
    const reports = await Promise.all(writers.map((writer) => heard<HogReport>(writer)));
    const { longest, middle } = stop();
    await Promise.all(writers.map((writer) => writer.exit));
    const parts = await partsOf(db);
    db.$client.close();
    const stored = reports.flatMap((report) => report.stored);
    return {
      stored: stored.length,
      byHog: reports[0]!.stored.length,
      missing: stored.filter((n) => !parts.has(n)).length,
      strange: [...parts.values()].filter((n) => n !== 2).length + parts.size - new Set(stored).size,
      stall: longest + middle * (PROCESSES - 1) * LANES,
      wait: Math.max(...reports.slice(1).map((report) => report.longestWait)),
    };
  });
}
