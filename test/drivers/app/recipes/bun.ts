import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { CORTEX_ID, folderOf } from "./tools.js";

const [program = ""] = process.argv.slice(2);
const DATABASE = join(mkdtempSync(join(tmpdir(), "recipe-")), "app.db");
const server = spawn(program, [join(folderOf("bun"), "server.ts")], {
  env: { ...process.env, PORT: "0", DATABASE, CORTEX_ID },
  stdio: ["ignore", "pipe", "inherit"],
});
try {
  const [line] = await Promise.race([
    createInterface({ input: server.stdout })
      [Symbol.asyncIterator]()
      .next()
      .then(({ value }) => [value]),
    new Promise<never>((_, reject) =>
      server.once("exit", (code) => reject(new Error(`Bun ended with ${code}`))),
    ),
  ]);
  const url = String(line).replace("listening on ", "");
  for (const title of ["Milk", "Bread"]) {
    const answer = await fetch(`${url}note`, { method: "POST", body: JSON.stringify({ title }) });
    assert.equal(answer.status, 201);
  }
  const history = (await (await fetch(`${url}note`)).json()) as any[];
  assert.deepEqual(
    history.map(({ data }) => data.title),
    ["Milk", "Bread"],
  );
} finally {
  server.kill();
}
