import { sql } from "drizzle-orm";
import { checkDatabase, type Database, type Result } from "./database.js";
import type { Action, ActionOf, Actions, Event, StoredEvent } from "./event.js";
import { checkName, checkTimestamp, checkULID } from "./field.js";
import { checkedOptions, InputError, isRecord, reading, readingEach, shapeOf } from "./input-error.js";
import type { ReadOptions } from "./read.js";
import { checkedSeq, eachPiece } from "./select.js";
import { run } from "./steps.js";
import { tableOf } from "./table.js";
import { checkedFunctions, type UpcastOptions, upcastOf } from "./upcast.js";

/** What each action does to the state. An action without an entry leaves it as it is. */
export type Reducer<State, A extends Actions = Action> = {
  readonly [K in ActionOf<A>]?: (state: State, event: Extract<Event<A>, { action: K }>) => State;
};

/** Which events count: up to an id, a seq or a timestamp, inclusive. */
export type AsOf = { id: string } | { seq: number } | { timestamp: string };

/**
 * The state that the events lead to, in the order given.
 *
 * @throws InputError `INVALID_EVENT`, `INVALID_REDUCER`: what is given is no list of events, or no object of
 * functions. What a reducer throws is thrown.
 */
export function fold<State, A extends Actions = Action>(
  events: Iterable<Event<A>>,
  reducer: Reducer<State, A>,
  initial: State,
  options?: UpcastOptions<A>,
  // By NoInfer an initial 0 makes the state a number, also with a reducer that is a constant.
): NoInfer<State> {
  const step = stepOf(reducer, checkedOptions(options));
  const isList = reading("events", () => typeof Object(events)[Symbol.iterator] === "function");
  if (!isList || typeof events === "string") {
    throw new InputError("INVALID_EVENT", "events", `must be a list of events, got ${shapeOf(events)}`);
  }
  let state = initial;
  for (const event of readingEach("events", events)) state = step(state, event);
  return state;
}

/**
 * The state of a trace as it was: its events up to a place, folded in the order of their ids. By `id` or
 * `timestamp` it is the state at a time, with what has become known of that time since; by `seq` it is the
 * state as this database knew it. Reads the history a piece at a time.
 *
 * @throws InputError `INVALID_TRACE_ID`, `INVALID_ID`, `INVALID_CURSOR`, `INVALID_TIMESTAMP`, `INVALID_AS_OF`,
 * `INVALID_REDUCER`.
 */
export function stateAt<D extends Database, State, A extends Actions = Action>(
  db: D,
  traceId: string,
  asOf: AsOf,
  reducer: Reducer<State, NoInfer<A>>,
  initial: State,
  options?: UpcastOptions<NoInfer<A>> & ReadOptions<A>,
): Result<D, NoInfer<State>> {
  checkDatabase(db);
  checkName(traceId, "INVALID_TRACE_ID", "traceId");
  const counts = asOfFilter(asOf);
  const { table, ...rest } = checkedOptions(options);
  const step = stepOf(reducer, rest);
  const filters = [sql`trace_id = ${traceId}`];
  return run(db, foldHistory());

  function* foldHistory() {
    let state = initial;
    yield* eachPiece(db, { table: tableOf({ table }), filters, key: "id", order: "asc" }, (piece) => {
      for (const event of piece) if (counts(event)) state = step(state, event);
    });
    return state;
  }
}

/** What one event does to the state, upcast first. */
function stepOf<State>(reducer: Reducer<State, any>, { upcasters }: UpcastOptions<any>) {
  const reducers = checkedFunctions(reducer, "reducer");
  const upcast = upcastOf(upcasters);
  return (state: State, event: Event<any>): State => {
    if (typeof event !== "object" || event === null) {
      throw new InputError("INVALID_EVENT", "event", `must be an object, got ${shapeOf(event)}`);
    }
    const reduce = reducers.get(reading("event", () => event.action));
    return reduce ? reduce(state, upcast(event)) : state;
  };
}

function asOfFilter(asOf: AsOf): (event: StoredEvent<any>) => boolean {
  const { id, seq, timestamp } = reading("asOf", (): Partial<Record<string, unknown>> => {
    if (isRecord(asOf)) return { ...asOf };
    throw new InputError("INVALID_AS_OF", "asOf", `must be an object, got ${shapeOf(asOf)}`);
  });
  if (id !== undefined) {
    checkULID(id, "INVALID_ID", "asOf.id");
    return (event) => event.id <= id;
  }
  if (seq !== undefined) {
    const last = checkedSeq(seq, 0, "asOf.seq");
    return (event) => event.seq <= last;
  }
  if (timestamp === undefined) {
    throw new InputError("INVALID_AS_OF", "asOf", "must have an id, a seq or a timestamp");
  }
  checkTimestamp(timestamp, "asOf.timestamp");
  const nanoseconds = comparable(timestamp);
  return (event) => comparable(event.timestamp) <= nanoseconds;
}

/** A timestamp with all nine digits of its second, so that the order of the text is the order of time. */
function comparable(timestamp: string): string {
  return `${timestamp.slice(0, 19)}.${timestamp.slice(20, -1).padEnd(9, "0")}`;
}
