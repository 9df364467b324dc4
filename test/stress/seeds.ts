// What the simulations share, in which everything random comes from a seed.
import { basename } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import SQLite from "better-sqlite3";
import { openSqlite } from "../fixture.js";
import { type Figure, none } from "./harness.js";

/** How many seeds a simulation runs, and how many of its controls. */
export const SEEDS = { short: 500, long: 5000 };
export const CONTROL_SEEDS = { short: 50, long: 500 };

/** How often each thing happened. */
export type Tally = Record<string, number>;

export interface Simulated {
  problems: string[];
  tally: Tally;
}

type Simulate = (seed: number) => Promise<Simulated>;

/** One seed after another; failed ones are told with the command that runs them again. `module` is its file's URL. */
export async function runSeeds(module: string, simulate: Simulate, first: number, count: number) {
  const start = performance.now();
  const failed: number[] = [];
  const total: Tally = {};
  for (let seed = first; seed < first + count; seed++) {
    const { problems, tally } = await simulate(seed);
    for (const [name, n] of Object.entries(tally)) total[name] = (total[name] ?? 0) + n;
    if (problems.length > 0) report(module, seed, problems, failed);
    // The timeout of the harness needs a turn, too.
    if (seed % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const perSeed = Math.round((performance.now() - start) / count);
  const result =
    failed.length > 0 ? `${failed.length} failed: seeds ${failed.slice(0, 5).join(", ")}` : "0 failed";
  const figures: Figure[] = [
    [result, failed.length === 0],
    [`${perSeed} ms per seed`, true],
  ];
  return { total, figures };
}

function report(module: string, seed: number, problems: readonly string[], failed: number[]): void {
  failed.push(seed);
  if (failed.length > 5) return;
  console.error(`seed ${seed} (npx tsx test/stress/${basename(fileURLToPath(module))} ${seed}):`);
  for (const problem of problems.slice(0, 10)) console.error(`  ${problem}`);
}

/** In how many seeds a problem shows that says this. */
export async function countShown(simulate: Simulate, what: string, first: number, count: number) {
  let shown = 0;
  for (let seed = first; seed < first + count; seed++) {
    const { problems } = await simulate(seed);
    if (problems.some((problem) => problem.includes(what))) shown++;
  }
  return shown;
}

/** A simulation shows nothing of what never came. */
export function neverCame(faults: readonly string[], total: Tally): Figure {
  const rare = faults.filter((fault) => !total[fault]);
  return none(rare.length, `kinds of fault that never came${rare.length > 0 ? `: ${rare.join(", ")}` : ""}`);
}

export const tallied = (faults: readonly string[], total: Tally) =>
  faults.map((name) => `${total[name] ?? 0} ${name}`).join(", ");

/** The seeds of the command line, where the module is what was started. */
export async function runGiven(module: string, simulate: Simulate): Promise<void> {
  if (module !== pathToFileURL(process.argv[1] ?? "").href) return;
  for (const seed of process.argv.slice(2).map(Number)) {
    const { problems, tally } = await simulate(seed);
    console.log(seed, problems.length === 0 ? "ok" : "FAILED", tally);
    for (const problem of problems) console.log(`  ${problem}`);
    if (problems.length > 0) process.exitCode = 1;
  }
}

// Migrating takes longer than the rest of a log's life.
let template: Buffer | undefined;

/** A database in memory, by default an empty log. It keeps its statements: a third of a seed's time went to compiling. */
export function openMemory(content?: Buffer): SQLite.Database {
  template ??= openSqlite().client.serialize();
  const client = new SQLite(content ?? template);
  const kept = new Map<string, SQLite.Statement>();
  const prepare = client.prepare.bind(client);
  client.prepare = ((text: string) => {
    const statement = kept.get(text) ?? prepare(text);
    kept.set(text, statement);
    // As new: who had it last may have asked for rows without names.
    return statement.reader ? statement.raw(false) : statement;
  }) as typeof client.prepare;
  return client;
}
