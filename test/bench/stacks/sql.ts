// What the stacks without a query builder share: the statements one would write by hand.
import type { BenchEvent } from "../content.js";

export const INSERT = `insert into events
  (id, action, trace_id, cortex_id, origin, timestamp, data, vclock, counter, proof) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

const EVENT = `id, action, trace_id as traceId, cortex_id as cortexId, origin, timestamp, data, vclock`;
const COLUMNS = `seq, ${EVENT}`;
export const FEED = `select ${COLUMNS} from events where seq > ? order by seq limit ?`;
export const SINCE = `select ${COLUMNS} from events where id > ? order by id limit ?`;
export const FOR_TRACE = `select ${COLUMNS} from events where trace_id = ? order by id limit ?`;
export const LATEST = `select ${COLUMNS} from events order by seq desc limit ?`;

/** By whose table is in a file: the last place in it, and what is behind a place. */
export const LOOKS = {
  events: {
    last: "select max(seq) as last from events",
    behind: `select ${EVENT} from events where seq > ?`,
  },
  bare: {
    last: "select max(rowid) as last from events",
    behind: `select ${EVENT} from events where rowid > ?`,
  },
  emmett: {
    last: "select max(global_position) as last from emt_messages",
    behind: "select message_data as event from emt_messages where global_position > ?",
  },
};

/** As long as one, and proving nothing: only this package makes a hash. */
const PROOF = `${"0".repeat(64)}.${"0".repeat(32)}`;

export function proofOf({ vclock }: BenchEvent): string | null {
  return vclock ? PROOF : null;
}

export function valuesOf(e: BenchEvent): (string | number | null)[] {
  const clock = e.vclock ? JSON.stringify(e.vclock) : null;
  const counter = e.vclock?.[e.cortexId] ?? null;
  const { id, action, traceId, cortexId, origin, timestamp, data } = e;
  const proof = proofOf(e);
  return [id, action, traceId, cortexId, origin, timestamp, JSON.stringify(data), clock, counter, proof];
}

/** Parses the JSON columns in place. */
export function parsed(rows: unknown[]): BenchEvent[] {
  for (const row of rows as { data: unknown; vclock: unknown }[]) {
    row.data = JSON.parse(row.data as string);
    if (row.vclock !== null) row.vclock = JSON.parse(row.vclock as string);
  }
  return rows as BenchEvent[];
}
