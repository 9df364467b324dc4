import { type Query, type QueryPromise, type SQL, type SQLWrapper, sql } from "drizzle-orm";
import { type AppendOptions, encodeBatch, settle } from "./append.js";
import { refuseConflicts } from "./conflict.js";
import { checkDatabase, type Database, type Result } from "./database.js";
import type { Action, Actions, EncodedEvent, NewEvent } from "./event.js";
import { checkedOptions, InputError, isArray } from "./input-error.js";
import { COLUMNS, valuesOf } from "./insert.js";
import type { EventsTable } from "./schema.js";
import { tableOf } from "./table.js";

/**
 * `append` as an unexecuted query, for `db.batch([...])`, which is atomic: the only such write on D1.
 * It answers with the `seq` and `id` of each event it stored. An event that is already stored, by its id or for
 * its idempotency key, is left out; a conflict fails the whole batch with the driver's constraint error. `data`
 * and `meta` are compared here as JSON text. An event with a clock is refused: SQL cannot compute its proof.
 *
 * @throws InputError synchronously: the event is not valid, or has a clock (`INVALID_VCLOCK`).
 * @throws ConflictError synchronously: two events given here have one id or one idempotency key.
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
  refuseClocks(batch, isArray(input));
  refuseConflicts(batch.map(({ event }) => event));
  const { fresh } = settle(batch, []);
  const rows = JSON.stringify(fresh.map(valuesOf));
  // A driver may answer with integers of another kind.
  const seq = sql.raw("seq").mapWith(Number);
  return db.insert(log).select(selectNew(log, rows)).returning({ seq, id: log.id }) as never;
}

function refuseClocks(batch: readonly EncodedEvent[], isBatch: boolean): void {
  const at = batch.findIndex(({ counter }) => counter !== null);
  if (at < 0) return;
  const problem = "must not be given here, as SQL cannot compute a proof: use `append` or a cortex";
  throw new InputError("INVALID_VCLOCK", isBatch ? `events[${at}].vclock` : "vclock", problem);
}

/** A query for `db.batch([...])`, or to run by itself: awaited, or with `all` on a synchronous driver. */
export interface AppendQuery<D extends Database> extends QueryPromise<Appended[]>, SQLWrapper {
  /** For the types of `db.batch`. */
  readonly _: { readonly dialect: "sqlite"; readonly result: Appended[] };
  /** Runs it by itself, which is atomic, too. */
  all(): Result<D, Appended[]>;
  /** The same, with the driver's own answer. */
  run(): Result<D, unknown>;
  /** Without running it: its parameters hold the payloads. */
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
const IDENTITY_NAMES = COLUMNS.filter((name) => !["id", "proof", "counter", "branched"].includes(name));
const IDENTITY = sql.raw(IDENTITY_NAMES.join(", "));
const IDENTITY_VALUES = IDENTITY_NAMES.map(newValue);
const REQUEST_NAMES = ["action", "trace_id", "data", "actor"];
const REQUEST = sql.raw(REQUEST_NAMES.join(", "));
const REQUEST_VALUES = REQUEST_NAMES.map(newValue);
