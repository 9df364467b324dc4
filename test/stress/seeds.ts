// What the simulations share, in which everything random comes from a seed.
import { availableParallelism } from "node:os";
import { basename } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import SQLite from "better-sqlite3";
import { openSqlite } from "../fixture.js";
import { say } from "./child.js";
import { type Figure, heard, none, type RunOptions, startChild } from "./harness.js";

/** How many seeds a simulation runs, and how many of its controls. */
const SEEDS = { short: 500, long: 5000 };
const CONTROL_SEEDS = { short: 50, long: 500 };

/** How often each thing happened. */
export type Tally = Record<string, number>;

export interface Simulated {
  problems: string[];
  tally: Tally;
}

/** A control is the name of what it must do without. */
type Simulate = (seed: number, controls?: Readonly<Record<string, boolean>>) => Promise<Simulated>;

/** What a child is told. */
interface Run {
  seed: number;
  control?: string;
}

/**
 * The seeds from `first`; failed ones are told with the command that runs them again. Then those of each control, and
 * in how many a problem shows that says what the control has to come to. `module` is the URL of the simulation's file.
 */
export async function runSeeds<C extends string>(
  module: string,
  { short, seed: first }: RunOptions,
  controls: Readonly<Record<C, string>>,
) {
  const size = short ? "short" : "long";
  const seeds = (count: number) => Array.from({ length: count }, (_, i) => first + i);
  const names = Object.keys(controls) as C[];
  const runs: Run[] = [
    ...seeds(SEEDS[size]).map((seed) => ({ seed })),
    ...names.flatMap((control) => seeds(CONTROL_SEEDS[size]).map((seed) => ({ seed, control }))),
  ];
  const failed: number[] = [];
  const total: Tally = {};
  const shown = Object.fromEntries(names.map((name) => [name, 0])) as Record<C, number>;
  await runAll(module, runs, ({ seed, control }, { problems, tally }) => {
    if (control !== undefined) {
      if (problems.some((problem) => problem.includes(controls[control as C]))) shown[control as C]++;
      return;
    }
    for (const [name, n] of Object.entries(tally)) total[name] = (total[name] ?? 0) + n;
    if (problems.length > 0) report(module, seed, problems, failed);
  });
  const which = failed.length > 0 ? `: seeds ${failed.slice(0, 5).join(", ")}` : "";
  const figures: Figure[] = [none(failed.length, `failed${which}`)];
  return { total, figures, shown, seeds: SEEDS[size], controlSeeds: CONTROL_SEEDS[size] };
}

/** In as many processes as there are cores; each takes the next run when it is done with one. */
async function runAll(
  module: string,
  runs: readonly Run[],
  visit: (run: Run, simulated: Simulated) => void,
): Promise<void> {
  const rest = runs.values();
  const work = async () => {
    const child = startChild(module, CHILD, { isCompiled: true });
    for (const run of rest) {
      child.tell(JSON.stringify(run));
      const simulated = await heard<Simulated>(child).catch((cause) => {
        throw new Error(`seed ${run.seed}: ${cause.message}`, { cause });
      });
      visit(run, simulated);
    }
    child.endInput();
    await child.exit;
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
}

function report(module: string, seed: number, problems: readonly string[], failed: number[]): void {
  failed.push(seed);
  if (failed.length > 5) return;
  console.error(`seed ${seed} (npx tsx test/stress/${basename(fileURLToPath(module))} ${seed}):`);
  for (const problem of problems.slice(0, 10)) console.error(`  ${problem}`);
}

/** A simulation shows nothing of what never came. */
export function neverCame(faults: readonly string[], total: Tally): Figure {
  const rare = faults.filter((fault) => !total[fault]);
  return none(rare.length, `kinds of fault that never came${rare.length > 0 ? `: ${rare.join(", ")}` : ""}`);
}

export const tallied = (faults: readonly string[], total: Tally) =>
  faults.map((name) => `${total[name] ?? 0} ${name}`).join(", ");

/** Where the module is what was started: the seeds of the command line, or as `runAll`'s child. */
export async function runGiven(module: string, simulate: Simulate): Promise<void> {
  if (module !== pathToFileURL(process.argv[1] ?? "").href) return;
  const given = process.argv.slice(2);
  if (given[0] === JSON.stringify(CHILD)) return answer(simulate);
  for (const seed of given.map(Number)) await runAlone(simulate, seed);
}

const CHILD = { answers: true };

async function answer(simulate: Simulate): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const { seed, control }: Run = JSON.parse(line);
    say(await simulate(seed, control === undefined ? {} : { [control]: true }));
  }
}

async function runAlone(simulate: Simulate, seed: number): Promise<void> {
  const { problems, tally } = await simulate(seed);
  console.log(seed, problems.length === 0 ? "ok" : "FAILED", tally);
  for (const problem of problems) console.log(`  ${problem}`);
  if (problems.length > 0) process.exitCode = 1;
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
