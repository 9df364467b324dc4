// A process that writes to a log as fast as it can, and says which ids were acknowledged.
import { monitorEventLoopDelay } from "node:perf_hooks";
import { append, type Mutation, openCortex, ulidFactory } from "drizzle-event-log";
import {
  type LibsqlTransaction,
  openLibsql,
  writeTogether,
  writeTransaction,
} from "drizzle-event-log/libsql";
import { argument, ready, say } from "./child.js";
import { openAs } from "./marks.js";

export interface WriterArguments {
  url: string;
  cortexId: string;
  /** How far its clock is off, in milliseconds. */
  skew: number;
  transactions: number;
  lanes: number;
  /** Events per transaction, in turn; of one event: not in a batch. */
  sizes: readonly number[];
  /**
   * `together`: lanes share transactions. `naive`: ids made before the transaction, by the process's own generator.
   * `plain`: in the transactions of @libsql/client.
   */
  form: "cortex" | "together" | "naive" | "plain";
}

export interface WriterReport {
  ids: string[];
  /** Writes that threw, of `plain`. */
  failed: number;
  /** The longest time that the event loop stood still, in milliseconds. */
  longestBlock: number;
  seconds: number;
}

const { url, cortexId, skew, transactions, lanes, sizes, form } = argument<WriterArguments>();
const now = () => Date.now() + skew;
const cortex = openCortex({ id: cortexId, origin: "writer", now });
const nextId = ulidFactory({ now });
const db = form === "plain" ? await openAs("plain", url) : await openLibsql(url);
await ready();

const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const start = performance.now();
const ids: string[] = [];
let begun = 0;
let failed = 0;
await Promise.all(
  Array.from({ length: lanes }, async () => {
    while (begun < transactions) {
      try {
        ids.push(...(await write(begun++)));
      } catch (error) {
        if (form !== "plain") throw error;
        failed++;
      }
    }
  }),
);
const seconds = (performance.now() - start) / 1000;
delay.disable();
const report: WriterReport = { ids, failed, longestBlock: delay.max / 1e6, seconds };
say(report);

async function write(n: number): Promise<string[]> {
  const batch = Array.from({ length: sizes[n % sizes.length]! }, (_, i): Mutation => {
    return { action: "update", traceId: `trace-${n % 50}`, data: { n, i } };
  });
  const stamped = batch.map((event) => ({ ...event, id: nextId(), cortexId, origin: "writer" }));
  const appendAll = async (tx: LibsqlTransaction) => {
    if (form === "naive") return append(tx, stamped);
    return batch.length === 1 ? [await cortex.append(tx, batch[0]!)] : cortex.append(tx, batch);
  };
  const stored = await transact(appendAll);
  return stored.map((event) => event.id);
}

function transact<T>(work: (tx: LibsqlTransaction) => Promise<T>): Promise<T> {
  if (form === "together") return writeTogether(db, work);
  if (form === "plain") return db.transaction(work);
  return writeTransaction(db, work, { deadline: 120_000 });
}
