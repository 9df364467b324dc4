import { sql } from "drizzle-orm";
import type { RunResult, Transaction } from "../database.js";
import type { EncodedEvent, StoredEvent } from "../event.js";
import { COLUMN_LIST, seqOf, valuesOf } from "../insert.js";
import type { EventsTable } from "../schema.js";
import { done, type Steps } from "../steps.js";

/** The event that a writer appended last, if it knew the whole log. */
export interface LastEvent {
  seq: number;
  id: string;
}

/**
 * Inserts a valid event if the log's last one is still `last`, and no event has its idempotency key; otherwise
 * inserts nothing and answers with undefined. As the log only ever grows, its last event stands for all of it,
 * so a writer that left it there need not look anything up: that look-up took a quarter of a single append's
 * time (libsql, WAL with FULL).
 */
export function* insertAfter(
  tx: Transaction,
  table: EventsTable<any>,
  encoded: EncodedEvent,
  last: LastEvent,
): Steps<StoredEvent<any> | undefined> {
  const { event } = encoded;
  const { idempotencyKey: key } = event;
  const isNew =
    key === undefined
      ? undefined
      : sql` and not exists (select 1 from ${table} where idempotency_key = ${key})`;
  const isLast = sql`(select seq = ${last.seq} and id = ${last.id} from ${table} where seq >= ${last.seq}
    order by seq desc limit 1)`;
  const result = yield* done(
    tx.run(sql`insert into ${table} (${COLUMN_LIST}) select * from (values ${valuesOf(encoded)})
      where ${isLast}${isNew}`) as RunResult,
  );
  const { rowsAffected, changes = rowsAffected, lastInsertRowid } = result ?? {};
  if (changes === 0) return undefined;
  const isTold = changes === 1 && lastInsertRowid !== undefined;
  const seq = isTold ? lastInsertRowid : yield* seqOf(tx, table, event.id);
  return seq === undefined ? undefined : { seq: Number(seq), ...event };
}
