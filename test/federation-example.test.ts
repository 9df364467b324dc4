import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;

test("the federation example shows the divergences and their end, the fork and its mending, and three equal logs", async () => {
  const args = ["--import", tsx, "examples/federation/main.ts"];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: root });
  expect(stderr).toBe("");
  for (const name of ["laptop", "phone"]) {
    expect(stdout).toMatch(
      new RegExp(`^${name}: "shopping" diverges: "milk, (bread|eggs)" .* and "milk, (bread|eggs)"`, "m"),
    );
  }
  expect(stdout).toMatch(/^desktop: "travel" diverges: .*(desktop|laptop).* and .*(desktop|laptop)/m);
  for (const name of ["laptop", "phone", "desktop"]) expect(stdout).toContain(`${name}: nothing diverges`);
  const fork = /^\w+ +← \w+ +FORK: Cortex \w{26} has two histories, which part after its event 3\.$/gm;
  expect(stdout.match(fork)).toHaveLength(2);
  expect(stdout).toMatch(/^salvaged 1 event, 8 were there$/m);
  const logs = [...stdout.matchAll(/^(?:laptop|desktop|new phone) +(10 events, sha256 .*)$/gm)].map(
    ([, summary]) => summary,
  );
  expect(logs).toHaveLength(3);
  expect(new Set(logs).size).toBe(1);
  expect(stdout).toMatch(/\nOK: the logs are equal\n$/);
});
