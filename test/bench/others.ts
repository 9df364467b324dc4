// This package beside raw libsql, the layers it is built on, and other packages.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeMachine } from "./machine.js";
import { advance, type Limits, measure, type Position, type Result } from "./measure.js";
import { type Bases, prepare, prepareEmmett } from "./prepare.js";
import type { Profile } from "./profile.js";
import { markdown, type Report } from "./report.js";
import { OURS, oursOf, PLAIN, type Row, WITHOUT } from "./rows.js";
import { directory, elapsed, removeBases, root, startWorkers, withoutRoot } from "./setup.js";
import { stacks } from "./stacks/all.js";
import { drawing } from "./svg.js";
import type { UlidRate } from "./ulid.js";
import { buildWithoutProof } from "./without-proof.js";
import type { Worker } from "./worker.js";

export interface Run {
  quick: boolean;
  chosen: readonly Row[];
  /** In place of the usual ones. */
  limits?: Partial<Limits>;
}

export async function compareWithOthers(run: Run, out: string): Promise<number> {
  const { quick, chosen } = run;
  const start = performance.now();
  const sizes = quick ? [10_000, 100_000] : [10_000, 100_000, 1_000_000];
  const limits: Limits = {
    ...(quick
      ? { warmUp: 1, rounds: 5, rowMilliseconds: 1_500 }
      : { warmUp: 2, rounds: 25, rowMilliseconds: 26_000 }),
    ...run.limits,
  };
  const machine = describeMachine(directory);
  console.log(`${machine.cpu}; ${directory} on ${machine.filesystem}`);
  const bases: Bases = prepare(join(directory, "bases"), sizes, root);
  const emmett = await prepareEmmett(directory, bases.events!);
  if (emmett) bases.emmett = emmett;
  else console.log("Emmett: not installed, left out");
  const names = stacks.map(({ name }) => name);
  const workers = await startWorkers(names, bases);
  const besideWithout = chosen.filter(isBesideWithout);
  // The log that the proof is measured on is copied once more.
  const { events: _, ...unneeded } = bases;
  removeBases(besideWithout.length > 0 ? unneeded : bases);
  console.log(`logs of ${sizes.join(", ")} events in ${elapsed(start)}\n`);

  const positions = startOf(sizes);
  const rest = chosen.filter((row) => !isBesideWithout(row));
  const results = await measureAll(rest, positions, workers, limits);
  const profiles = await profileWrites(rest, workers, sizes.at(-1)!, positions.get(sizes.at(-1)!)!);
  const ulid = await workers.get(OURS)!.ask<UlidRate[]>({ ask: "ulid", calls: 200_000 });
  if (besideWithout.length > 0) {
    // The stamps go on from the log's own: both begin with the same log.
    await workers.get(OURS)!.end();
    const pair = new Map([...(await startWorkers([OURS], bases)), ...(await startWithoutProof(sizes))]);
    results.push(...(await measureAll(besideWithout, startOf(sizes), pair, limits)));
  }

  const date = new Date().toISOString().slice(0, 10);
  const seconds = (performance.now() - start) / 1000;
  const report: Report = { machine, date, quick, seconds, sizes, results, profiles, ulid };
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, "result.json"), `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(join(out, "result.svg"), drawing(report));
  console.log(`\n${markdown(report)}\n\n${join(out, "result.json")}, ${join(out, "result.svg")}`);
  return results.some(({ entries }) => entries.some(({ absent }) => absent?.startsWith("VOID"))) ? 1 : 0;
}

const startOf = (sizes: readonly number[]) =>
  new Map(sizes.map((size): [number, Position] => [size, { next: size, stamped: 0 }]));

async function measureAll(
  rows: readonly Row[],
  positions: ReadonlyMap<number, Position>,
  workers: ReadonlyMap<string, Worker>,
  limits: Limits,
): Promise<Result[]> {
  const results: Result[] = [];
  // The smallest log is there to show the growth.
  const smallest = Math.min(...positions.keys());
  for (const row of rows) {
    const these = new Map([...positions].filter(([size]) => row.growth || size > smallest));
    const began = performance.now();
    results.push(...(await measure(row, these, workers, limits)));
    console.log(`${row.name} (${elapsed(began)})`);
  }
  return results;
}

const isBesideWithout = ({ contenders }: Row) => contenders[0]!.stack.startsWith(WITHOUT);

async function startWithoutProof(sizes: readonly number[]): Promise<Map<string, Worker>> {
  buildWithoutProof();
  const bases = prepare(join(directory, "without"), sizes, withoutRoot);
  const workers = await startWorkers([OURS], bases, { program: join(withoutRoot, "bench"), prefix: WITHOUT });
  removeBases(bases);
  return workers;
}

/** Of this package's writes of one event; at the end, for it slows them down. */
async function profileWrites(
  chosen: readonly Row[],
  workers: ReadonlyMap<string, Worker>,
  size: number,
  position: Position,
): Promise<Profile[]> {
  const profiles: Profile[] = [];
  for (const row of chosen) {
    const contender = oursOf(row);
    const worker = workers.get(contender.stack)!;
    if (contender.stack === PLAIN || !contender.operation.startsWith("append") || row.width > 1) continue;
    await worker.ask({ ask: "begin", mode: row.synchronous });
    let profile!: Omit<Profile, "row" | "size">;
    // The first is to warm up.
    for (let i = 0; i < 2; i++) {
      const long = { ...row, calls: 1000 };
      const { next: from, stamped } = position;
      const run = { ask: "run", size, row: long, contender, from, stamped } as const;
      profile = await worker.ask({ ask: "profile", run });
      advance(position, long);
    }
    profiles.push({ row: row.name, size, ...profile });
  }
  return profiles;
}
