import { batches, queries } from "./batches.js";
import { consuming, notConsuming } from "./consuming.js";
import { cortex } from "./cortex.js";
import { cortexBatches, trips } from "./cortex-batch.js";
import { type Log, migrationFor } from "./log.js";
import { migrating } from "./migrating.js";
import { reading } from "./reading.js";
import { tracked, trackedBatches } from "./tracked.js";
import { transactions } from "./transactions.js";
import { writing } from "./writing.js";

export { DROPS, type Log } from "./log.js";

export interface Report {
  promise: string;
  /** What is wrong, undefined if it holds. */
  failure?: string;
}

/** Keeps each promise on a log of its own: `open` is given the statements that make the tables. */
export async function keepPromises(
  migrations: readonly string[],
  open: (statements: readonly string[]) => Promise<Log>,
  report: (report: Report) => void,
): Promise<void> {
  const tables = ["create table notes (id text)"];
  for (const name of ["events", "other"]) tables.push(...migrationFor(migrations, name));
  const log = await open(tables);
  const { transaction, db, ...counted } = log;
  await log.close();
  const promises: Record<string, (log: any) => unknown> = {
    ...{ ...writing, ...reading, ...queries, ...migrating },
    ...(typeof db.batch === "function" ? { ...batches, ...cortexBatches, ...trackedBatches } : {}),
    ...(counted.trips ? trips : {}),
    ...(transaction ? { ...transactions, ...cortex, ...tracked, ...consuming } : notConsuming),
  };
  await keepAll(promises, () => open(tables), report);
}

/** Keeps each promise on what is opened for it. */
export async function keepAll<L extends object>(
  promises: Record<string, (log: L) => unknown>,
  open: () => Promise<L>,
  report: (report: Report) => void,
): Promise<void> {
  for (const [promise, keep] of Object.entries(promises)) {
    let log: L | undefined;
    try {
      log = await open();
      await keep(log);
      report({ promise });
    } catch (error) {
      report({ promise, failure: textOf(error) });
    } finally {
      await (log as Partial<Pick<Log, "close">> | undefined)?.close?.();
    }
  }
}

/** The error with all its causes, without what is too long to read. */
function textOf(error: unknown): string {
  const lines: string[] = [];
  for (let e = error, depth = 0; e instanceof Error && depth < 5; e = e.cause, depth++) {
    lines.push((e.stack ?? e.message).slice(0, 1500));
  }
  return lines.length > 0 ? lines.join("\ncaused by ") : String(error);
}
