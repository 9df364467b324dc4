import type { Ran } from "./child.js";
import { type Contender, isStamped, type Row } from "./rows.js";
import { median, ratios } from "./statistics.js";
import type { Worker } from "./worker.js";

export interface Result {
  row: string;
  size: number;
  target?: number;
  handTarget?: number;
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
  const results = Array.from(positions.keys(), (size) => emptyResult(row, size));
  await each(row.contenders, (contender) =>
    attempt(results, contender, workers, (worker) => worker.ask({ ask: "begin", mode: row.synchronous })),
  );
  const start = performance.now();
  for (let round = 0; round < warmUp + rounds; round++) {
    if (round >= warmUp + FEWEST_ROUNDS && performance.now() - start > rowMilliseconds) break;
    // Another size and another stack begin in every round: what one leaves to the disk, or to the memory of its
    // process, must not always fall on the same next.
    for (const index of rotated([...results.keys()], round)) {
      const { size } = results[index]!;
      const position = positions.get(size)!;
      const from = writes(row) ? position.next : round;
      await each(rotated(row.contenders, round), (contender) =>
        attempt(results, contender, workers, async (worker, entries) => {
          const entry = entries[index]!;
          const question = { ask: "run", size, row, contender, from, stamped: position.stamped } as const;
          const ran = await worker.ask<Ran>(question);
          if (ran.hash) entry.hash = ran.hash;
          if (round >= warmUp) entry.milliseconds.push(ran.milliseconds / row.calls);
        }),
      );
      advance(position, row);
    }
  }
  await each(row.contenders, (contender) =>
    attempt(results, contender, workers, async (worker, entries) => {
      const peak = await worker.ask<number>({ ask: "peak" });
      for (const [i, entry] of entries.entries()) {
        entry.peak = peak;
        if (writes(row)) entry.hash = await worker.ask({ ask: "hash", size: results[i]!.size });
      }
    }),
  );
  for (const result of results) compare(result);
  return results;
}

/** Goes on behind what a sample of the row has appended. */
export function advance(position: Position, row: Row): void {
  if (!writes(row)) return;
  position.next += row.calls * row.width;
  if (isStamped(row.contenders[0]!.operation)) position.stamped += row.calls * row.width;
}

function writes({ contenders }: Row): boolean {
  return contenders[0]!.operation.startsWith("append");
}

function emptyResult({ name, target, handTarget, contenders }: Row, size: number): Result {
  return {
    ...{ row: name, size, baseline: contenders[0]!.stack, rounds: 0 },
    ...(target && { target }),
    ...(handTarget && { handTarget }),
    entries: contenders.map(({ stack }) => ({ stack, milliseconds: [], median: 0, ratio: 0, peak: 0 })),
  };
}

/** A stack that fails is left out of the row. */
async function attempt(
  results: readonly Result[],
  { stack }: Contender,
  workers: ReadonlyMap<string, Worker>,
  ask: (worker: Worker, entries: Entry[]) => Promise<unknown>,
): Promise<void> {
  const entries = results.map((result) => result.entries.find((entry) => entry.stack === stack)!);
  if (entries.some(({ absent }) => absent)) return;
  try {
    const worker = workers.get(stack);
    if (!worker) throw new Error("not installed");
    await ask(worker, entries);
  } catch (error) {
    for (const entry of entries) entry.absent = error instanceof Error ? error.message : String(error);
  }
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

function rotated<T>(list: readonly T[], by: number): T[] {
  return list.map((_, i) => list[(i + by) % list.length]!);
}

async function each<T>(list: readonly T[], run: (item: T, index: number) => Promise<void>): Promise<void> {
  for (const [index, item] of list.entries()) await run(item, index);
}
