// This checkout beside another version of the package: the same code of the benchmark, each on its own build, with
// its own schema and files. The packages that both use are those of this checkout.
import { cpSync, existsSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { describeMachine } from "./machine.js";
import { type Entry, type Limits, measure, type Result } from "./measure.js";
import type { Run } from "./others.js";
import { prepare } from "./prepare.js";
import { count, duration, machineLines, table } from "./report.js";
import { OURS, oursOf, PLAIN, type Row } from "./rows.js";
import { compiled, directory, elapsed, otherRoot, root, run as runTool, startWorkers } from "./setup.js";
import { median, medianInterval, quantile, ratios } from "./statistics.js";

const SIZE = 100_000;
const OLD = "old ";

export async function compareWith({ quick, chosen, limits: given }: Run, folder: string): Promise<number> {
  if (!buildOther(resolve(folder))) return 1;
  const start = performance.now();
  const limits: Limits = { warmUp: 3, rounds: quick ? 5 : 10, rowMilliseconds: 20_000, ...given };
  const newBases = prepare(join(directory, "new"), [SIZE], root);
  const oldBases = prepare(join(directory, "old"), [SIZE], otherRoot);
  const rows = chosen.map(besideItself);
  const results: Result[] = [];
  // A process keeps what it was dealt, in its memory and in its machine code: two of the very same program differ by
  // some percent for as long as they live. So several pairs of them, one after another.
  for (let launch = 0; launch < (quick ? 2 : 5); launch++) {
    const began = performance.now();
    const workers = new Map([
      ...(await startWorkers([OURS, PLAIN], newBases)),
      ...(await startWorkers([OURS, PLAIN], oldBases, { program: join(otherRoot, "bench"), prefix: OLD })),
    ]);
    const positions = new Map([[SIZE, { next: SIZE, stamped: 0 }]]);
    for (const row of rows) results.push(...(await measure(row, positions, workers, limits)));
    await Promise.all(Array.from(workers.values(), (worker) => worker.end()));
    console.log(`pair ${launch + 1} of processes (${elapsed(began)})`);
  }
  console.log(`\n${machineLines(describeMachine(directory))}`);
  console.log(`new: ${root}, old: ${resolve(folder)}; ${elapsed(start)}\n`);
  const head = ["operation", "log", "old", "new", "new/old", "interval", "middle half", "by pair", "rounds"];
  const lines = rows.map((row) => line(results.filter((result) => result.row === row.name)));
  console.log(table([head, ...lines]));
  return results.some(({ entries }) => entries.some(({ absent }) => absent)) ? 1 : 0;
}

/** Into a folder of its own, from its source if it has it, with the benchmark beside it. */
function buildOther(folder: string): boolean {
  const source = existsSync(join(folder, "src"));
  rmSync(otherRoot, { recursive: true, force: true });
  const parts = source ? ["src", "tsconfig.json", "tsconfig.build.json"] : ["dist"];
  for (const part of [...parts, "package.json", "drizzle"]) {
    cpSync(join(folder, part), join(otherRoot, part), { recursive: true });
  }
  // What imports the package by its name finds the one it lies in.
  cpSync(compiled, join(otherRoot, "bench"), { recursive: true });
  return !source || runTool("tsc", "-p", join(otherRoot, "tsconfig.build.json"), "--noCheck");
}

function besideItself(row: Row): Row {
  const ours = { ...oursOf(row) };
  if (ours.stack !== PLAIN) ours.stack = OURS;
  return { ...row, contenders: [{ ...ours, stack: OLD + ours.stack }, ours] };
}

/** Of the results of one row, from each pair of processes. */
function line(results: readonly Result[]): string[] {
  const { row, size } = results[0]!;
  const absent = results.flatMap(({ entries }) => entries).find((entry) => entry.absent);
  if (absent) return [row, count(size), `${absent.stack}: ${absent.absent}`];
  const byPair = results.map(({ entries: [old, ours] }) => ratios(ours!.milliseconds, old!.milliseconds));
  const all = byPair.flat();
  const time = (index: number) => {
    const milliseconds = results.flatMap(({ entries }) => entries[index]!.milliseconds);
    return duration({ ...(results[0]!.entries[index] as Entry), median: median(milliseconds) });
  };
  const range = (from: number, to: number) => `${from.toFixed(3)}–${to.toFixed(3)}`;
  return [
    ...[row, count(size), time(0), time(1), median(all).toFixed(3)],
    ...[range(...medianInterval(all)), range(quantile(all, 0.25), quantile(all, 0.75))],
    byPair.map((pair) => median(pair).toFixed(2)).join(" "),
    String(all.length),
  ];
}
