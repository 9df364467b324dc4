// A client of its own, in a thread of its own where it is started as one.
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { watchLoop } from "./loop-block.js";
import { type ClientKind, marks, openAs } from "./marks.js";

export interface ClientArguments {
  url: string;
  client: ClientKind;
  /** The numbers of its writes: from it, so many. */
  from: number;
  writes: number;
  lanes: number;
}

export interface ClientReport {
  stored: number;
  errors: string[];
  /** The longest time that the event loop stood still, in milliseconds. */
  longestBlock: number;
}

if (parentPort) parentPort.postMessage(await writeAsClient(workerData as ClientArguments));

export async function writeAsClient({ url, client, from, writes, lanes }: ClientArguments) {
  const report: ClientReport = { stored: 0, errors: [], longestBlock: 0 };
  const db = await openAs(client, url);
  const stop = watchLoop();
  let begun = 0;
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      while (begun < writes) {
        const n = from + begun++;
        await write(n).then(
          () => report.stored++,
          (error) => report.errors.push(String(error).split("\n", 1)[0]!),
        );
      }
    }),
  );
  report.longestBlock = stop();
  db.$client.close();
  return report;

  /** Every other one holds the lock for 2 ms. */
  async function write(n: number): Promise<void> {
    const parts = [1, 2].map((part) => ({ n, part }));
    if (n % 2 === 0) return void (await db.insert(marks).values(parts));
    await db.transaction(async (tx) => {
      await tx.insert(marks).values(parts[0]!);
      await sleep(2);
      await tx.insert(marks).values(parts[1]!);
    });
  }
}
