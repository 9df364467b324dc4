import { sql } from "drizzle-orm";
import { assertTransaction, ConflictError, insertForeign, insertRows } from "./append.js";
import { parseClock } from "./clock.js";
import { andThen, type Database, inTurn, type Result, type Transaction } from "./database.js";
import {
  type Action,
  type ActionOf,
  type Actions,
  checkedClock,
  checkName,
  checkULID,
  type DataOf,
  type EncodedEvent,
  type EventLimits,
  encodeEvent,
  type NewEvent,
  refuseUnknownFields,
  type StoredEvent,
} from "./event.js";
import { InputError, shapeOf } from "./input-error.js";
import { insertAfter, type LastEvent } from "./insert-after.js";
import { sameJson } from "./json.js";
import { nextState } from "./lifecycle.js";
import { type LogState, lookUp, type TraceHead } from "./log-state.js";
import { selectEvents, since } from "./read.js";
import { type EventsTable, events } from "./schema.js";
import { type InputOf, type OutputOf, type StandardSchema, validate } from "./standard-schema.js";
import { checkDrift, checkedTime, driftBound, type ULIDSource, ulidBeyond } from "./ulid.js";
import { increment } from "./vector-clock.js";

type Schemas = { readonly [action: string]: StandardSchema };
type Validated<A extends Actions, S, Side extends "input" | "output"> = {
  [K in ActionOf<A> | (keyof S & string)]: K extends keyof S
    ? { input: InputOf<S[K]>; output: OutputOf<S[K]> }[Side]
    : DataOf<A, K>;
};
type Stamped = "cortexId" | "origin" | "timestamp" | "vclock";
type WithoutStamps<E> = E extends unknown ? Omit<E, Stamped> : never;

/** A change to record. The cortex stamps the rest. */
export type Mutation<A extends Actions = Action> = WithoutStamps<NewEvent<A>> & {
  /** The id that must be the trace's greatest, or "none" for a new trace. */
  expect?: string;
};

export interface CortexOptions<A extends Actions = Action, S extends Schemas = Schemas>
  extends ULIDSource,
    EventLimits {
  /** ULID: the cortex's identity, made once and kept. One node, one id; its processes may share it. */
  id: string;
  /** Its display name. */
  origin: string;
  /** How far ahead of `clock` an id in the log may be and still be followed, in milliseconds. Default 5 minutes. */
  maxDrift?: number;
  /** Default `events`. */
  table?: EventsTable<A>;
  /** A Standard Schema validator per action; its output is what is stored. */
  schemas?: S;
  /** Whether to refuse actions that the trace's state does not allow. Default false. */
  lifecycle?: boolean;
}

export interface Cortex<In extends Actions = Action, Out extends Actions = In> {
  readonly id: string;
  readonly origin: string;
  /**
   * Appends a change, or a batch of them: all or nothing, in order, with contiguous seqs. Inside the caller's
   * transaction it reads from the log what to stamp:
   * - `vclock`: all that the log has seen, with this cortex's counter one higher. So a cortex's counters are
   *   1, 2, 3, … without a gap, across processes and restarts.
   * - `id`: greater than every id in the log that is at most `maxDrift` ahead of the clock, and than this
   *   cortex's last one: the order by id respects what happened before. A bounded hybrid logical clock
   *   (Kulkarni et al., "Logical Physical Clocks", 2014).
   * - `timestamp`: the clock's time.
   *
   * With an `id` of the caller's, a retry is safe: if that id is stored with the same action, trace and data,
   * the answer is the stored event; `expect` and `lifecycle` are not asked again. Such an id is stored as it
   * is, so its place in the order by id is the caller's. A new one beyond `maxDrift` is refused
   * (`INVALID_ID`), and so is, with `expect` or `lifecycle`, one not above the trace's head (`STALE_HEAD`).
   *
   * @throws InputError synchronously, before any SQL runs; but after the look-up, as nothing is written, for an
   * `id` beyond `maxDrift` (`INVALID_ID`) and a log of more than 256 cortexes (`INVALID_VCLOCK`).
   * @throws TraceError `STALE_HEAD`, `LIFECYCLE`: nothing was written.
   * @throws ConflictError `ID_CONFLICT`: nothing was written.
   */
  append<X extends Transaction>(tx: X, mutation: Mutation<In>): Result<X, StoredEvent<Out>>;
  append<X extends Transaction>(tx: X, mutations: readonly Mutation<In>[]): Result<X, StoredEvent<Out>[]>;
}

export type TraceErrorCode = "STALE_HEAD" | "LIFECYCLE";

/**
 * The trace is not where the caller took it to be: its head is another (`STALE_HEAD`), or its state does not
 * allow the action (`LIFECYCLE`). `expected` and `actual` are heads, or the action and the state.
 */
export class TraceError extends Error {
  override readonly name = "TraceError";

  constructor(
    readonly code: TraceErrorCode,
    readonly traceId: string,
    readonly expected: string,
    readonly actual: string,
  ) {
    super(
      code === "STALE_HEAD"
        ? `The trace's head was expected to be ${expected} and is ${actual}.`
        : `The action ${expected} is not possible on a trace whose state is ${actual}.`,
    );
  }
}

const MUTATION_FIELDS = new Set(["id", "action", "traceId", "data", "expect"]);
const ANY_ULID = "0".repeat(26);

/**
 * A writer: one node of the federation, which stamps its events from the log itself: any number of
 * processes may open the same cortex. Where it left the log it remembers, and checks with every append.
 *
 * @throws InputError `INVALID_CORTEX_ID`, `INVALID_ORIGIN`, `INVALID_DRIFT`.
 */
export function openCortex<A extends Actions = Action, const S extends Schemas = Schemas>(
  options: CortexOptions<A, S> & { schemas: S },
): Cortex<Validated<A, S, "input">, Validated<A, S, "output">>;
export function openCortex<A extends Actions = Action>(options: CortexOptions<A>): Cortex<A>;
export function openCortex(options: CortexOptions<any, Schemas>): Cortex<any> {
  const { id: cortexId, origin, clock = Date.now, randomness, maxDrift, schemas } = options;
  const { lifecycle = false, table = events } = options;
  checkULID(cortexId, "INVALID_CORTEX_ID", "id");
  checkName(origin, "INVALID_ORIGIN", "origin");
  checkDrift(maxDrift);

  let own: OwnEvent | undefined;

  const prepare = (mutation: Mutation<any>, now: number, at: string): Prepared => {
    if (typeof mutation !== "object" || mutation === null) {
      throw new InputError("INVALID_EVENT", `${at}event`, `must be an object, got ${shapeOf(mutation)}`);
    }
    refuseUnknownFields(mutation, MUTATION_FIELDS, `${at}event`);
    const { expect, id, action, data, traceId } = mutation as Mutation<any> & { data?: unknown };
    if (expect !== undefined && expect !== "none") checkULID(expect, "INVALID_EXPECT", `${at}expect`);
    const schema = schemas && Object.hasOwn(schemas, action) ? schemas[action] : undefined;
    const encoded = encodeEvent(
      {
        id: id === undefined ? ANY_ULID : id,
        action,
        traceId,
        cortexId,
        origin,
        timestamp: new Date(now).toISOString(),
        data: schema ? validate(schema, data, `${at}data`) : data,
      },
      at,
      options,
    );
    return { encoded, givenId: id, expect, at };
  };

  const guard = (trace: TraceHead, { encoded, givenId, expect }: Prepared): void => {
    const { action, traceId } = encoded.event;
    const head = trace.id ?? "none";
    if (expect !== undefined && expect !== head) throw new TraceError("STALE_HEAD", traceId, expect, head);
    // It would not become the head, and the next one would be checked against the same head again.
    const isOld = givenId !== undefined && trace.id !== null && givenId <= trace.id;
    if (isOld) throw new TraceError("STALE_HEAD", traceId, givenId, head);
    if (!lifecycle) return;
    const state = nextState(trace.state, action);
    if (!state) throw new TraceError("LIFECYCLE", traceId, action, trace.state);
    trace.state = state;
  };

  /** The event as it will be stored; `log` moves on to where it is once this event is in it. */
  const stamp = (log: LogState, prepared: Prepared, now: number, bound: string): EncodedEvent => {
    const { encoded, givenId, at } = prepared;
    if (givenId !== undefined && givenId > bound) {
      throw new InputError("INVALID_ID", `${at}id`, "is further ahead of the clock than maxDrift");
    }
    const trace = log.traces.get(encoded.event.traceId);
    if (trace) guard(trace, prepared);
    const id = givenId ?? ulidBeyond(log.lastId, now, randomness);
    if (id > log.lastId) log.lastId = id;
    if (trace && id > (trace.id ?? "")) trace.id = id;
    log.clock = increment(log.clock, cortexId);
    const event = { ...encoded.event, id, vclock: log.clock };
    return { event, data: encoded.data, vclock: JSON.stringify(log.clock), counter: log.clock[cortexId]! };
  };

  const append = (tx: Transaction, input: Mutation<any> | readonly Mutation<any>[]): unknown => {
    assertTransaction(tx);
    const now = checkedTime(clock());
    const bound = driftBound(now, maxDrift);
    const batch = Array.isArray(input)
      ? Array.from(input, (mutation, i) => prepare(mutation, now, `events[${i}].`))
      : [prepare(input as Mutation<any>, now, "")];
    const guarded = batch.filter(({ expect }) => lifecycle || expect !== undefined);
    const traceIds = [...new Set(guarded.map(({ encoded }) => encoded.event.traceId))];

    const answerWith = (stored: readonly StoredEvent<any>[]) => (Array.isArray(input) ? stored : stored[0]);

    const appendAfterOwn = (): StoredEvent<any> | undefined | PromiseLike<StoredEvent<any> | undefined> => {
      const [only] = batch;
      if (!only || batch.length > 1 || only.givenId || traceIds.length > 0) return undefined;
      if (!own?.alone || own.id > bound) return undefined;
      const log = { clock: parseClock(own.vclock), lastId: own.id, greatestId: own.id, traces: new Map() };
      const stamped = stamp(log, only, now, bound);
      checkedClock(log.clock, cortexId, "vclock");
      return andThen(insertAfter(tx, table, stamped, own), (stored) => {
        if (stored) own = { seq: stored.seq, id: stored.id, vclock: stamped.vclock!, alone: true };
        return stored;
      });
    };

    const lookUpAndAppend = () =>
      andThen(findGiven(tx, table, batch), (given) =>
        andThen(lookUp(tx, table, cortexId, bound, traceIds), (log) => {
          const known = new Map<string, EncodedEvent["event"]>(given.map((event) => [event.id, event]));
          const fresh: EncodedEvent[] = [];
          const ids = batch.map((prepared) => {
            const twin = prepared.givenId === undefined ? undefined : known.get(prepared.givenId);
            if (twin) {
              refuseOther(twin, prepared.encoded.event);
              return twin.id;
            }
            const stamped = stamp(log, prepared, now, bound);
            known.set(stamped.event.id, stamped.event);
            fresh.push(stamped);
            return stamped.event.id;
          });
          // Its last clock has the entries of all.
          if (fresh.length > 0) checkedClock(log.clock, cortexId, "vclock");
          // An event that knows the whole log follows on from its trace, unless its id is not the greatest.
          const isMinted = batch.every(({ givenId }) => givenId === undefined);
          const followsOn = isMinted && fresh.every(({ event }) => event.id > log.greatestId);
          const insert = followsOn ? insertRows : insertForeign;
          return andThen(insert(tx, table, fresh), (inserted) => {
            const last = followsOn ? inserted.at(-1) : undefined;
            const alone = own === undefined || own.id === log.greatestId;
            own = last && { seq: last.seq, id: last.id, vclock: fresh.at(-1)!.vclock!, alone };
            for (const event of inserted) known.set(event.id, event);
            return answerWith(ids.map((id) => known.get(id) as StoredEvent<any>));
          });
        }),
      );
    return inTurn(tx, () =>
      andThen(appendAfterOwn(), (stored) => (stored ? answerWith([stored]) : lookUpAndAppend())),
    );
  };
  return { id: cortexId, origin, append: append as never };
}

/**
 * The events whose ids are more than `maxDrift` milliseconds ahead of the clock, by id: a cortex does not
 * follow them, and they stand at the end of every order by id until their time comes.
 *
 * @throws InputError `INVALID_LIMIT`, `INVALID_DRIFT`, `INVALID_CLOCK`.
 */
export function drifted<D extends Database, A extends Actions = Action>(
  db: D,
  options: { clock?: () => number; maxDrift?: number; limit?: number; table?: EventsTable<A> } = {},
): Result<D, StoredEvent<A>[]> {
  const { clock = Date.now, maxDrift, limit = 100, table } = options;
  return since(db, driftBound(clock(), maxDrift), limit, table && { table });
}

interface Prepared {
  encoded: EncodedEvent;
  givenId: string | undefined;
  expect: string | undefined;
  /** The prefix of its fields in errors. */
  at: string;
}

/** The last event of this cortex, if it knew the whole log and had the greatest id. */
interface OwnEvent extends LastEvent {
  /** As text, which no caller can change. */
  vclock: string;
  /** Whether the look-up before found no other writer's event: where they take turns, trying is in vain. */
  alone: boolean;
}

function findGiven(tx: Transaction, table: EventsTable<any>, batch: readonly Prepared[]) {
  const ids = batch.flatMap(({ givenId }) => givenId ?? []);
  if (ids.length === 0) return [];
  const known = sql`id in (select value from json_each(${JSON.stringify(ids)}))`;
  return selectEvents(tx, table, known, sql`id`) as StoredEvent<any>[];
}

function refuseOther(twin: EncodedEvent["event"], event: EncodedEvent["event"]): void {
  const same =
    twin.cortexId === event.cortexId &&
    twin.action === event.action &&
    twin.traceId === event.traceId &&
    sameJson(twin.data, event.data);
  if (!same) throw new ConflictError("ID_CONFLICT", twin.id, event.cortexId, twin.id);
}
