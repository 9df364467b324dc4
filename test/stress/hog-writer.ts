// A process that writes for a while and says how long its writes took; as a hog, in long transactions back to back.
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@libsql/client";
import { openLibsql, writeTransaction } from "drizzle-event-log/libsql";
import { drizzle } from "drizzle-orm/libsql";
import { argument, ready, say } from "./child.js";
import type { Log } from "./log.js";
import { type ClientKind, marks } from "./marks.js";

export interface HogArguments {
  url: string;
  /** `plain`: @libsql/client, and a random pause before each further attempt; without gaps for others. */
  client: ClientKind;
  isHog: boolean;
  lanes: number;
  /** How long it writes, in milliseconds. */
  time: number;
  /** The number of its first write. */
  from: number;
}

export interface HogReport {
  stored: number[];
  /** From the call to the answer, in milliseconds. */
  longestWait: number;
}

const HOLD = 50;

const { url, client, isHog, lanes, time, from } = argument<HogArguments>();
const db = client === "own" ? await openLibsql(url) : (drizzle({ client: createClient({ url }) }) as Log);
const report: HogReport = { stored: [], longestWait: 0 };
await ready();
const end = performance.now() + time;
let n = from;
await Promise.all(
  Array.from({ length: lanes }, async () => {
    while (performance.now() < end) await write(n++);
  }),
);
say(report);
db.$client.close();

async function write(n: number): Promise<void> {
  const called = performance.now();
  const inTransaction = writeTransaction(
    db,
    async (tx) => {
      await tx.insert(marks).values([1, 2].map((part) => ({ n, part })));
      if (isHog) await sleep(HOLD);
    },
    { deadline: 120_000 },
  );
  await inTransaction;
  report.longestWait = Math.max(report.longestWait, performance.now() - called);
  report.stored.push(n);
}
