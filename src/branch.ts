import { sql } from "drizzle-orm";
import type { Database } from "./database.js";
import type { EncodedEvent } from "./event.js";
import type { EventsTable } from "./schema.js";
import { done, type Steps } from "./steps.js";
import { compare, type VectorClock } from "./vector-clock.js";

/** The event of a trace with the greatest id, of those with a clock. */
interface Tip {
  id: string;
  vclock: VectorClock;
}

export function* readTips(
  db: Database,
  table: EventsTable<any>,
  traceIds: readonly string[],
): Steps<Map<string, Tip>> {
  const rows = yield* done(
    db.values(sql`select (
      select json_array(id, json(vclock)) from ${table}
      where trace_id = trace.value and counter is not null order by id desc limit 1
    ) from json_each(${JSON.stringify(traceIds)}) as trace`) as [string | null][],
  );
  const tips = new Map<string, Tip>();
  for (const [i, row] of rows.entries()) {
    if (row[0] === null) continue;
    const [id, vclock] = JSON.parse(row[0]) as [string, VectorClock];
    tips.set(traceIds[i]!, { id, vclock });
  }
  return tips;
}

/**
 * Marks the events that do not follow on from their trace's tip, knowing it and having a greater id. In a trace
 * without a mark each event knows the tip, hence all before it: it has one head. So only marked traces
 * can have several, and `divergences` need not look at others.
 */
export function markBranches(batch: readonly EncodedEvent[], tips: Map<string, Tip>): void {
  for (const encoded of batch) {
    const { id, traceId, vclock } = encoded.event;
    const tip = tips.get(traceId);
    encoded.branched = tip !== undefined && (id < tip.id || compare(tip.vclock, vclock!) !== "before");
    if (tip === undefined || id > tip.id) tips.set(traceId, { id, vclock: vclock! });
  }
}
