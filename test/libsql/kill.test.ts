import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { expect, test } from "vitest";
import { cleanUps, hold, opened, seenBy } from "./local-file.js";

/** What was acknowledged by a writer that once met a lock, and was killed, but is not there. */
async function lostBy(whose: "ours" | "theirs"): Promise<{ acknowledged: number; lost: string[] }> {
  const { db, file } = await opened();
  db.$client.close();
  const release = await hold(file);
  const program = ["--import", "tsx", join(import.meta.dirname, "plain-writer.ts"), whose, `file:${file}`];
  const child = spawn(process.execPath, program, { stdio: ["ignore", "pipe", "inherit"] });
  cleanUps.push(() => child.kill("SIGKILL"));
  let said = "";
  child.stdout.on("data", (data) => {
    said += data;
  });
  await until(child, () => said.includes("met\n"));
  await release();
  await until(child, () => said.includes("done\n"));
  child.kill("SIGKILL");
  await once(child, "exit");
  const acknowledged = said.split("\n").filter((line) => !["met", "done", ""].includes(line));
  const there = new Set(await seenBy(file));
  return { acknowledged: acknowledged.length, lost: acknowledged.filter((body) => !there.has(body)) };
}

async function until(child: ChildProcessByStdio<null, Readable, null>, isSo: () => boolean): Promise<void> {
  while (!isSo()) await once(child.stdout, "data");
}

test("after one refusal and a kill -9 every acknowledged plain write is there", async () => {
  expect(await lostBy("ours")).toEqual({ acknowledged: 51, lost: [] });
});

// The control: should it keep them one day, the test above would show nothing.
test("@libsql/client loses them", async () => {
  const { acknowledged, lost } = await lostBy("theirs");
  expect(acknowledged).toBe(51);
  expect(lost.length).toBeGreaterThan(40);
});
