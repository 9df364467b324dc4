import { sql } from "drizzle-orm";
import { isBusy } from "../busy.js";
import { checkDatabase, type Database, isSync, type Result } from "../database.js";
import { immediate } from "../immediate.js";
import { monotonicNow } from "../real-time.js";
import { done, inTurn, run, type Steps, turn } from "../steps.js";
import { pause } from "../wait.js";
import { type MigrationOptions, namesOf } from "./check-log.js";
import type { LogNames } from "./definition.js";
import { planOf, recordTableOf } from "./plan.js";
import { logState } from "./state.js";

// How long to ask again while another process holds the database.
const DEADLINE = 10_000;

/**
 * Makes the tables of the log and of its consumers, the indexes and triggers, or what is missing of them: all or
 * nothing, and nothing when it is run again. Several processes may run it at once. It records itself as Drizzle's
 * `migrate` does with this package's `migrationsFolder` and `migrationsTable`, so either may follow the other. On a table that another tool made, such
 * as `drizzle-kit push`, it adds the indexes and triggers that are missing and records nothing; the table of consumers
 * is then that tool's to make, too.
 *
 * Run it before anything else uses the database: while another process holds a libsql file, the client is
 * reconnected, which ends other transactions on it.
 *
 * @throws MigrationError `LOG_DIFFERS` the table is there and has other columns or checks; nothing was changed.
 * @throws the driver's refusal if another process holds the database for ten seconds.
 */
export function migrateEvents<D extends Database>(db: D, options?: MigrationOptions): Result<D, void> {
  checkDatabase(db);
  const names = namesOf(options);
  return inTurn(db, () => migrating(db, names));
}

function* migrating(db: Database, names: LogNames): Steps<void> {
  const end = monotonicNow() + DEADLINE;
  for (;;) {
    let plan: string[] | undefined;
    try {
      // Looked at without a lock first: most often nothing is missing.
      plan = yield* planNow(db, names);
      if (plan.length > 0) yield* apply(db, names, plan);
      return;
    } catch (error) {
      if (monotonicNow() >= end) throw error;
      if (isBusy(error)) yield* waitOnBusy(db);
      // Of two scripts or batches at once the second finds what the first has made.
      else if (!plan || `${plan}` === `${yield* planNow(db, names)}`) throw error;
    }
  }
}

function* planNow(db: Database, names: LogNames): Steps<string[]> {
  return planOf(names, yield* logState(db, names, recordTableOf(names.table)));
}

function* apply(db: Database, names: LogNames, plan: readonly string[]): Steps<void> {
  if ("rollback" in db) return yield* inside(db, names);
  const client = libsqlFile(db);
  // Nothing of a script stays open when it is refused, as a refused BEGIN or COMMIT of `transaction` would.
  if (client) return yield* done(client.executeMultiple(script(plan)));
  let begun = false;
  const attempt = (tx: Database) => {
    begun = true;
    return run(tx, inside(tx, names));
  };
  try {
    yield* done(immediate(db, attempt));
  } catch (error) {
    const { batch } = db as { batch?: (queries: unknown[]) => unknown };
    if (begun || isBusy(error) || !batch) throw error;
    // D1 has no `begin`.
    yield* done(
      batch.call(
        db,
        plan.map((statement) => db.run(sql.raw(statement))),
      ),
    );
  }
}

function* inside(tx: Database, names: LogNames): Steps<void> {
  for (const statement of yield* planNow(tx, names)) yield* done(tx.run(sql.raw(statement)));
}

interface LibsqlClient {
  executeMultiple(sql: string): PromiseLike<void>;
  reconnect?(): unknown;
}

function libsqlFile(db: Database): LibsqlClient | undefined {
  const client = Reflect.get(db, "$client") as Partial<LibsqlClient & { protocol: string }> | undefined;
  return client?.protocol === "file" && client.executeMultiple ? (client as LibsqlClient) : undefined;
}

function script(plan: readonly string[]): string {
  return ["BEGIN IMMEDIATE", ...plan, "COMMIT"].join(";\n");
}

function* waitOnBusy(db: Database): Steps<void> {
  const client = libsqlFile(db);
  if (client?.reconnect) {
    // A refused connection of libsql would later answer OK to writes that it never commits (libsql-client-ts #352).
    yield* turn();
    yield* done(client.reconnect());
  }
  const milliseconds = 2 + Math.random() * 20;
  // Not found out by a query: that would be refused as well.
  if (!isSync(db)) yield* done(pause(milliseconds));
  else if (typeof SharedArrayBuffer === "function") {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
  }
}
