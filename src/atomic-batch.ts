import { type SQL, sql } from "drizzle-orm";
import { checkDatabase, type Database } from "./database.js";
import type { EncodedEvent, StoredEvent } from "./event.js";
import { InputError, reading } from "./input-error.js";
import { COLUMNS, valuesOf } from "./insert.js";
import { refusalIn } from "./refusal.js";
import type { EventsTable } from "./schema.js";
import { done, type Steps } from "./steps.js";

/** A Drizzle database with `batch`, which runs its queries in one transaction: D1, libsql, sqlite-proxy. */
export type BatchDatabase = Database & { batch(queries: any): PromiseLike<any> };

/** A query of the app's for `db.batch`: a Drizzle builder that has not been run. */
export interface BatchQuery {
  readonly _: { readonly dialect: "sqlite"; readonly result: unknown };
}

/** The log's last event to arrive: as the log only grows, it stands for all of it. Seq 0 for an empty log. */
export interface LastEvent {
  seq: number;
  id: string;
}

/** What must still hold when a batch comes to be run. */
export interface Guard {
  last: LastEvent;
  /** Idempotency keys that no event may have; none if they were looked for together with `last`. */
  keys?: readonly string[];
}

export function checkBatchDatabase(db: unknown): asserts db is BatchDatabase {
  checkDatabase(db);
  const hasBatch = reading("db", () => {
    const { batch, rollback } = db as Partial<BatchDatabase & { rollback: unknown }>;
    return typeof batch === "function" && rollback === undefined;
  });
  if (hasBatch) return;
  const problem = "must be a database with `batch` (D1, libsql, sqlite-proxy); others have `db.transaction`";
  throw new InputError("NO_BATCH", "db", problem);
}

export function* readLast(db: Database, table: EventsTable<any>): Steps<LastEvent> {
  const rows = yield* done(
    db.values(sql`select seq, id from ${table} where seq > 0 order by seq desc limit 1`) as [
      number,
      string,
    ][],
  );
  return lastEventOf(rows[0]?.[0], rows[0]?.[1]);
}

/** Of the columns as a driver gives them, null or undefined for an empty log. */
export function lastEventOf(seq: unknown, id: unknown): LastEvent {
  return { seq: Number(seq ?? 0), id: String(id ?? "") };
}

// Stays below the 2 MB that D1 takes as one parameter, whatever the characters.
const PIECE = 2 ** 18;

/**
 * Runs in one `db.batch`, which is all or nothing: the insert of valid events that clash with none in the log, and
 * the app's queries. If the log has moved on, the insert fails, and all with it: see `hasMovedOn`.
 *
 * The insert comes first: so it sees the log as it was before the app's queries, whatever they do to it, and takes
 * the lock for writing at once. It fails by a JSON path that is none, which SQLite quotes: words of ours. A NULL would
 * fail as any constraint does, also one that a query of the app's has met.
 */
export async function runAtomically(
  db: BatchDatabase,
  table: EventsTable<any>,
  rows: readonly EncodedEvent[],
  guard: Guard,
  queries: readonly unknown[],
): Promise<{ stored: StoredEvent<any>[]; results: unknown[] }> {
  const inserts = piecesOf(rows).map((piece, i) => {
    const [id, ...others] = VALUES;
    const guarded = i > 0 ? id : sql`iif(${holds(table, guard)}, ${id}, ${MOVED_ON})`;
    const source = sql`select null, ${guarded}, ${sql.join(others, sql`, `)} from json_each(${piece})`;
    return db.insert(table).select(source).returning({ seq: table.seq });
  });
  const answers: unknown[][] = await db.batch([...inserts, ...queries]);
  const seqs = (answers.slice(0, inserts.length) as { seq: number | bigint }[][])
    .flat()
    .map(({ seq }) => Number(seq));
  // The seqs of a transaction are contiguous; in which order they are returned SQLite does not promise.
  seqs.sort((a, b) => a - b);
  return {
    stored: rows.map(({ event }, i) => ({ seq: seqs[i]!, ...event })),
    results: answers.slice(inserts.length),
  };
}

const VALUES = COLUMNS.map((_, i) => sql.raw(`value->>${i}`));

const WORDS = "the event log has moved on";
const MOVED_ON = sql.raw(`json_extract('{}', '${WORDS}')`);

function holds(table: EventsTable<any>, { last: { seq, id }, keys = [] }: Guard): SQL {
  const isLast = sql`ifnull((select seq = ${seq} and id = ${id} from ${table} where seq >= ${seq}
    order by seq desc limit 1), ${seq} = 0)`;
  if (keys.length === 0) return isLast;
  return sql`${isLast} and not exists (select 1 from json_each(${JSON.stringify(keys)}) as key
    cross join ${table} as e on e.idempotency_key = key.value)`;
}

/** To be thrown where it is found out before the batch is sent. */
export const MOVED_BEFORE = new Error("The event log has moved on.");

/** Whether a batch was refused by its guard. No query of the app's can fail in these words. */
export function hasMovedOn(error: unknown): boolean {
  if (error === MOVED_BEFORE) return true;
  const { message = "" } = refusalIn(error) ?? {};
  return message.includes("JSON path") && message.includes(`'${WORDS}'`);
}

/** The rows as JSON texts. */
function piecesOf(rows: readonly EncodedEvent[]): string[] {
  const pieces: string[] = [];
  let [piece, length]: [string[], number] = [[], 0];
  for (const row of rows) {
    const text = JSON.stringify(valuesOf(row));
    if (length > 0 && length + text.length > PIECE) {
      pieces.push(`[${piece}]`);
      [piece, length] = [[], 0];
    }
    piece.push(text);
    length += text.length;
  }
  return [...pieces, `[${piece}]`];
}
