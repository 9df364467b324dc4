// npm run bench [-- [--quick] [--out=directory] [--only=text]]: this package beside raw libsql and others.
//
// Every stack runs in a Node process of its own, on the compiled package: that is what an app loads, while tsx
// wraps every function and keeps a compiler in memory. All share one schema, with its indexes, checks and
// triggers, but for Emmett, which has its own. A full run needs 6 GB under the directory for temporary files.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeMachine } from "./machine.js";
import { measure, type Position, type Result } from "./measure.js";
import { copy, prepareEmmett, prepareEvents } from "./prepare.js";
import type { Profile } from "./profile.js";
import { markdown, OURS, type Report } from "./report.js";
import { type Row, rows } from "./rows.js";
import { stacks } from "./stacks/all.js";
import { drawing } from "./svg.js";
import type { UlidRate } from "./ulid.js";
import { Worker } from "./worker.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const compiled = join(root, ".data/bench");
const workers = new Map<string, Worker>();
const directory = mkdtempSync(join(tmpdir(), "event-log-bench-"));

process.on("exit", cleanUp);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));
process.exit(await main(process.argv.slice(2)));

async function main(args: readonly string[]): Promise<number> {
  const option = (name: string) => args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
  const known = args.every((arg) => arg === "--quick" || /^--(out|only)=/.test(arg));
  if (!known) {
    console.error("Usage: main.ts [--quick] [--out=directory] [--only=text]");
    return 2;
  }
  const quick = args.includes("--quick");
  const out = option("out") ?? import.meta.dirname;
  const only = option("only");
  const chosen = rows
    .filter(({ name }) => !only || name.includes(only))
    .map((row) => (quick ? { ...row, calls: Math.ceil(row.calls / 4) } : row));
  const sizes = quick ? [10_000, 100_000] : [10_000, 100_000, 1_000_000];
  const limits = quick
    ? { warmUp: 1, rounds: 5, rowMilliseconds: 1_500 }
    : { warmUp: 2, rounds: 25, rowMilliseconds: 26_000 };
  const start = performance.now();

  if (!run("tsc", "-p", "tsconfig.build.json") || !run("tsc", "-p", "test/bench/tsconfig.json")) return 1;
  const machine = describeMachine(directory);
  console.log(`${machine.cpu}; ${directory} on ${machine.filesystem}`);
  await startWorkers(sizes);
  console.log(`logs of ${sizes.join(", ")} events in ${elapsed(start)}\n`);

  const positions = new Map(sizes.map((size): [number, Position] => [size, { next: size, stamped: 0 }]));
  const results: Result[] = [];
  for (const row of chosen) {
    // The smallest log is there to show the growth.
    const these = new Map([...positions].filter(([size]) => row.growth || size > sizes[0]!));
    const began = performance.now();
    results.push(...(await measure(row, these, workers, limits)));
    console.log(`${row.name} (${elapsed(began)})`);
  }
  const profiles = await profileWrites(chosen, sizes.at(-1)!, positions.get(sizes.at(-1)!)!);
  const ulid = await workers.get("drizzle-event-log")!.ask<UlidRate[]>({ ask: "ulid", calls: 200_000 });

  const date = new Date().toISOString().slice(0, 10);
  const seconds = (performance.now() - start) / 1000;
  const report: Report = { machine, date, quick, seconds, sizes, results, profiles, ulid };
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, "result.json"), `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(join(out, "result.svg"), drawing(report));
  console.log(`\n${markdown(report)}\n\n${join(out, "result.json")}, ${join(out, "result.svg")}`);
  return results.some(({ entries }) => entries.some(({ absent }) => absent?.startsWith("VOID"))) ? 1 : 0;
}

/** Of this package's writes of one event; at the end, for it slows them down. */
async function profileWrites(chosen: readonly Row[], size: number, position: Position): Promise<Profile[]> {
  const profiles: Profile[] = [];
  for (const row of chosen) {
    const contender = row.contenders.findLast(({ stack, lanes }) => stack === OURS || lanes);
    const worker = contender && workers.get(contender.stack);
    if (!worker || !contender.operation.startsWith("append") || row.width > 1) continue;
    await worker.ask({ ask: "begin", mode: row.synchronous });
    let profile!: Omit<Profile, "row" | "size">;
    // The first is to warm up.
    for (let i = 0; i < 2; i++) {
      const { next: from, stamped } = position;
      const long = { ...row, calls: 1000 };
      const run = { ask: "run", size, row: long, contender, from, stamped } as const;
      profile = await worker.ask({ ask: "profile", run });
      position.next += long.calls;
      if (contender.operation === "appendStamped") position.stamped += long.calls;
    }
    profiles.push({ row: row.name, size, ...profile });
  }
  return profiles;
}

/** Each with logs of its own, copied from one that was made once. */
async function startWorkers(sizes: readonly number[]): Promise<void> {
  const bases = prepareEvents(directory, sizes);
  const emmettBases = await prepareEmmett(directory, bases);
  if (!emmettBases) console.log("Emmett: not installed, left out");
  for (const { name, schema } of stacks) {
    const from = schema === "events" ? bases : emmettBases;
    if (!from) continue;
    const files: Record<number, string> = {};
    for (const size of sizes) {
      files[size] = join(directory, `${name.replaceAll("/", "-")}-${size}.db`);
      copy(from.get(size)!, files[size]);
    }
    const worker = new Worker(join(compiled, "child.js"), name);
    try {
      await worker.ask({ ask: "open", files });
      workers.set(name, worker);
    } catch (error) {
      await worker.end();
      console.log(`${name}: ${error instanceof Error ? error.message : error}, left out`);
    }
  }
  for (const file of [...bases.values(), ...(emmettBases?.values() ?? [])]) rmSync(file);
}

function run(command: string, ...args: string[]): boolean {
  const { status } = spawnSync(join(root, "node_modules/.bin", command), args, {
    cwd: root,
    stdio: "inherit",
  });
  return status === 0;
}

function cleanUp(): void {
  for (const worker of workers.values()) void worker.end();
  rmSync(directory, { recursive: true, force: true });
  rmSync(compiled, { recursive: true, force: true });
}

function elapsed(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}
