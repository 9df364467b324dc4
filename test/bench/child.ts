// One stack in a process of its own, told by its parent what to run.
import { readFileSync, writeFileSync } from "node:fs";
import Database from "libsql";
import {
  appendedEvent,
  type BenchEvent,
  contentHash,
  hash,
  idOf,
  longTrace,
  shortTrace,
  stampedEvent,
} from "./content.js";
import { profiled } from "./profile.js";
import { type Contender, isStamped, type Row } from "./rows.js";
import { stacks } from "./stacks/all.js";
import { LOOKS, parsed } from "./stacks/sql.js";
import type { Log } from "./stacks/stack.js";
import { ulidRates } from "./ulid.js";

/** What the parent asks; `size` names the log. */
export type Question =
  | { ask: "open"; files: Record<number, string> }
  | { ask: "begin"; mode: Row["synchronous"] }
  | Run
  | { ask: "profile"; run: Run }
  | { ask: "hash"; size: number }
  | { ask: "peak" }
  | { ask: "ulid"; calls: number };

export interface Run {
  ask: "run";
  size: number;
  row: Row;
  contender: Contender;
  /** The number of the first event to append; of the sample for a read. */
  from: number;
  /** How many events the writer's cortex has appended. */
  stamped: number;
}

export interface Ran {
  milliseconds: number;
  /** Of the events that a read answered with. */
  hash?: string;
}

const stack = stacks.find(({ name }) => name === process.argv[2])!;
const logs = new Map<number, Opened>();

interface Opened {
  log: Log;
  /** Looks at what is stored, through a connection of its own. */
  observer: Database.Database;
  /** The greatest seq before the row. */
  begin: number;
}

process.on("message", (question: Question) => {
  answer(question).then(
    (value) => process.send!({ value }),
    (error) => process.send!({ error: inBrief(error) }),
  );
});

/** Drizzle's own message holds the whole statement and its parameters. */
function inBrief(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return inBrief(error.cause ?? error.message).slice(0, 200);
}

async function answer(question: Question): Promise<unknown> {
  if (question.ask === "open") {
    for (const [size, file] of Object.entries(question.files)) {
      logs.set(Number(size), { log: await stack.open(file), observer: new Database(file), begin: 0 });
    }
    return true;
  }
  if (question.ask === "begin") {
    for (const opened of logs.values()) await begin(opened, question.mode);
    return resetPeak();
  }
  if (question.ask === "peak") return peakMegabytes();
  if (question.ask === "ulid") return ulidRates(question.calls);
  if (question.ask === "profile") {
    const { run: asked } = question;
    const { log } = logs.get(asked.size)!;
    return profiled(asked.row.calls, async () => (await run(log, asked)).milliseconds);
  }
  const opened = logs.get(question.size)!;
  return question.ask === "hash" ? storedHash(opened) : run(opened.log, question);
}

async function begin(opened: Opened, mode: Row["synchronous"]): Promise<void> {
  await opened.log.synchronous(mode);
  opened.begin = (opened.observer.prepare(LOOKS[stack.schema].last).get() as { last: number }).last;
}

async function run(log: Log, { size, row, contender, from, stamped }: Run): Promise<Ran> {
  const { operation, lanes } = contender;
  const { calls, width } = row;
  const call = (log[operation] as ((...args: any[]) => unknown) | undefined)?.bind(log);
  if (!call) throw new Error("no equivalent");
  if (operation.startsWith("append")) {
    const made = Array.from({ length: calls * width }, (_, i) =>
      isStamped(operation)
        ? stampedEvent(from + i, stamped + i, size)
        : appendedEvent(from + i, size, width > 1 ? 20 : 1),
    );
    // As an app gets them: strings that were put together cost whoever reads them first.
    const events = JSON.parse(JSON.stringify(made)) as BenchEvent[];
    if (operation === "appendPulled") {
      await log.offer!(events);
      return { milliseconds: await timed(call, [[]]) };
    }
    if (width > 1) {
      const batches = Array.from({ length: calls }, (_, i) => [events.slice(i * width, (i + 1) * width)]);
      return { milliseconds: await timed(call, batches) };
    }
    const args = events.map((event) => [event]);
    return { milliseconds: lanes ? await timedTogether(call, args, lanes) : await timed(call, args) };
  }
  const args = Array.from({ length: calls }, (_, i) => readArguments(row, operation, size, from * calls + i));
  // The reads before the first sample are checked, not timed.
  if (from > 0) return { milliseconds: await timed(call, args) };
  const found: BenchEvent[] = [];
  for (const each of args) found.push(...((await call(...each)) as BenchEvent[]));
  return { milliseconds: 0, hash: `${found.length} ${contentHash(found)}` };
}

function readArguments({ width }: Row, operation: string, size: number, n: number): (string | number)[] {
  const pick = hash(n, 5);
  if (operation === "feed") return [pick % (size - width), width];
  if (operation === "byId") return [idOf(pick % size)];
  if (operation === "since") return [idOf(pick % (size - width)), width];
  if (operation === "forTrace") return [width > 20 ? longTrace(pick, size) : shortTrace(pick, size), width];
  return [width];
}

async function timed(call: (...args: any[]) => unknown, args: readonly unknown[][]): Promise<number> {
  globalThis.gc?.();
  const start = performance.now();
  for (const each of args) await call(...each);
  return performance.now() - start;
}

async function timedTogether(call: (...args: any[]) => unknown, args: readonly unknown[][], lanes: number) {
  globalThis.gc?.();
  const start = performance.now();
  let next = 0;
  const lane = async () => {
    while (next < args.length) await call(...args[next++]!);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return performance.now() - start;
}

/** Of all events that the row has appended. */
function storedHash({ observer, begin }: Opened): string {
  const rows = observer.prepare(LOOKS[stack.schema].behind).all(begin);
  const found =
    stack.schema === "emmett"
      ? (rows as { event: string }[]).map(({ event }) => JSON.parse(event) as BenchEvent)
      : parsed(rows);
  return `${found.length} ${contentHash(found)}`;
}

// Linux forgets a process's high-water mark when told to; elsewhere it is that of the whole run.
function resetPeak(): void {
  try {
    globalThis.gc?.();
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {}
}

function peakMegabytes(): number {
  try {
    const [, kilobytes] = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))!;
    return Number(kilobytes) / 1024;
  } catch {
    return process.resourceUsage().maxRSS / 1024;
  }
}
