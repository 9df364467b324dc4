import { sql } from "drizzle-orm";
import { COLUMNS, seqOf } from "./append.js";
import { andThen, type RunResult, type Transaction } from "./database.js";
import type { EncodedEvent, StoredEvent } from "./event.js";
import type { EventsTable } from "./schema.js";

/** The event that a writer appended last, if it knew the whole log. */
export interface LastEvent {
  seq: number;
  id: string;
}

/**
 * Inserts a valid event if the log's last one is still `last`; otherwise inserts nothing and answers with
 * undefined. As the log only ever grows, its last event stands for all of it, so a writer that left it there
 * need not look anything up: that look-up took a quarter of a single append's time (libsql, WAL with FULL).
 */
export function insertAfter(
  tx: Transaction,
  table: EventsTable<any>,
  { event, data, vclock, counter }: EncodedEvent,
  last: LastEvent,
): StoredEvent<any> | undefined | PromiseLike<StoredEvent<any> | undefined> {
  const { id, action, traceId, cortexId, origin, timestamp } = event;
  const run = tx.run(sql`insert into ${table} (${COLUMNS})
    select ${id}, ${action}, ${traceId}, ${cortexId}, ${origin}, ${timestamp}, ${data}, ${vclock}, ${counter}, null
    where (select seq = ${last.seq} and id = ${last.id} from ${table} where seq >= ${last.seq}
      order by seq desc limit 1)`) as RunResult;
  const inserted = andThen(run, (result) => {
    const { rowsAffected, changes = rowsAffected, lastInsertRowid } = result ?? {};
    if (changes === 0) return undefined;
    return changes === 1 && lastInsertRowid !== undefined ? lastInsertRowid : seqOf(tx, table, id);
  });
  return andThen(inserted, (seq) => (seq === undefined ? undefined : { seq: Number(seq), ...event }));
}
