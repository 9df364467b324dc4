// How long it takes to pull a log from another file, against appending the same events; and whether memory grows.
import { join } from "node:path";
import { append, clock, type NewEvent, ulidFactory } from "drizzle-event-log";
import { databasePeer, pull } from "drizzle-event-log/federation";
import { writeTransaction } from "drizzle-event-log/libsql";
import { seeded } from "../fixture.js";
import { type Harness, heard, none, plural, startChild, withDirectory } from "./harness.js";
import { cortexId, createLog, type Log } from "./log.js";
import type { PullerArguments, PullReport } from "./puller.js";

const EVENTS = { short: 20_000, long: 100_000 };
const BATCH = 1000;
const CORTEXES = 8;
const ROUNDS = 5;
const MAX_RATIO = 2;
// RSS goes up and down by a tenth by itself; a loop that never yields makes it grow by a third.
const MAX_GROWTH = { heap: 1.1, rss: 1.2 };

export const pullScale: Harness = {
  name: "pull-scale",
  fault: "a long way behind",
  required: `pull ≤ ${MAX_RATIO} × append; memory flat`,
  timeout: [600_000, 900_000],
  async run({ short, seed }) {
    return withDirectory(async (directory) => {
      const events = EVENTS[short ? "short" : "long"];
      const log = history(events, seed);
      const file = (name: string) => `file:${join(directory, name)}.db`;
      const source = await createLog(file("source"));
      await appendAll(source, log);

      // Each round both, in turn first: what the machine does besides falls on both.
      const ratios: number[] = [];
      let different = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const [pulled, appended] = [
          await createLog(file(`pulled-${round}`)),
          await createLog(file(`appended-${round}`)),
        ];
        const runs = [
          { name: "pull", run: () => pullAll(pulled, source) },
          { name: "append", run: () => appendAll(appended, log) },
        ];
        const seconds: Record<string, number> = {};
        for (const { name, run } of round % 2 === 0 ? runs : runs.reverse()) seconds[name] = await timed(run);
        ratios.push(seconds.pull! / seconds.append!);
        const clocks = await Promise.all(
          [source, pulled, appended].map(async (db) => JSON.stringify(await clock(db))),
        );
        different += new Set(clocks).size - 1;
        for (const db of [pulled, appended]) db.$client.close();
      }
      source.$client.close();
      const ratio = ratios.sort((a, b) => a - b)[ROUNDS >> 1]!;

      const { heap, rss } = await memory({
        ...{ from: file("source"), to: file("measured"), limit: events / 100 },
      });
      const growth = { heap: quarters(heap), rss: quarters(rss) };
      return {
        ran: `a pull between two files, pages of ${BATCH}, beside append in batches of ${BATCH}; ${ROUNDS} pairs`,
        count: plural(events, "event"),
        figures: [
          [
            `${ratio.toFixed(2)} × append (${ratios.map((one) => one.toFixed(2)).join(", ")})`,
            ratio <= MAX_RATIO,
          ],
          none(different, "logs that differ"),
          [`heap × ${growth.heap.toFixed(2)}`, growth.heap <= MAX_GROWTH.heap],
          [`RSS × ${growth.rss.toFixed(2)} from the first quarter to the last`, growth.rss <= MAX_GROWTH.rss],
        ],
      };
    });
  },
};

/** What cortexes wrote that saw each other's events now and then: about 20 events a trace, 100 bytes of data. */
function history(size: number, seed: number): NewEvent[] {
  const random = seeded(seed);
  const whole = (below: number) => Math.floor(random() * below);
  const nextId = ulidFactory({ now: () => Date.UTC(2026, 0), randomness: random });
  const counters = Array.from({ length: CORTEXES }, () => 0);
  const known = Array.from({ length: CORTEXES }, () => [...counters]);
  return Array.from({ length: size }, (): NewEvent => {
    const by = whole(CORTEXES);
    const mine = known[by]!;
    if (random() < 0.2) mine.splice(0, CORTEXES, ...counters);
    mine[by] = ++counters[by]!;
    const entries = mine.flatMap((n, i) => (n > 0 ? [[cortexId(i), n]] : []));
    return {
      ...{ id: nextId(), action: "update", traceId: `trace-${whole(size / 20)}`, cortexId: cortexId(by) },
      ...{ origin: `node ${by}`, timestamp: "2026-01-01T00:00:00.000Z", vclock: Object.fromEntries(entries) },
      data: { n: whole(1e9), title: "A note that somebody changed", text: "x".repeat(36) },
    };
  });
}

async function appendAll(db: Log, log: readonly NewEvent[]): Promise<void> {
  for (let i = 0; i < log.length; i += BATCH) {
    await writeTransaction(db, (tx) => append(tx, log.slice(i, i + BATCH)));
  }
}

async function pullAll(to: Log, from: Log): Promise<void> {
  const { refused } = await pull(to, databasePeer(from), {
    limit: BATCH,
    transaction: (write) => writeTransaction(to, (tx) => write(tx)),
  });
  if (refused.length > 0) throw refused[0]!.error;
}

async function timed(run: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1000;
}

/** In a process of its own, which collects its garbage before each sample. */
async function memory(args: PullerArguments): Promise<PullReport> {
  await createLog(args.to).then((db) => db.$client.close());
  const child = startChild("puller.ts", args);
  const report = await heard<PullReport>(child);
  await child.exit;
  return report;
}

/** How much more there was in the last quarter of the samples than in the first, by their medians. */
function quarters(samples: readonly number[]): number {
  // The first pages load and compile code, and fill caches.
  const steady = samples.slice(samples.length / 10);
  const size = steady.length >> 2;
  const median = (part: readonly number[]) => [...part].sort((a, b) => a - b)[part.length >> 1]!;
  return median(steady.slice(-size)) / median(steady.slice(0, size));
}
