import { sql } from "drizzle-orm";
import type { LastEvent } from "../atomic-batch.js";
import type { Transaction } from "../database.js";
import type { EncodedEvent, StoredEvent } from "../event.js";
import { COLUMNS, hasNo, insertIf, tryInsert, valuesOf } from "../insert.js";
import { keptSQL } from "../kept-sql.js";
import type { EventsTable } from "../schema.js";
import type { Steps } from "../steps.js";

/**
 * Inserts a valid event if the log's last one is still `last`, and no event has its idempotency key; otherwise
 * inserts nothing and answers with undefined. As the log only ever grows, its last event stands for all of it,
 * so a writer that left it there need not look anything up: that look-up took a quarter of a single append's
 * time (libsql, WAL with FULL).
 */
export function insertAfter(
  tx: Transaction,
  table: EventsTable<any>,
  encoded: EncodedEvent,
  last: LastEvent,
): Steps<StoredEvent<any> | undefined> {
  const { event } = encoded;
  const { idempotencyKey: key } = event;
  const values = [...valuesOf(encoded), last.seq, last.id, last.seq];
  const insert = key === undefined ? insertNext(table, values) : insertNextRequest(table, [...values, key]);
  return tryInsert(tx, table, event, insert);
}

const WIDTH = COLUMNS.length;

const insertNext = keptSQL((table, values) => insertIf(table, values, isLast(table, values)));

const insertNextRequest = keptSQL((table, values) =>
  insertIf(table, values, sql`${isLast(table, values)} and ${hasNo(table, values[WIDTH + 3])}`),
);

function isLast(table: EventsTable<any>, values: readonly unknown[]) {
  const [seq, id, from] = values.slice(WIDTH);
  return sql`(select seq = ${seq} and id = ${id} from ${table} where seq >= ${from} order by seq desc limit 1)`;
}
