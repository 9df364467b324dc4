// npm run stress [-- [--short] [--seed=N] [name …]]: what the log promises, against the faults that would break it.
import { busyPoison } from "./busy-poison.js";
import { clock } from "./clock.js";
import { close } from "./close.js";
import { commitRace } from "./commit-race.js";
import { consumers } from "./consumers.js";
import { crash } from "./crash.js";
import { crossProcess } from "./cross-process.js";
import { d1 } from "./d1.js";
import { disk } from "./disk.js";
import { faults } from "./faults.js";
import { flat } from "./flat.js";
import { cleanUp, type Harness, type Outcome } from "./harness.js";
import { heldLock } from "./held-lock.js";
import { hog } from "./hog.js";
import { inProcess } from "./in-process.js";
import { manyClients } from "./many-clients.js";
import { mixedWriters } from "./mixed-writers.js";
import { model } from "./model.js";
import { pullScale } from "./pull-scale.js";
import { restores } from "./restores.js";
import { server } from "./server.js";
import { simulation } from "./simulation.js";

const harnesses = [
  commitRace,
  inProcess,
  crossProcess,
  busyPoison,
  crash,
  consumers,
  mixedWriters,
  manyClients,
  hog,
  heldLock,
  close,
  disk,
  server,
  flat,
  faults,
  model,
  clock,
  simulation,
  restores,
  pullScale,
  d1,
];
const COLUMNS = ["fault", "what ran", "count", "result", "required", ""];
const WIDTHS = [18, 70, 14, 0, 0];

process.on("exit", cleanUp);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));
process.exit(await main(process.argv.slice(2)));

async function main(args: readonly string[]): Promise<number> {
  const short = args.includes("--short");
  const given = args.find((arg) => arg.startsWith("--seed="))?.slice("--seed=".length);
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
  const names = args.filter((arg) => arg !== "--short" && !arg.startsWith("--seed="));
  const unknown = names.filter((name) => !harnesses.some((harness) => harness.name === name));
  if (unknown.length > 0 || !Number.isSafeInteger(seed)) {
    console.error(`Usage: main.ts [--short] [--seed=N] [${harnesses.map(({ name }) => name).join(" | ")} …]`);
    return 2;
  }
  console.log(`seed ${seed}, ${short ? "short" : "long"} form\n`);
  const rows: string[][] = [];
  for (const harness of harnesses) {
    if (names.length > 0 && !names.includes(harness.name)) continue;
    const start = performance.now();
    const row = await runOne(harness, short, seed);
    rows.push(row);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`${row.map((cell, i) => cell.padEnd(WIDTHS[i] ?? 0)).join(" | ")} (${seconds} s)`);
  }
  console.log(`\n${markdown([COLUMNS, COLUMNS.map(() => "---"), ...rows])}\n`);
  const failed = rows.filter((row) => row.at(-1) !== "ok").length;
  console.log(`${rows.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

async function runOne(harness: Harness, short: boolean, seed: number): Promise<string[]> {
  const { fault, required } = harness;
  try {
    const { ran, count, figures } = await bounded(harness, short, seed);
    const result = figures.map(([text, ok]) => (ok ? text : `**${text}**`)).join(", ");
    return [fault, ran, count, result, required, figures.every(([, ok]) => ok) ? "ok" : "FAIL"];
  } catch (error) {
    console.error(error);
    const problem = error instanceof Error ? error.message : String(error);
    return [fault, "", "", problem.split("\n", 1)[0]!, required, "FAIL"];
  } finally {
    cleanUp();
  }
}

async function bounded(harness: Harness, short: boolean, seed: number): Promise<Outcome> {
  const limit = harness.timeout[short ? 0 : 1];
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${limit / 1000} s`)), limit);
  });
  try {
    return await Promise.race([harness.run({ short, seed }), tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

function markdown(rows: readonly string[][]): string {
  return rows.map((row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`).join("\n");
}
