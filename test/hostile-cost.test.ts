import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import type { Cost } from "./hostile-cost.js";

const LONGEST = 150;

test("whatever a peer does, it costs little memory and holds up the event loop for at most 150 ms", async () => {
  // Others on the machine hold up the loop, too, in some runs: what a peer costs is the least of a few.
  let least: Cost[] = await measured();
  expect(least.length).toBeGreaterThan(14);
  for (let again = 0; again < 2 && least.some(({ block }) => block >= LONGEST); again++) {
    const more = await measured();
    least = least.map((cost, i) => (more[i]!.block < cost.block ? more[i]! : cost));
  }
  for (const { name, block, memory } of least) {
    expect(block, name).toBeLessThan(LONGEST);
    expect(memory, name).toBeLessThan(400);
  }
}, 360_000);

async function measured(): Promise<Cost[]> {
  const file = fileURLToPath(new URL("hostile-cost.ts", import.meta.url));
  const args = ["--expose-gc", "--import", "tsx", file, "--json"];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as Cost[];
}
