// A process that closes its client at every step of what it does, and says how that ended.
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@libsql/client";
import { openLibsql } from "drizzle-event-log/libsql";
import { drizzle } from "drizzle-orm/libsql";
import { argument, say, told } from "./child.js";
import { type CloseTally, type Operation, operations, outcomeOf } from "./close-operations.js";
import type { Log } from "./log.js";
import { createMarks, mark, marks, partsOf } from "./marks.js";
import { collected, descriptorsOf } from "./memory.js";

export interface CloseArguments {
  file: string;
}

/** More steps than any of them takes. */
const MOST_STEPS = 400;
/** What is done in a moment is not to be mistaken for what waits. */
const WAIT = 30;

const { file } = argument<CloseArguments>();
const url = `file:${file}`;
const tally: CloseTally = { closed: 0, stored: 0, refused: 0, wrong: [], after: 0, open: 0, reopened: 0 };
let next = 1;

(await createMarks(url)).$client.close();
await closeAtEveryStep(false);
await closeAtEveryStep(true);
await closeBehindTransaction();
await closeInTransaction();
await closeBehindOthers();
await collected();
tally.open = descriptorsOf(file).length;
say(tally);

/** Whether another client has the file open, too: then it stays open. */
async function closeAtEveryStep(isShared: boolean): Promise<void> {
  const other = isShared ? await openLibsql(url) : undefined;
  for (const operation of operations) {
    for (let steps = 0; steps < MOST_STEPS; steps++) {
      const db = await openLibsql(url);
      const n = next++;
      const outcome = outcomeOf(() => operation.run(db, n));
      // Between steps of one turn of the event loop, and between turns.
      for (let i = 0; i < steps; i++) await (i % 16 === 15 ? new Promise(setImmediate) : null);
      const isDone = outcome.isSettled;
      db.$client.close();
      db.$client.close();
      await note(operation, n, outcome.promise);
      await refusedAfter(db);
      if (isDone) break;
      if (steps === MOST_STEPS - 1) tally.wrong.push(`${operation.name} never ended`);
    }
    if (other) await noteStored(other, "another client");
  }
  other?.$client.close();
}

async function closeBehindTransaction(): Promise<void> {
  const other = await openLibsql(url);
  for (const operation of operations.filter(({ isWrite }) => isWrite)) {
    const [db, n, mine] = [await openLibsql(url), next++, next++];
    let waiting!: ReturnType<typeof outcomeOf>;
    await other.transaction(async (tx) => {
      await tx.insert(marks).values([1, 2].map((part) => ({ n: mine, part })));
      waiting = outcomeOf(() => operation.run(db, n));
      await sleep(WAIT);
      db.$client.close();
      await note(operation, n, waiting.promise, "refused");
    });
    if ((await partsOf(other)).get(mine) !== 2) tally.wrong.push("another's transaction was torn");
  }
  other.$client.close();
}

async function closeInTransaction(): Promise<void> {
  const other = await openLibsql(url);
  const [db, n] = [await openLibsql(url), next++];
  const cut = outcomeOf(() =>
    db.transaction(async (tx) => {
      await tx.insert(marks).values({ n, part: 1 });
      const waiting = noteStored(other, "what waited behind it");
      db.$client.close();
      await waiting;
      await tx.insert(marks).values({ n, part: 2 });
    }),
  );
  await note(operations[2]!, n, cut.promise, "refused");
  other.$client.close();
}

/** While another process holds the lock, until it is told to let go. */
async function closeBehindOthers(): Promise<void> {
  say("lock");
  await told();
  const waiting = [];
  for (const operation of operations.filter(({ isWrite }) => isWrite)) {
    const [db, n] = [await openLibsql(url), next++];
    waiting.push({ operation, n, outcome: outcomeOf(() => operation.run(db, n)) });
    await sleep(WAIT);
    db.$client.close();
  }
  // The control: what is tried again by reconnecting, as the binding's poison asks for, comes alive after the close.
  const client = createClient({ url });
  const naive = next++;
  const retried = retryForever(drizzle(client) as Log, naive);
  await sleep(WAIT);
  client.close();
  say("unlock");
  await retried;
  for (const { operation, n, outcome } of waiting) await note(operation, n, outcome.promise, "refused");
  const witness = await openLibsql(url);
  tally.reopened = (await partsOf(witness)).has(naive) ? 1 : 0;
  witness.$client.close();
  client.close();
}

async function retryForever(db: Log, n: number): Promise<void> {
  for (;;) {
    try {
      return await mark(db, n, "run");
    } catch {
      await sleep(5);
      await db.$client.reconnect();
    }
  }
}

/** What is acknowledged is there, what is refused is not, and is refused with an error that says why. */
async function note(operation: Operation, n: number, ended: Promise<string>, wanted?: "refused") {
  tally.closed++;
  const outcome = await ended;
  const witness = await openLibsql(url);
  const parts = (await partsOf(witness)).get(n) ?? 0;
  witness.$client.close();
  const isStored = outcome === "stored";
  tally[isStored ? "stored" : "refused"]++;
  const isRight = isStored ? wanted === undefined && parts === operation.parts : parts === 0;
  if (!isRight || !["stored", "CLIENT_CLOSED", "TRANSACTION_CLOSED"].includes(outcome)) {
    tally.wrong.push(`${operation.name}: ${outcome}, ${parts} parts`);
  }
}

async function noteStored(db: Log, who: string): Promise<void> {
  const n = next++;
  const outcome = await outcomeOf(() => mark(db, n, "transaction")).promise;
  if (outcome !== "stored" || (await partsOf(db)).get(n) !== 2) tally.wrong.push(`${who}: ${outcome}`);
}

async function refusedAfter(db: Log): Promise<void> {
  for (const { name, run } of operations) {
    const outcome = await outcomeOf(() => run(db, next++)).promise;
    if (outcome === "CLIENT_CLOSED" && db.$client.closed) tally.after++;
    else tally.wrong.push(`${name} after the close: ${outcome}`);
  }
}
