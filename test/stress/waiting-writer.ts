// A process whose writes all wait for a lock that another process holds; it reads meanwhile.
import { setTimeout as sleep } from "node:timers/promises";
import { lte } from "drizzle-orm";
import { argument, ready, say } from "./child.js";
import { type ClientKind, type Form, mark, marks, openAs, PLAIN_FORMS } from "./marks.js";

export interface WaitingArguments {
  url: string;
  client: ClientKind;
  writes: number;
}

export interface WaitingReport {
  stored: number;
  failed: number;
  /** Of the reads before there were writes, and while they waited, in milliseconds. */
  idle: number[];
  waiting: number[];
  error?: string;
}

const READS_BEFORE = 300;
const WARM_UP = 100;

const { url, client, writes } = argument<WaitingArguments>();
const forms: readonly Form[] = client === "own" ? [...PLAIN_FORMS, "writeTransaction"] : PLAIN_FORMS;
const report: WaitingReport = { stored: 0, failed: 0, idle: [], waiting: [] };
const db = await openAs(client, url);
for (let i = 0; i < READS_BEFORE; i++) report.idle.push(await read());
report.idle.splice(0, WARM_UP);
say("calling");

let isWaiting = true;
const all: Promise<unknown>[] = [];
for (let n = 0; n < writes; n++) {
  all.push(waitFor(n));
  await null; // Drizzle calls the client when its query is awaited, a step later.
}
await ready();
while (isWaiting && report.failed < writes) report.waiting.push(await read());
await Promise.all(all);
say(report);
db.$client.close();

async function waitFor(n: number): Promise<void> {
  try {
    await mark(db, n, forms[n % forms.length]!);
    isWaiting = false;
    report.stored++;
  } catch (error) {
    report.failed++;
    report.error ??= String(error);
  }
}

async function read(): Promise<number> {
  await sleep(2);
  const start = performance.now();
  await db.select().from(marks).where(lte(marks.n, 0)).limit(10);
  return performance.now() - start;
}
