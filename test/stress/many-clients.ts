import { symlinkSync } from "node:fs";
import { join } from "node:path";
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
import { watchLoop } from "./loop-block.js";
import type { ManyArguments } from "./many-clients-process.js";
import type { ClientReport } from "./many-clients-worker.js";
import { type ClientKind, createMarks, partsOf } from "./marks.js";

const CLIENTS = 8;
const LANES = 4;
const LONGEST_BLOCK = 50;

export const manyClients: Harness = {
  name: "many-clients",
  fault: "many clients of a file",
  required: `all there once, no error; longest loop block ≤ ${LONGEST_BLOCK} ms beyond an idle process's; @libsql/client must fail`,
  timeout: [120_000, 300_000],
  async run({ short }) {
    const writes = short ? 100 : 1_000;
    // Of the short form the disk is no part: a commit that waits for it blocks, and others may use it, too.
    const own = await runClients("own", writes, !short);
    const plain = await runClients("plain", 100, !short);
    const block = Math.max(...own.reports.map((report) => report.longestBlock));
    const errors = own.reports.flatMap((report) => report.errors);
    if (errors.length > 0) console.error("many-clients:", errors[0]);
    const failed = plain.reports.flatMap((report) => report.errors).length;
    return {
      ran: `${CLIENTS} clients × ${LANES} lanes in one process, every second through a symbolic link, every fourth in a worker thread`,
      count: plural(own.wanted, "write"),
      figures: [
        [`${sum(own.reports.map((report) => report.stored))} stored`, own.whole === own.wanted],
        none(own.partial, "partial or doubled"),
        none(errors.length, "errors"),
        [
          `longest block ${block.toFixed(0)} ms (idle process ${own.stall.toFixed(0)} ms)`,
          block - own.stall <= LONGEST_BLOCK,
        ],
        control(`@libsql/client failed ${failed} of ${plain.wanted}`, failed),
      ],
    };
  },
};

async function runClients(client: ClientKind, writes: number, isFull: boolean) {
  return withDirectory(async (directory) => {
    const file = join(directory, "many.db");
    const link = join(directory, "link.db");
    const db = await createMarks(`file:${file}`);
    symlinkSync(file, link);
    const args: ManyArguments = {
      clients: Array.from({ length: CLIENTS }, (_, i) => ({
        url: `file:${i % 2 === 0 ? file : link}`,
        isThread: i % 4 === 3,
        ...{ client, writes, isFull, lanes: LANES, from: i * writes },
      })),
    };
    const child = startChild("./many-clients-process.ts", args);
    await startTogether([child]);
    const stop = watchLoop();
    const reports = await heard<ClientReport[]>(child);
    const stall = stop();
    const exit = await child.exit;
    if (exit !== 0) throw new Error(`the process ended with ${exit}`);
    const parts = [...(await partsOf(db)).values()];
    db.$client.close();
    const whole = parts.filter((n) => n === 2).length;
    return { reports, wanted: CLIENTS * writes, whole, partial: parts.length - whole, stall };
  });
}
