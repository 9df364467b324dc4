import { type SQL, sql } from "drizzle-orm";
import type { BaseSQLiteDatabase, SQLiteInsertBase } from "drizzle-orm/sqlite-core";
import {
  andThen,
  type Database,
  inTurn,
  orElse,
  type Result,
  type RunResult,
  type Transaction,
} from "./database.js";
import {
  type Action,
  type Actions,
  type EncodedEvent,
  type EventLimits,
  encodeEvent,
  type NewEvent,
  type StoredEvent,
  sameEvent,
} from "./event.js";
import { markBranches, tipsOf } from "./heads.js";
import { InputError } from "./input-error.js";
import { selectEvents } from "./read.js";
import { type EventsTable, events } from "./schema.js";

export type ConflictErrorCode = "ID_CONFLICT" | "FORK" | "GAP" | "TOO_MANY_CORTEXES";

/**
 * The log holds another event in the place of the one to append: under the same id (`ID_CONFLICT`), or under
 * the same cortex and counter (`FORK`). Or, on `accept`, it lacks what the event builds on (`GAP`): the
 * cortex's event before it, or one that its clock has counted; or it would have more cortexes than a clock can
 * count (`TOO_MANY_CORTEXES`). `id` and `cortexId` are the refused event's, `existingId` is the one in the log
 * or in the same batch. Nothing was written.
 */
export class ConflictError extends Error {
  override readonly name = "ConflictError";

  constructor(
    readonly code: ConflictErrorCode,
    readonly id: string,
    readonly cortexId: string,
    readonly existingId?: string,
  ) {
    super(CONFLICTS[code](id, existingId));
  }
}

const CONFLICTS: Record<ConflictErrorCode, (id: string, existingId?: string) => string> = {
  ID_CONFLICT: (id) => `Another event has the id ${id}.`,
  FORK: (id, existingId) => `Event ${id} has the cortex and counter of event ${existingId}.`,
  GAP: (id) => `Event ${id} builds on an event that the log does not hold.`,
  TOO_MANY_CORTEXES: (id) => `Event ${id} is of one cortex more than a clock can count.`,
};

export interface AppendOptions<A extends Actions = Action> extends EventLimits {
  /** Default `events`. */
  table?: EventsTable<A>;
}

/**
 * Appends one event, or a batch in one statement: all or nothing, in the order given, with contiguous seqs.
 * The event is part of the log when the transaction commits and gone when it rolls back.
 *
 * Safe to retry with the same `id`s: an event that is already stored is not stored again, and the answer is
 * the stored one.
 *
 * An event with a clock of your own must come after what its clock has counted; for a peer's, use `accept`.
 *
 * @throws InputError synchronously, before any SQL runs: the event is not valid, or `tx` is not a transaction.
 * @throws ConflictError another event has this id, or this cortex and counter. Nothing was written.
 */
export function append<X extends Transaction, A extends Actions = Action>(
  tx: X,
  event: NewEvent<NoInfer<A>>,
  options?: AppendOptions<A>,
): Result<X, StoredEvent<A>>;
export function append<X extends Transaction, A extends Actions = Action>(
  tx: X,
  events: readonly NewEvent<NoInfer<A>>[],
  options?: AppendOptions<A>,
): Result<X, StoredEvent<A>[]>;
export function append(tx: Transaction, input: unknown, options: AppendOptions<any> = {}): unknown {
  assertTransaction(tx);
  const { table = events } = options;
  const batch = encodeBatch(input, options);
  const unique = dedupe(batch);
  const all = [...unique.values()];
  const answerWith = (stored: readonly StoredEvent<any>[]) => (Array.isArray(input) ? stored : stored[0]);
  const inOrder = (stored: readonly StoredEvent<any>[]) => {
    const byId = new Map(stored.map((event) => [event.id, event]));
    return batch.map(({ event }) => byId.get(event.id)!);
  };
  const insertAll = () =>
    andThen(insertForeign(tx, table, all), (inserted) =>
      answerWith(all.length === batch.length ? inserted : inOrder(inserted)),
    );
  // The table's unique indexes refuse whatever clashes, and with it the whole statement. Only then is it worth
  // asking what is there: asking first took half the time of an append.
  const settleClash = (error: unknown) =>
    andThen(findClashes(tx, table, all, [...unique.keys()]), (existing) => {
      if (existing.length === 0) throw error;
      refuseConflicts(unique, existing);
      const known = new Set(existing.map(({ id }) => id));
      const fresh = all.filter(({ event }) => !known.has(event.id));
      return andThen(insertForeign(tx, table, fresh), (inserted) =>
        answerWith(inOrder([...existing, ...inserted])),
      );
    });
  return inTurn(tx, () => orElse(insertAll, settleClash));
}

/**
 * The same append as an unexecuted query, for `db.batch([...])`, which is atomic: the only such write on D1.
 * It answers with the `seq` and `id` of each event it stored. An event that is already stored is left out; a
 * conflict fails the whole batch with the driver's constraint error. `data` is compared here as JSON text.
 *
 * @throws InputError synchronously: the event is not valid.
 * @throws ConflictError synchronously: two events given here have one id, or one cortex and counter.
 */
export function appendQuery<D extends Database, A extends Actions = Action>(
  db: D,
  input: NewEvent<NoInfer<A>> | readonly NewEvent<NoInfer<A>>[],
  options: AppendOptions<A> = {},
): AppendQuery<D, A> {
  const { table = events as unknown as EventsTable<A> } = options;
  const batch = [...dedupe(encodeBatch(input, options)).values()];
  // Whether it branches its trace cannot be asked first here; a mark too many costs `divergences` a look.
  for (const encoded of batch) encoded.branched = encoded.counter !== null;
  const rows = JSON.stringify(batch.map(valuesOf));
  const select = sql`select null, ${VALUES} from json_each(${rows}) where not exists (
    select 1 from ${table} as stored where stored.id = value->>0
    and (action, trace_id, cortex_id, origin, timestamp, data, vclock) is
    (value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7))`;
  return db.insert(table).select(select).returning({ seq: table.seq, id: table.id }) as never;
}

export type AppendQuery<D, A extends Actions> =
  D extends BaseSQLiteDatabase<infer Kind, infer Run, any, any>
    ? SQLiteInsertBase<EventsTable<A>, Kind, Run, { seq: number; id: string }>
    : never;

const VALUES = sql.raw(Array.from({ length: 10 }, (_, i) => `value->>${i}`).join(", "));

function encodeBatch(input: unknown, options: EventLimits): EncodedEvent[] {
  if (!Array.isArray(input)) return [encodeEvent(input, "", options)];
  return Array.from(input, (event, i) => encodeEvent(event, `events[${i}].`, options));
}

export function assertTransaction(tx: Transaction): void {
  // A synchronous driver's transaction is over when its callback first awaits; some drivers can tell.
  const { session } = (tx ?? {}) as { session?: { client?: { inTransaction?: boolean } } };
  if (typeof tx?.rollback !== "function" || session?.client?.inTransaction === false) {
    throw new InputError(
      "NOT_A_TRANSACTION",
      "tx",
      "must be an open transaction, as db.transaction() passes it on",
    );
  }
}

/** The batch by id, each event once. */
function dedupe(batch: readonly EncodedEvent[]): Map<string, EncodedEvent> {
  const byId = new Map<string, EncodedEvent>();
  for (const encoded of batch) {
    const { event } = encoded;
    const twin = byId.get(event.id);
    if (twin && !sameEvent(twin.event, event))
      throw new ConflictError("ID_CONFLICT", event.id, event.cortexId, event.id);
    byId.set(event.id, twin ?? encoded);
  }
  refuseConflicts(byId, []);
  return byId;
}

function refuseConflicts(
  batch: ReadonlyMap<string, EncodedEvent>,
  existing: readonly StoredEvent<any>[],
): void {
  for (const event of existing) {
    const twin = batch.get(event.id)?.event;
    if (twin && !sameEvent(twin, event))
      throw new ConflictError("ID_CONFLICT", event.id, event.cortexId, event.id);
  }
  const places = new Map<string, string>();
  for (const event of [...existing, ...Array.from(batch.values(), ({ event }) => event)]) {
    const counter = event.vclock?.[event.cortexId];
    if (counter === undefined) continue;
    const place = `${event.cortexId} ${counter}`;
    const holder = places.get(place) ?? event.id;
    if (holder !== event.id) throw new ConflictError("FORK", event.id, event.cortexId, holder);
    places.set(place, holder);
  }
}

/** What the log already holds under these ids, and in the places of these events. */
export function findClashes(
  tx: Transaction,
  table: EventsTable<any>,
  batch: readonly EncodedEvent[],
  ids: readonly string[],
): StoredEvent<any>[] | PromiseLike<StoredEvent<any>[]> {
  const places = batch.flatMap(({ event, counter }) => (counter === null ? [] : [[event.cortexId, counter]]));
  if (ids.length === 0 && places.length === 0) return [];
  return selectEvents(
    tx,
    table,
    sql`seq in (
      select e.seq from json_each(${JSON.stringify(ids)}) cross join ${table} as e on e.id = value
      union all
      select e.seq from json_each(${JSON.stringify(places)}) cross join ${table} as e
      on e.cortex_id = value->>0 and e.counter = value->>1)`,
    sql`seq`,
  );
}

/** Inserts events whose clocks were not made from this log: marks those that branch their trace. */
export function insertForeign(tx: Transaction, table: EventsTable<any>, rows: readonly EncodedEvent[]) {
  const clocked = rows.filter(({ counter }) => counter !== null);
  if (clocked.length === 0) return insertRows(tx, table, rows);
  const traceIds = [...new Set(clocked.map(({ event }) => event.traceId))];
  return andThen(tipsOf(tx, table, traceIds), (tips) => {
    markBranches(clocked, tips);
    return insertRows(tx, table, rows);
  });
}

export const COLUMNS = sql.raw(
  "id, action, trace_id, cortex_id, origin, timestamp, data, vclock, counter, branched",
);

/** Inserts valid events that clash with none in the log, and answers with them as they are stored. */
export function insertRows(
  tx: Transaction,
  table: EventsTable<any>,
  rows: readonly EncodedEvent[],
): StoredEvent<any>[] | PromiseLike<StoredEvent<any>[]> {
  if (rows.length === 0) return [];
  const values = rows.map(valuesOf);
  const source = values.length === 1 ? sql`values ${values[0]}` : selectAll(values);
  // The seqs of a statement are contiguous, and this one's are the last: RETURNING would make an object for each.
  const run = tx.run(sql`insert into ${table} (${COLUMNS}) ${source}`) as RunResult;
  const last = andThen(run, (result) => result?.lastInsertRowid ?? seqOf(tx, table, rows.at(-1)!.event.id));
  return andThen(last, (seq) =>
    rows.map(({ event }, i) => ({ seq: Number(seq) - rows.length + 1 + i, ...event })),
  );
}

/**
 * The rows out of one JSON text, but a column that is the same in all of them as one parameter: taking all ten
 * values out of every row made a batch of 1,000 1.2 times slower (libsql).
 */
function selectAll(rows: readonly unknown[][]): SQL {
  const [first = []] = rows;
  const varying = [...first.keys()].filter((i) => rows.some((row) => row[i] !== first[i]));
  const json = JSON.stringify(rows.map((row) => varying.map((i) => row[i])));
  const columns = first.map((value, i) =>
    varying.includes(i) ? sql.raw(`value->>${varying.indexOf(i)}`) : sql`${value}`,
  );
  return sql`select ${sql.join(columns, sql`, `)} from json_each(${json})`;
}

/** The seq of the event with this id, for drivers that do not tell what they wrote. */
export function seqOf(tx: Transaction, table: EventsTable<any>, id: string) {
  const rows = tx.values(sql`select seq from ${table} where id = ${id}`) as [number | bigint][];
  return andThen(rows, ([row]) => row?.[0]);
}

/** In the order of `COLUMNS`. */
function valuesOf({ event: e, data, vclock, counter, branched }: EncodedEvent) {
  return [
    ...[e.id, e.action, e.traceId, e.cortexId, e.origin, e.timestamp],
    ...[data, vclock, counter, branched ? 1 : null],
  ];
}
