import type { Ran } from "./child.js";
import type { Row } from "./rows.js";
import { median, ratios } from "./statistics.js";
import type { Worker } from "./worker.js";

export interface Result {
  row: string;
  size: number;
  target?: number;
  baseline: string;
  rounds: number;
  entries: Entry[];
}

export interface Entry {
  stack: string;
  /** Milliseconds per call, by round. */
  milliseconds: number[];
  /** The median of them. */
  median: number;
  /** The median over the rounds of the ratio to the baseline in the same round. */
  ratio: number;
  /** The greatest resident memory while the row ran, all sizes of it, in MB. */
  peak: number;
  hash?: string;
  /** Why there is no number: not installed, no equivalent, or other content than the baseline's. */
  absent?: string;
}

/** Where the next events of a log go on. */
export interface Position {
  next: number;
  stamped: number;
}

export interface Limits {
  /** Rounds that are run first and not counted. */
  warmUp: number;
  rounds: number;
  /** No round begins after this many milliseconds of a row, once it has the fewest rounds. */
  rowMilliseconds: number;
}

const FEWEST_ROUNDS = 3;

/** One row on logs of several sizes, all in turn in every round, so that sizes compare as fairly as stacks. */
export async function measure(
  row: Row,
  positions: ReadonlyMap<number, Position>,
  workers: ReadonlyMap<string, Worker>,
  { warmUp, rounds, rowMilliseconds }: Limits,
): Promise<Result[]> {
  const writes = row.contenders[0]!.operation.startsWith("append");
  const stamped = row.contenders[0]!.operation === "appendStamped";
  const results = Array.from(positions.keys(), (size): Result => {
    const entries = row.contenders.map(({ stack }): Entry => {
      return { stack, milliseconds: [], median: 0, ratio: 0, peak: 0 };
    });
    const { name, target, contenders } = row;
    return { row: name, size, ...(target && { target }), baseline: contenders[0]!.stack, rounds: 0, entries };
  });
  await each(row.contenders, async (contender, i) => {
    try {
      const worker = workers.get(contender.stack);
      if (!worker) throw new Error("not installed");
      await worker.ask({ ask: "begin", mode: row.synchronous });
    } catch (error) {
      drop(results, i, error);
    }
  });

  const start = performance.now();
  for (let round = 0; round < warmUp + rounds; round++) {
    if (round >= warmUp + FEWEST_ROUNDS && performance.now() - start > rowMilliseconds) break;
    // Another size and another stack begin in every round: what one leaves to the disk, or to the memory of its
    // process, must not always fall on the same next.
    for (const result of rotated(results, round)) {
      const position = positions.get(result.size)!;
      const from = writes ? position.next : round;
      await each(rotated(row.contenders, round), async (contender) => {
        const entry = result.entries[row.contenders.indexOf(contender)]!;
        if (entry.absent) return;
        try {
          const { size } = result;
          const question = { ask: "run", size, row, contender, from, stamped: position.stamped } as const;
          const ran = await workers.get(contender.stack)!.ask<Ran>(question);
          if (ran.hash) entry.hash = ran.hash;
          if (round >= warmUp) entry.milliseconds.push(ran.milliseconds / row.calls);
        } catch (error) {
          drop(results, row.contenders.indexOf(contender), error);
        }
      });
      if (writes) position.next += row.calls * row.width;
      if (stamped) position.stamped += row.calls * row.width;
    }
  }
  await each(row.contenders, async ({ stack }, i) => {
    if (results[0]!.entries[i]!.absent) return;
    const worker = workers.get(stack)!;
    const peak = await worker.ask<number>({ ask: "peak" });
    for (const result of results) {
      const entry = result.entries[i]!;
      entry.peak = peak;
      if (writes) entry.hash = await worker.ask({ ask: "hash", size: result.size });
    }
  });
  for (const result of results) compare(result);
  return results;
}

function compare(result: Result): void {
  const [first] = result.entries;
  result.rounds = first!.milliseconds.length;
  for (const entry of result.entries) {
    if (!entry.absent && entry.hash !== first!.hash) entry.absent = "VOID: other content";
    if (entry.absent) continue;
    entry.median = median(entry.milliseconds);
    entry.ratio = median(ratios(entry.milliseconds, first!.milliseconds));
  }
}

function drop(results: readonly Result[], contender: number, error: unknown): void {
  for (const { entries } of results)
    entries[contender]!.absent = error instanceof Error ? error.message : String(error);
}

function rotated<T>(list: readonly T[], by: number): T[] {
  return list.map((_, i) => list[(i + by) % list.length]!);
}

async function each<T>(list: readonly T[], run: (item: T, index: number) => Promise<void>): Promise<void> {
  for (const [index, item] of list.entries()) await run(item, index);
}
