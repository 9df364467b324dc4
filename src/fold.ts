import { sql } from "drizzle-orm";
import { andThen, type Database, type Result } from "./database.js";
import {
  type Action,
  type ActionOf,
  type Actions,
  checkName,
  checkTimestamp,
  checkULID,
  type DataOf,
  type Event,
  type StoredEvent,
} from "./event.js";
import { InputError, shapeOf } from "./input-error.js";
import { checkedSeq, type ReadOptions, selectEvents } from "./read.js";

/** What each action does to the state. An action without an entry leaves it as it is. */
export type Reducer<State, A extends Actions = Action> = {
  readonly [K in ActionOf<A>]?: (state: State, event: Extract<Event<A>, { action: K }>) => State;
};

/** Turns an old payload into the shape of today; it gets every payload of its action and knows the old ones. */
export type Upcasters<A extends Actions = Action> = {
  readonly [K in ActionOf<A>]?: (data: unknown) => DataOf<A, K>;
};

/** Which events count: up to an id, a seq or a timestamp, inclusive. */
export type AsOf = { id: string } | { seq: number } | { timestamp: string };

export interface FoldOptions<A extends Actions = Action> {
  upcasters?: Upcasters<A>;
}

/** The state that the events lead to, in the order given. */
export function fold<State, A extends Actions = Action>(
  events: Iterable<Event<A>>,
  reducer: Reducer<State, A>,
  initial: State,
  { upcasters = {} }: FoldOptions<A> = {},
): State {
  let state = initial;
  for (const event of events) {
    const { action } = event as Event<any>;
    const reduce = own(reducer, action);
    const upcast = own(upcasters, action);
    if (reduce) state = reduce(state, upcast ? { ...event, data: upcast(event.data) } : event);
  }
  return state;
}

/**
 * The state of a trace as it was: its events up to a place, folded in the order of their ids. By `id` or
 * `timestamp` it is the state at a time, with what has become known of that time since; by `seq` it is the
 * state as this database knew it.
 *
 * @throws InputError `INVALID_TRACE_ID`, `INVALID_ID`, `INVALID_CURSOR`, `INVALID_TIMESTAMP`, `INVALID_AS_OF`.
 */
export function stateAt<D extends Database, State, A extends Actions = Action>(
  db: D,
  traceId: string,
  asOf: AsOf,
  reducer: Reducer<State, NoInfer<A>>,
  initial: State,
  { table, ...options }: FoldOptions<NoInfer<A>> & ReadOptions<A> = {},
): Result<D, State> {
  checkName(traceId, "INVALID_TRACE_ID", "traceId");
  const counts = asOfFilter(asOf);
  const history = selectEvents(db, table, sql`trace_id = ${traceId}`, sql`id`) as StoredEvent<A>[];
  return andThen(history, (all) => fold<State, A>(all.filter(counts), reducer, initial, options)) as never;
}

function asOfFilter(asOf: AsOf): (event: StoredEvent<any>) => boolean {
  if (typeof asOf !== "object" || asOf === null) {
    throw new InputError("INVALID_AS_OF", "asOf", `must be an object, got ${shapeOf(asOf)}`);
  }
  if ("id" in asOf) {
    checkULID(asOf.id, "INVALID_ID", "id");
    return (event) => event.id <= asOf.id;
  }
  if ("seq" in asOf) {
    const seq = checkedSeq(asOf.seq, 0, "seq");
    return (event) => event.seq <= seq;
  }
  if (!("timestamp" in asOf))
    throw new InputError("INVALID_AS_OF", "asOf", "must have an id, a seq or a timestamp");
  checkTimestamp(asOf.timestamp, "timestamp");
  const nanoseconds = comparable(asOf.timestamp);
  return (event) => comparable(event.timestamp) <= nanoseconds;
}

/** A timestamp with all nine digits of its second, so that the order of the text is the order of time. */
function comparable(timestamp: string): string {
  return `${timestamp.slice(0, 19)}.${timestamp.slice(20, -1).padEnd(9, "0")}`;
}

function own(table: object, action: string): ((...args: any[]) => any) | undefined {
  return Object.hasOwn(table, action) ? table[action as never] : undefined;
}
