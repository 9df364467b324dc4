import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

export interface Harness {
  name: string;
  fault: string;
  required: string;
  /** Milliseconds until it has failed: short form, long form. */
  timeout: readonly [short: number, long: number];
  run(options: RunOptions): Promise<Outcome>;
}

export interface RunOptions {
  short: boolean;
  /** For everything random, so that a failure can be repeated. */
  seed: number;
}

export interface Outcome {
  ran: string;
  count: string;
  /** The figures, each with whether it is as required; every one must be. */
  figures: readonly Figure[];
}

export type Figure = readonly [text: string, ok: boolean];

/** In memory, where the system has it: kill -9 is the same there, and no commit waits for the disk. */
export const MEMORY = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
const DATA = fileURLToPath(new URL("../../.data/stress", import.meta.url));
const directories = new Set<string>();
const children = new Set<ChildProcess>();

/** Ends whatever a harness left behind, also one that timed out. */
export function cleanUp(): void {
  for (const child of children) child.kill("SIGKILL");
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  directories.clear();
  for (const file of outputs.values()) rmSync(file, { force: true });
  outputs.clear();
}

export async function withDirectory<T>(
  use: (directory: string) => Promise<T>,
  parent = tmpdir(),
): Promise<T> {
  const directory = mkdtempSync(join(parent, "event-log-stress-"));
  directories.add(directory);
  try {
    return await use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
    directories.delete(directory);
  }
}

/** A child process that says JSON lines on its stdout, and is told lines on its stdin. */
export interface Child {
  /** The next line; undefined at the end of its output. */
  next(): Promise<any>;
  tell(line: string): void;
  endInput(): void;
  /** kill -9; what it had said before can still be read. */
  kill(): void;
  /** Its exit code, or the signal that ended it, once its output is closed. */
  exit: Promise<number | string>;
}

export interface ChildOptions {
  /** Its program is compiled first, and starts in a third of the time: for those that are killed hundreds of times. */
  isCompiled?: boolean;
  env?: Record<string, string>;
  /** A command of the shell's that comes before it: what it limits, is limited for the child. */
  before?: string;
}

export function startChild(
  program: string,
  args: object,
  { isCompiled = false, env, before }: ChildOptions = {},
): Child {
  const source = fileURLToPath(new URL(program, import.meta.url));
  const file = isCompiled ? [compiled(source)] : ["--import", "tsx", source];
  const command = [process.execPath, ...file, JSON.stringify(args)];
  const all = before === undefined ? command : ["sh", "-c", `${before}; exec "$@"`, "sh", ...command];
  const child = spawn(all[0]!, all.slice(1), {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  children.add(child);
  // A child that is gone cannot be told anything.
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    next: async () => parseLine((await lines.next()).value),
    tell: (line) => void child.stdin.write(`${line}\n`),
    endInput: () => void child.stdin.end(),
    kill: () => void child.kill("SIGKILL"),
    exit: new Promise((resolve) => {
      child.on("close", (code, signal) => {
        children.delete(child);
        resolve(signal ?? code ?? "unknown");
      });
    }),
  };
}

const outputs = new Map<string, string>();

/** One file with all of this repository's code in it, where it finds the packages that it uses. */
function compiled(source: string): string {
  const known = outputs.get(source);
  if (known) return known;
  const outfile = join(DATA, `${process.pid}-${basename(source, ".ts")}.mjs`);
  buildSync({
    ...{ entryPoints: [source], outfile, bundle: true, packages: "external" },
    ...{ format: "esm", platform: "node", logLevel: "warning" },
  });
  outputs.set(source, outfile);
  return outfile;
}

function parseLine(line: string | undefined): unknown {
  if (line === undefined) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // cut short by kill -9
  }
}

/** Expects a line and answers with it. */
export async function heard<T>(child: Child): Promise<T> {
  const line = await child.next();
  if (line === undefined) throw new Error(`a child ended early: ${await child.exit}`);
  return line;
}

/** Starts them all at one moment, once each is ready. */
export async function startTogether(all: readonly Child[]): Promise<void> {
  await Promise.all(all.map((child) => heard(child)));
  for (const child of all) child.tell("go");
}

export const sum = (numbers: Iterable<number>) => [...numbers].reduce((a, b) => a + b, 0);

export const plural = (n: number, word: string) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;

/** The figure of a count that must be 0. */
export const none = (n: number, word: string): Figure => [`${n} ${word}`, n === 0];

/** The figure of a negative control: it must show the fault. */
export const control = (text: string, n: number): Figure => [`control: ${text}`, n > 0];
