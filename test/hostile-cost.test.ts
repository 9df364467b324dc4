import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import type { Cost } from "./hostile-cost.js";

/** In milliseconds. */
const LONGEST = 150;
/** In MiB, with a heap of 256 at the most: what V8 only has not yet thrown away is not counted. */
const MOST = 300;

test("whatever a peer does, it costs at most 300 MiB and holds up the event loop for at most 150 ms", async () => {
  // Others on the machine hold up the loop, too, in some runs: what a peer costs is the least of a few.
  const least: Cost[] = await measured();
  expect(least.length).toBeGreaterThan(14);
  for (let again = 0; again < 2 && least.some(isOver); again++) {
    for (const [i, { block, memory }] of (await measured()).entries()) {
      least[i]!.block = Math.min(least[i]!.block, block);
      least[i]!.memory = Math.min(least[i]!.memory, memory);
    }
  }
  expect(least.filter(isOver)).toEqual([]);
}, 360_000);

const isOver = ({ block, memory }: Cost) => block >= LONGEST || memory >= MOST;

async function measured(): Promise<Cost[]> {
  const file = fileURLToPath(new URL("hostile-cost.ts", import.meta.url));
  const args = ["--expose-gc", "--max-old-space-size=256", "--import", "tsx", file, "--json"];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as Cost[];
}
