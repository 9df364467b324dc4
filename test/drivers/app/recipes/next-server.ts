// The recipe built by `next build`, and served by `next start`.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { CORTEX_ID, folderOf } from "./tools.js";

const next = join(process.cwd(), "node_modules/next/dist/bin/next");
const DATABASE_URL = `file:${join(mkdtempSync(join(tmpdir(), "recipe-")), "app.db")}`;
const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1", CORTEX_ID, DATABASE_URL };
const options = { cwd: folderOf("next"), env } as const;
execFileSync(process.execPath, [next, "build"], options);
const server = spawn(process.execPath, [next, "start", "--port", "0"], {
  ...options,
  stdio: ["ignore", "pipe", "inherit"],
});
try {
  const notes = `${await addressOf(server.stdout)}/notes/a`;
  const post = (title: string) => fetch(notes, { method: "POST", body: JSON.stringify({ title }) });
  const answers = await Promise.all(["Milk", "Bread", "Butter"].map(post));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 201, 201],
  );
  const history = (await (await fetch(notes)).json()) as any[];
  assert.deepEqual(
    history.map(({ vclock }) => vclock[CORTEX_ID]),
    [1, 2, 3],
  );
} finally {
  server.kill();
}

async function addressOf(output: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: output })) {
    const [address] = /http:\/\/localhost:\d+/.exec(line) ?? [];
    if (address) return address;
  }
  throw new Error("next start ended without an address");
}
