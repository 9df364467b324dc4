import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import type { Cost } from "./hostile-cost.js";

test("whatever a peer does, it costs little memory and holds up the event loop for at most 150 ms", async () => {
  const file = fileURLToPath(new URL("hostile-cost.ts", import.meta.url));
  const args = ["--expose-gc", "--import", "tsx", file, "--json"];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const [idle, ...costs] = JSON.parse(stdout) as [Cost, ...Cost[]];
  expect(costs.length).toBeGreaterThan(14);
  for (const { name, block, memory } of costs) {
    expect(block, name).toBeLessThan(idle.block + 150);
    expect(memory, name).toBeLessThan(400);
  }
}, 120_000);
