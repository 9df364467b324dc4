import { type Query, type QueryPromise, type SQL, type SQLWrapper, sql } from "drizzle-orm";
import { findClashes, refuseConflicts } from "./conflict.js";
import { checkDatabase, checkTransaction, type Database, type Result, type Transaction } from "./database.js";
import {
  type Action,
  type Actions,
  type EncodedEvent,
  type Event,
  type EventLimits,
  encodeEvent,
  MAX_TEXT,
  type NewEvent,
  type StoredEvent,
} from "./event.js";
import { addRequest, answerTo, type Requests } from "./idempotency.js";
import { checkedOptions, entriesOf, InputError, isArray } from "./input-error.js";
import { COLUMNS, insertForeign, valuesOf } from "./insert.js";
import type { EventsTable } from "./schema.js";
import { inTurn, type Steps } from "./steps.js";
import { tableOf } from "./table.js";

export interface AppendOptions<A extends Actions = Action> extends EventLimits {
  /** Default `events`. */
  table?: EventsTable<A>;
}

/**
 * Appends one event, or a batch in one statement: all or nothing, in the order given, with contiguous seqs.
 * The event is part of the log when the transaction commits and gone when it rolls back.
 *
 * Safe to retry with the same `id`s: an event that is already stored is not stored again, and the answer is
 * the stored one. Safe to retry with the same `idempotencyKey`, too: where any cortex of this log has stored an
 * event with that key and the same action, trace, data and actor, that event is the answer.
 *
 * An event with a clock of your own must come after what its clock has counted; for a peer's, use `accept`.
 *
 * @throws InputError synchronously, before any SQL runs: the event is not valid, or `tx` is not a transaction.
 * @throws ConflictError another event has this id, this idempotency key, or this cortex and counter. Nothing
 * was written.
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
export function append(tx: Transaction, input: unknown, options?: AppendOptions<any>): unknown {
  checkTransaction(tx);
  const { table, ...limits } = checkedOptions(options);
  const log = tableOf({ table });
  const batch = encodeBatch(input, limits);
  refuseConflicts(batch.map(({ event }) => event));
  return inTurn(tx, function* () {
    const stored = yield* appendAll(tx, log, batch);
    return isArray(input) ? stored : stored[0]!;
  });
}

function* appendAll(
  tx: Transaction,
  table: EventsTable<any>,
  batch: readonly EncodedEvent[],
): Steps<StoredEvent<any>[]> {
  const isPlain = new Set(batch.map(({ event }) => event.id)).size === batch.length;
  // The table's unique indexes refuse whatever clashes, and with it the whole statement. Only then is it worth
  // asking what is there: asking first took half the time of an append. But another cortex's answer to the same
  // request clashes with none.
  let refusal: unknown;
  if (isPlain && batch.every(({ event }) => event.idempotencyKey === undefined)) {
    try {
      return yield* insertForeign(tx, table, batch);
    } catch (error) {
      refusal = error;
    }
  }
  const existing = yield* findClashes(tx, table, batch);
  if (refusal !== undefined && existing.length === 0) throw refusal;
  const { answers, fresh } = settle(batch, existing);
  const inserted = yield* insertForeign(tx, table, fresh);
  const stored = new Map([...existing, ...inserted].map((event) => [event.id, event]));
  return answers.map(({ id }) => stored.get(id)!);
}

/** What answers each event of a batch, and those that are to be stored: in both, an event comes before its copies. */
function settle(batch: readonly EncodedEvent[], existing: readonly Event<any>[]) {
  const byId = new Map(existing.map((event) => [event.id, event]));
  const requests: Requests = new Map();
  for (const event of existing) addRequest(requests, event);
  const fresh: EncodedEvent[] = [];
  const answers = batch.map((encoded) => {
    const { event } = encoded;
    const answer = byId.get(event.id) ?? answerTo(requests, event);
    if (answer) return answer.id === event.id ? event : answer;
    byId.set(event.id, event);
    addRequest(requests, event);
    fresh.push(encoded);
    return event;
  });
  const answered = answers.filter((answer, i) => answer === batch[i]!.event);
  refuseConflicts([...existing, ...answered]);
  return { answers, fresh };
}

/**
 * The same append as an unexecuted query, for `db.batch([...])`, which is atomic: the only such write on D1.
 * It answers with the `seq` and `id` of each event it stored. An event that is already stored, by its id or for
 * its idempotency key, is left out; a conflict fails the whole batch with the driver's constraint error. `data`
 * and `meta` are compared here as JSON text.
 *
 * @throws InputError synchronously: the event is not valid.
 * @throws ConflictError synchronously: two events given here have one id, one idempotency key, or one cortex and
 * counter.
 */
export function appendQuery<D extends Database, A extends Actions = Action>(
  db: D,
  input: NewEvent<NoInfer<A>> | readonly NewEvent<NoInfer<A>>[],
  options?: AppendOptions<A>,
): AppendQuery<D> {
  checkDatabase(db);
  const { table, ...limits } = checkedOptions(options);
  const log = tableOf({ table });
  const batch = encodeBatch(input, limits);
  refuseConflicts(batch.map(({ event }) => event));
  const { fresh } = settle(batch, []);
  // Whether it branches its trace cannot be asked first here; a mark too many costs `divergences` a look.
  for (const encoded of fresh) encoded.branched = encoded.counter !== null;
  const rows = JSON.stringify(fresh.map(valuesOf));
  return db.insert(log).select(selectNew(log, rows)).returning({ seq: log.seq, id: log.id }) as never;
}

/** A query for `db.batch([...])`, or to run by itself: awaited, or with `all` on a synchronous driver. */
export interface AppendQuery<D extends Database> extends QueryPromise<Appended[]>, SQLWrapper {
  /** For the types of `db.batch`. */
  readonly _: { readonly dialect: "sqlite"; readonly result: Appended[] };
  all(): Result<D, Appended[]>;
  run(): Result<D, unknown>;
  toSQL(): Query;
}

interface Appended {
  seq: number;
  id: string;
}

/** The rows that are not stored yet. A key that says another thing makes the id NULL, which the table refuses. */
function selectNew(table: EventsTable<any>, rows: string): SQL {
  const [id, ...others] = NEW_VALUES;
  const request = sql`from ${table} as stored where stored.idempotency_key = ${KEY}`;
  return sql`select null, iif(exists (select 1 ${request}), null, ${id}), ${sql.join(others, sql`, `)}
    from json_each(${rows}) where not exists (
      select 1 from ${table} as stored where stored.id = ${id} and (${IDENTITY}) is (${sql.join(IDENTITY_VALUES, sql`, `)})
    ) and not exists (
      select 1 ${request} and stored.id <> ${id} and (${REQUEST}) is (${sql.join(REQUEST_VALUES, sql`, `)})
    )`;
}

const newValue = (name: string) => sql.raw(`value->>${COLUMNS.indexOf(name)}`);
const NEW_VALUES = COLUMNS.map(newValue);
const KEY = newValue("idempotency_key");
const IDENTITY_NAMES = COLUMNS.filter((name) => !["id", "counter", "branched"].includes(name));
const IDENTITY = sql.raw(IDENTITY_NAMES.join(", "));
const IDENTITY_VALUES = IDENTITY_NAMES.map(newValue);
const REQUEST_NAMES = ["action", "trace_id", "data", "actor"];
const REQUEST = sql.raw(REQUEST_NAMES.join(", "));
const REQUEST_VALUES = REQUEST_NAMES.map(newValue);

function encodeBatch(input: unknown, limits: EventLimits): EncodedEvent[] {
  const batch = isArray(input)
    ? entriesOf(input, "events", "BATCH_TOO_LARGE").map((event, i) =>
        encodeEvent(event, `events[${i}].`, limits),
      )
    : [encodeEvent(input, "", limits)];
  checkTotal(batch);
  return batch;
}

/** A batch is one text: it must not come to more than JavaScript and SQLite can hold. */
export function checkTotal(batch: readonly EncodedEvent[]): void {
  let total = 0;
  for (const { data, meta, vclock } of batch) {
    total += 500 + (data?.length ?? 0) + (meta?.length ?? 0) + (vclock?.length ?? 0);
  }
  if (batch.length > 1 && total > MAX_TEXT) {
    throw new InputError("BATCH_TOO_LARGE", "events", `come to more than ${MAX_TEXT} characters of JSON`);
  }
}
