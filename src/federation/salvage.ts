import { getTableName, sql } from "drizzle-orm";
import { append } from "../append.js";
import { checkDatabase, type Database, type Transaction } from "../database.js";
import { type Action, type Actions, MAX_TEXT, type StoredEvent } from "../event.js";
import { feed } from "../feed.js";
import { checkULID } from "../field.js";
import { checkedOptions, checkFunction, InputError, isArray, reading, shapeOf } from "../input-error.js";
import type { ReadOptions } from "../read.js";
import type { EventsTable } from "../schema.js";
import { checkLimit } from "../select.js";
import { done, isPending, run, type Steps } from "../steps.js";
import { tableOf } from "../table.js";
import { checkSignal, disregard, nextTurn } from "../wait.js";
import { committed, type Transact } from "./caller-transaction.js";
import type { Later } from "./peer.js";

export interface SalvageOptions<A extends Actions = Action> extends ReadOptions<A> {
  /** The old log's table. Default `table`. */
  oldTable?: EventsTable<any>;
  /** The most events in a transaction. Default 500. */
  limit?: number;
  /** Stops between pages; what has been appended stays. */
  signal?: AbortSignal;
  /** How to run a transaction on the new log. Default `newDb.transaction`; on libsql, pass `writeTransaction`. */
  transaction?: (write: (tx: any) => Promise<SalvageReport>) => Promise<SalvageReport>;
}

export interface SalvageReport {
  /** How many events were appended by the cortex in place of those that only the old log has. */
  salvaged: number;
  /** How many events without a clock were taken over as they are. */
  copied: number;
  /** How many the new log had, itself or for what was salvaged before. */
  present: number;
}

/** As `openCortex` makes it. */
interface Writer {
  readonly id: string;
  /** The log that it writes to. */
  readonly table?: EventsTable<any>;
  append(tx: any, mutations: any): unknown;
}

/**
 * Mends a fork: what only the old log has is appended to the new one, in the order in which it arrived there, by
 * a cortex that was made for this. Action, trace, actor, data and meta stay. The old event's id becomes the
 * idempotency key: so it can be run again, also when it was cut off, and by several machines that have held the
 * same history. Id, timestamp, clock, origin and cortex are new ones: the new log has not seen the old history
 * happen. Events without a clock are local, belong to no history that could fork, and are copied whole.
 *
 * First pull into the new log all that its peers have. Afterwards the old log is of no more use, and the cortex
 * may write on. A salvaged event comes after all that the new log holds of its trace, so look at the traces that both
 * histories have changed. The cortex should have no `lifecycle` and no `schemas`: what is refused ends it.
 *
 * @throws InputError, as a rejection: the arguments are not valid, or the old log has events of this cortex, so it is
 * not a new one (`INVALID_CORTEX_ID`).
 * @throws the signal's reason, and what the cortex, a database or the transaction throws. Earlier pages stay.
 */
export async function salvage<A extends Actions = Action>(
  oldDb: Database,
  newDb: Database,
  cortex: Writer,
  options?: SalvageOptions<A>,
): Promise<SalvageReport> {
  const { signal, limit, oldTable, table, transaction, writer } = checkedSalvage(
    oldDb,
    newDb,
    cortex,
    options,
  );
  const [own] = await feed(oldDb, { table: oldTable, cortexId: writer.id, limit: 1 });
  if (own) {
    const problem = "has events in the old log: salvage by a new cortex with an id of its own";
    throw new InputError("INVALID_CORTEX_ID", "cortex.id", problem);
  }
  const report: SalvageReport = { salvaged: 0, copied: 0, present: 0 };
  let after: StoredEvent<any> | 0 = 0;
  for (;;) {
    signal?.throwIfAborted();
    const page: StoredEvent<any>[] = await feed(oldDb, { table: oldTable, after, limit });
    const last = page.at(-1);
    if (!last) return report;
    const { salvaged, copied, present } = await committed(
      transaction,
      (tx) => run(tx, salvagePage(tx, table, writer, page)) as Later<SalvageReport>,
    );
    report.salvaged += salvaged;
    report.copied += copied;
    report.present += present;
    after = last;
    await nextTurn();
  }
}

function* salvagePage(
  tx: Transaction,
  table: EventsTable<any>,
  writer: Writer,
  page: readonly StoredEvent<any>[],
): Steps<SalvageReport> {
  const ids = JSON.stringify(page.map(({ id }) => id));
  const rows = tx.values(sql`select id from ${table} where id in (select value from json_each(${ids}))`);
  const isLater = isPending(rows);
  const held = new Set((yield* done(rows as [string][])).map((row) => row[0]));
  const lacking = page.filter(({ id }) => !held.has(id));
  const local = lacking.filter(({ vclock }) => !vclock).map(({ seq: _, ...event }) => event);
  const mutations = lacking.filter(({ vclock }) => vclock).map(mutationOf);
  const [end] = yield* done(tx.values(sql`select ifnull(max(seq), 0) from ${table}`) as [[number]]);
  const copies =
    local.length > 0 ? yield* done(append(tx, local as never, { table, maxDataBytes: MAX_TEXT })) : [];
  // What was salvaged before is answered with the event that it was salvaged as.
  const answers = mutations.length > 0 ? writer.append(tx, mutations) : [];
  if (isPending(answers) && !isLater) {
    disregard(answers);
    throw new InputError(
      "INVALID_FUNCTION",
      "cortex.append",
      "answers with a promise on a synchronous driver",
    );
  }
  const copied = newOf(copies, local.length, Number(end[0]));
  const salvaged = newOf(yield* done(answers), mutations.length, Number(end[0]));
  return { salvaged, copied, present: page.length - salvaged - copied };
}

/** How many of the events that an append has answered with came after the end of the log. */
function newOf(answers: unknown, count: number, end: number): number {
  return reading("cortex", () => {
    if (isArray(answers) && answers.length === count) {
      return answers.filter((event) => Number((event as StoredEvent<any>).seq) > end).length;
    }
    const problem = `must append, and answer with ${count} events, got ${shapeOf(answers)}`;
    throw new InputError("INVALID_FUNCTION", "cortex.append", problem);
  });
}

/** The same change, as a request that can be told from others by the event that recorded it. */
function mutationOf({ id, action, traceId, actor, data, meta }: StoredEvent<any>) {
  return {
    ...{ action, traceId, idempotencyKey: id },
    ...(actor !== undefined && { actor }),
    ...(data !== undefined && { data }),
    ...(meta !== undefined && { meta }),
  };
}

function checkedSalvage(
  oldDb: Database,
  newDb: Database,
  cortex: unknown,
  options: SalvageOptions<any> | undefined,
) {
  checkDatabase(oldDb, "oldDb");
  checkDatabase(newDb, "newDb");
  const { signal, limit = 500, table, oldTable = table, transaction } = checkedOptions(options);
  checkSignal(signal);
  checkLimit(limit);
  if (transaction !== undefined) checkFunction(transaction, "INVALID_FUNCTION", "transaction");
  const log = tableOf({ table });
  return {
    ...{ signal, limit, table: log, oldTable: tableOf({ table: oldTable }) },
    transaction: (transaction ?? newDb.transaction.bind(newDb)) as Transact<SalvageReport>,
    writer: checkedWriter(cortex, log),
  };
}

/** The cortex's id and function, read once. */
function checkedWriter(cortex: unknown, log: EventsTable<any>): Writer {
  const { id, append, table } = reading("cortex", () => {
    const { id, append, table } = Object(cortex) as Partial<Writer>;
    return { id, append, table };
  });
  checkULID(id, "INVALID_CORTEX_ID", "cortex.id");
  if (typeof append !== "function") {
    throw new InputError("INVALID_FUNCTION", "cortex", `must be a cortex, got ${shapeOf(cortex)}`);
  }
  if (table !== undefined && getTableName(tableOf({ table })) !== getTableName(log)) {
    const problem = "is of another log than the new one: give both the same `table`";
    throw new InputError("INVALID_TABLE", "cortex", problem);
  }
  return { id, append: (...args) => Reflect.apply(append, cortex, args) };
}
