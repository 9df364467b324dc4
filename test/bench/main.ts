// npm run bench [-- options]: this package beside raw libsql and others; with `--against`, beside another version
// of itself.
//
//   --quick              fewer and shorter rounds, smaller logs
//   --only <text>        rows with this in their name; may be given several times
//   --rounds <number>    so many rounds of each row, however long they take; with --against, by each pair of processes
//   --out <directory>    for the results; test/bench by default, nothing is written with --against
//   --against <folder>   another checkout or build of this package
//
// Every stack runs in a Node process of its own, on the compiled package: that is what an app loads, while tsx
// wraps every function and keeps a compiler in memory. All share one schema, with its indexes, checks and
// triggers, but for Emmett and what is made by hand. A full run needs 8 GB under the directory for temporary files.
import { parseArgs } from "node:util";
import { compareWith } from "./against.js";
import { compareWithOthers } from "./others.js";
import { rows } from "./rows.js";
import { compile } from "./setup.js";

const OPTIONS = {
  quick: { type: "boolean", default: false },
  only: { type: "string", multiple: true },
  rounds: { type: "string" },
  out: { type: "string", default: import.meta.dirname },
  against: { type: "string" },
} as const;

process.exit(await main());

async function main(): Promise<number> {
  const { quick, only, rounds, out, against } = parseArgs({ options: OPTIONS }).values;
  const chosen = rows
    .filter(({ name }) => !only || only.some((text) => name.includes(text)))
    .map((row) => (quick ? { ...row, calls: Math.ceil(row.calls / 4) } : row));
  if (chosen.length === 0 || (rounds !== undefined && !(Number(rounds) >= 1))) {
    console.error(`No such rows or rounds. The rows are:\n${rows.map(({ name }) => name).join("\n")}`);
    return 2;
  }
  if (!compile()) return 1;
  const limits = rounds && { rounds: Number(rounds), rowMilliseconds: Number.POSITIVE_INFINITY };
  const run = { quick, chosen, ...(limits && { limits }) };
  return against === undefined ? compareWithOthers(run, out) : compareWith(run, against);
}
