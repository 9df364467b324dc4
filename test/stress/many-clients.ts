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
import { watchDisk } from "./loop-block.js";
import type { ManyArguments } from "./many-clients-process.js";
import type { ClientReport } from "./many-clients-worker.js";
import { type ClientKind, createMarks, partsOf } from "./marks.js";

const CLIENTS = 8;
const LANES = 4;
const LONGEST_BLOCK = 50;
/** The most, where the loop stood still for too long. */
const ROUNDS = 3;

export const manyClients: Harness = {
  name: "many-clients",
  fault: "many clients of a file",
  required: `all there once, no error; longest loop block ≤ ${LONGEST_BLOCK} ms beyond that of a process that only waits for the disk; @libsql/client must fail, and block longer`,
  timeout: [600_000, 600_000],
  async run({ short }) {
    const writes = short ? 100 : 500;
    const rounds = await roundsUntil((block) => block <= LONGEST_BLOCK, "own", writes);
    const controls = await roundsUntil((block) => block > LONGEST_BLOCK, "plain", 100);
    const [best] = rounds.toSorted((a, b) => blockOf(a) - blockOf(b)) as [Round];
    const plain = controls.at(-1)!;
    const reports = rounds.flatMap((round) => round.reports);
    const errors = reports.flatMap((report) => report.errors);
    if (errors.length > 0) console.error("many-clients:", errors[0]);
    const failed = plain.reports.flatMap((report) => report.errors).length;
    const wanted = CLIENTS * writes * rounds.length;
    const whole = sum(rounds.map((round) => round.whole));
    return {
      ran: `${CLIENTS} clients × ${LANES} lanes in one process, every second through a symbolic link, every fourth in a worker thread`,
      count: plural(wanted, "write"),
      figures: [
        [`${sum(reports.map((report) => report.stored))} stored`, whole === wanted],
        none(sum(rounds.map((round) => round.partial)), "partial or doubled"),
        none(errors.length, "errors"),
        [
          `longest block ${best.block.toFixed(0)} ms (of the disk alone ${best.stall.toFixed(0)} ms)`,
          blockOf(best) <= LONGEST_BLOCK,
        ],
        control(`@libsql/client failed ${failed} of ${CLIENTS * 100}`, failed),
        control(`its longest block ${plain.block.toFixed(0)} ms`, blockOf(plain) - LONGEST_BLOCK),
      ],
    };
  },
};

type Round = Awaited<ReturnType<typeof runClients>>;

const blockOf = ({ block, stall }: Round) => block - stall;

/** Some more of them if need be: what the machine did in one is not there in each. */
async function roundsUntil(isSeen: (block: number) => boolean, client: ClientKind, writes: number) {
  const rounds: Round[] = [];
  do rounds.push(await runClients(client, writes));
  while (rounds.length < ROUNDS && !isSeen(blockOf(rounds.at(-1)!)));
  return rounds;
}

async function runClients(client: ClientKind, writes: number) {
  return withDirectory(async (directory) => {
    const file = join(directory, "many.db");
    const link = join(directory, "link.db");
    const db = await createMarks(`file:${file}`);
    symlinkSync(file, link);
    const args: ManyArguments = {
      clients: Array.from({ length: CLIENTS }, (_, i) => ({
        url: `file:${i % 2 === 0 ? file : link}`,
        isThread: i % 4 === 3,
        ...{ client, writes, lanes: LANES, from: i * writes },
      })),
    };
    const child = startChild("./many-clients-process.ts", args);
    await startTogether([child]);
    const stop = watchDisk(directory);
    const reports = await heard<ClientReport[]>(child);
    const { longest: stall } = stop();
    const exit = await child.exit;
    if (exit !== 0) throw new Error(`the process ended with ${exit}`);
    const parts = [...(await partsOf(db)).values()];
    db.$client.close();
    const whole = parts.filter((n) => n === 2).length;
    return {
      reports,
      block: Math.max(...reports.map((report) => report.longestBlock)),
      whole,
      partial: parts.length - whole,
      stall,
    };
  });
}
