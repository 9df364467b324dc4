// What every run needs: the compiled benchmark, a directory for the logs, and a process for each stack.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Bases, copy } from "./prepare.js";
import { stacks } from "./stacks/all.js";
import { Worker } from "./worker.js";

export const root = fileURLToPath(new URL("../../", import.meta.url));
export const compiled = join(root, ".data/bench");
/** Where another version of the package is built, so that it finds the packages that this one uses. */
export const otherRoot = join(root, ".data/against");
/** Where the package is built without the proof, in the same way. */
export const withoutRoot = join(root, ".data/without-proof");
export const directory = mkdtempSync(join(tmpdir(), "event-log-bench-"));
const running = new Set<Worker>();

process.on("exit", () => {
  for (const worker of running) void worker.end();
  for (const path of [directory, compiled, otherRoot, withoutRoot])
    rmSync(path, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));

/** Runs a program of this package's dependencies; whether it succeeds. */
export function run(command: string, ...args: string[]): boolean {
  const { status } = spawnSync(join(root, "node_modules/.bin", command), args, {
    cwd: root,
    stdio: "inherit",
  });
  return status === 0;
}

export function compile(): boolean {
  return run("tsc", "-p", "tsconfig.build.json") && run("tsc", "-p", "test/bench/tsconfig.json");
}

/** Those of the stacks that can be opened, each with logs of its own that are copied from the bases. */
export async function startWorkers(
  names: readonly string[],
  bases: Bases,
  { program = compiled, prefix = "" } = {},
): Promise<Map<string, Worker>> {
  const workers = new Map<string, Worker>();
  for (const { name, schema } of stacks) {
    const from = bases[schema];
    if (!from || !names.includes(name)) continue;
    const files: Record<number, string> = {};
    for (const [size, base] of from) {
      files[size] = join(directory, `${prefix}${name}-${size}.db`.replace(/[ /]/g, "-"));
      // What is left of an earlier log would be taken for the end of this one.
      for (const rest of ["-wal", "-shm"]) rmSync(files[size] + rest, { force: true });
      copy(base, files[size]);
    }
    const worker = new Worker(join(program, "child.js"), name);
    running.add(worker);
    try {
      await worker.ask({ ask: "open", files });
      workers.set(prefix + name, worker);
    } catch (error) {
      await worker.end();
      console.log(`${name}: ${error instanceof Error ? error.message : error}, left out`);
    }
  }
  return workers;
}

export function removeBases(bases: Bases): void {
  for (const files of Object.values(bases)) for (const file of files.values()) rmSync(file);
}

/** How long ago `performance.now()` was `start`. */
export function elapsed(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}
