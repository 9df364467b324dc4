import { sql } from "drizzle-orm";
import { andThen, type Database, type Result } from "./database.js";
import { type Action, type Actions, checkName, type EncodedEvent, type StoredEvent } from "./event.js";
import { checkLimit, forTrace, type ReadOptions, selectEvents } from "./read.js";
import { type EventsTable, events } from "./schema.js";
import { compare, type VectorClock } from "./vector-clock.js";

export interface Divergence<A extends Actions = Action> {
  traceId: string;
  /** Two or more. */
  heads: StoredEvent<A>[];
}

export interface DivergenceOptions<A extends Actions = Action> extends ReadOptions<A> {
  /** Only traces with an id after this one. */
  after?: string;
  /** Default 100. */
  limit?: number;
}

/**
 * The latest events of a trace by causality: those after which no other event of the trace happened. More than
 * one is a divergence: concurrent changes that no later event knows. An event without a clock is none. In
 * the order of their ids. Reads the whole trace.
 *
 * @throws InputError `INVALID_TRACE_ID`.
 */
export function heads<D extends Database, A extends Actions = Action>(
  db: D,
  traceId: string,
  { table }: ReadOptions<A> = {},
): Result<D, StoredEvent<A>[]> {
  const history = forTrace(db, traceId, table && { table }) as StoredEvent<A>[];
  return andThen(history, headsOf) as never;
}

/** The heads among these events of one trace. */
function headsOf<E extends { vclock?: VectorClock }>(events: readonly E[]): E[] {
  let heads: E[] = [];
  for (const event of events) {
    const { vclock } = event;
    if (!vclock || heads.some((head) => compare(vclock, head.vclock!) === "before")) continue;
    heads = heads.filter((head) => compare(head.vclock!, vclock) !== "before");
    heads.push(event);
  }
  return heads;
}

/**
 * The traces that have several heads now, in the order of their ids. Looks, through an index of its own, only
 * at the traces that were ever branched by an event that did not follow on, whether or not they have been
 * merged since; their histories are read.
 *
 * @throws InputError `INVALID_CURSOR`, `INVALID_LIMIT`.
 */
export function divergences<D extends Database, A extends Actions = Action>(
  db: D,
  options: DivergenceOptions<A> = {},
): Result<D, Divergence<A>[]> {
  const { after = "", limit = 100, table = events as unknown as EventsTable<A> } = options;
  checkLimit(limit);
  if (after !== "") checkName(after, "INVALID_CURSOR", "after");

  const next = (from: string, found: string[]): unknown => {
    const candidates = db.values(sql`select distinct trace_id from ${table}
      where branched = 1 and trace_id > ${from} order by trace_id limit ${CANDIDATES}`) as [string][];
    return andThen(candidates, (rows) => {
      const traceIds = rows.map((row) => row[0]);
      const clocks = db.values(sql`select (
          select json_group_array(json(vclock)) from ${table}
          where trace_id = trace.value and counter is not null
        ) from json_each(${JSON.stringify(traceIds)}) as trace`) as [string][];
      return andThen(clocks, (all) => {
        const diverged = traceIds.filter((_, i) => severalHeads(all[i]![0]));
        found.push(...diverged);
        if (found.length < limit && traceIds.length === CANDIDATES) return next(traceIds.at(-1)!, found);
        return headsOfAll(db, table, found.slice(0, limit));
      });
    });
  };
  return next(after, []) as never;
}

// In one step; on a synchronous driver the steps are nested.
const CANDIDATES = 500;

function severalHeads(clocks: string): boolean {
  return headsOf((JSON.parse(clocks) as VectorClock[]).map((vclock) => ({ vclock }))).length > 1;
}

function headsOfAll<A extends Actions>(db: Database, table: EventsTable<A>, traceIds: readonly string[]) {
  const inTraces = sql`trace_id in (select value from json_each(${JSON.stringify(traceIds)}))`;
  const histories = selectEvents(db, table, inTraces, sql`trace_id, id`) as unknown as StoredEvent<A>[];
  return andThen(histories, (all) => {
    const byTrace = new Map<string, StoredEvent<A>[]>(traceIds.map((traceId) => [traceId, []]));
    for (const event of all) byTrace.get(event.traceId)!.push(event);
    return Array.from(byTrace, ([traceId, history]) => ({ traceId, heads: headsOf(history) }));
  });
}

/** The event of a trace with the greatest id, of those with a clock. */
interface Tip {
  id: string;
  vclock: VectorClock;
}

export function tipsOf(db: Database, table: EventsTable<any>, traceIds: readonly string[]) {
  const rows = db.values(sql`select (
      select json_array(id, json(vclock)) from ${table}
      where trace_id = trace.value and counter is not null order by id desc limit 1
    ) from json_each(${JSON.stringify(traceIds)}) as trace`) as [string | null][];
  return andThen(rows, (all) => {
    const tips = new Map<string, Tip>();
    all.forEach((row, i) => {
      if (row[0] === null) return;
      const [id, vclock] = JSON.parse(row[0]) as [string, VectorClock];
      tips.set(traceIds[i]!, { id, vclock });
    });
    return tips;
  });
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
