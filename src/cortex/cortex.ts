import { parseClock } from "../clock.js";
import { findStored } from "../conflict.js";
import { checkTransaction, type Result, type Transaction } from "../database.js";
import { boundAt, checkDrift } from "../drift.js";
import {
  type Action,
  type ActionOf,
  type Actions,
  checkMaxDataBytes,
  type DataOf,
  type EncodedEvent,
  type Event,
  type EventLimits,
  type StoredEvent,
} from "../event.js";
import { checkName, checkULID } from "../field.js";
import { addRequest, answerTo, type Requests } from "../idempotency.js";
import { checkedOptions, checkFunction, InputError, isArray, shapeOf } from "../input-error.js";
import { insertForeign, insertRows } from "../insert.js";
import { hashOf } from "../proof.js";
import type { EventsTable } from "../schema.js";
import { inTurn, type Steps } from "../steps.js";
import { tableOf } from "../table.js";
import { checkedSource, checkedTime, type ULIDSource } from "../ulid.js";
import { insertAfter, type LastEvent } from "./insert-after.js";
import { type LogState, readLogState } from "./log-state.js";
import { type Mutation, type Prepared, prepareAll, type Schemas } from "./mutation.js";
import { signing } from "./signing.js";
import { stampAll } from "./stamp.js";
import { checkSchemas, type InputOf, type OutputOf } from "./standard-schema.js";

type Validated<A extends Actions, S, Side extends "input" | "output"> = {
  [K in ActionOf<A> | (keyof S & string)]: K extends keyof S
    ? { input: InputOf<S[K]>; output: OutputOf<S[K]> }[Side]
    : DataOf<A, K>;
};

export interface CortexOptions<A extends Actions = Action, S extends Schemas = Schemas>
  extends ULIDSource,
    EventLimits {
  /** ULID: the cortex's identity, made once and kept. One node, one id; its processes may share it. */
  id: string;
  /** Its display name. */
  origin: string;
  /** How far ahead of `now` an id in the log may be and still be followed, in milliseconds. Default 5 minutes. */
  maxDrift?: number;
  /** Default `events`. */
  table?: EventsTable<A>;
  /** A Standard Schema validator per action; its output is what is stored. */
  schemas?: S;
  /** Whether to refuse actions that the trace's state does not allow. Default false. */
  lifecycle?: boolean;
  /**
   * Signs the hash of each event, so that others know it even from a relay that they do not trust: see `verify` of
   * `accept`. Answers at once with 1 to 5,000 characters of `A-Za-z0-9_-`, such as base64url.
   */
  sign?: (hash: string) => string;
}

export interface Cortex<In extends Actions = Action, Out extends Actions = In> {
  readonly id: string;
  readonly origin: string;
  /**
   * Appends a change, or a batch of them: all or nothing, in order, with contiguous seqs. Inside the caller's
   * transaction it reads from the log what to stamp:
   * - `vclock`: all that the log has seen, with this cortex's counter one higher. So a cortex's counters are
   *   1, 2, 3, … without a gap, across processes and restarts.
   * - `id`: greater than every id in the log that is at most `maxDrift` ahead of `now`, and than this
   *   cortex's last one: the order by id respects what happened before. A bounded hybrid logical clock
   *   (Kulkarni et al., "Logical Physical Clocks", 2014).
   * - `timestamp`: the time `now`.
   * - a proof, by which peers verify it: see docs/proof.md.
   *
   * With an `idempotencyKey` a retry is safe: where this log holds an event of any cortex with that key and the
   * same action, trace, data and actor, that event is the answer, and nothing is written; `expect` and
   * `lifecycle` are not asked again. Each mutation of a batch has its own key. Two logs that both took the request
   * before they met keep both events: a divergence.
   *
   * @throws InputError synchronously, before any SQL runs; but after the look-up, as nothing is written, for a
   * log of more than 256 cortexes (`INVALID_VCLOCK`), and for an answer of `sign` that is none (`INVALID_SIGNATURE`),
   * and for an `expect` of a trace that the batch changes before it (`INVALID_EXPECT`).
   * @throws TraceError `STALE_HEAD`, `LIFECYCLE`: nothing was written.
   * @throws ConflictError `KEY_CONFLICT`: nothing was written.
   */
  append<X extends Transaction>(tx: X, mutation: Mutation<In>): Result<X, StoredEvent<Out>>;
  append<X extends Transaction>(tx: X, mutations: readonly Mutation<In>[]): Result<X, StoredEvent<Out>[]>;
}

/**
 * A writer: one node of the federation, which stamps its events from the log itself: any number of
 * processes may open the same cortex. Where it left the log it remembers, and checks with every append.
 *
 * @throws InputError `INVALID_CORTEX_ID`, `INVALID_ORIGIN`, `INVALID_DRIFT`, `INVALID_NOW`, `INVALID_RANDOMNESS`,
 * `INVALID_MAX_DATA_BYTES`, `INVALID_LIFECYCLE`, `INVALID_SCHEMA`, `INVALID_TABLE`.
 */
export function openCortex<A extends Actions = Action, const S extends Schemas = Schemas>(
  options: CortexOptions<A, S> & { schemas: S },
): Cortex<Validated<A, S, "input">, Validated<A, S, "output">>;
export function openCortex<A extends Actions = Action>(options: CortexOptions<A>): Cortex<A>;
export function openCortex(options: CortexOptions<any, Schemas>): Cortex<any> {
  const writer = checkedWriter(options);
  const { cortexId, origin } = writer;
  const memory: Memory = { own: undefined };
  const append = (tx: Transaction, input: unknown): unknown => {
    checkTransaction(tx);
    const time = checkedTime(writer.now());
    const batch = prepareAll(input, writer, time);
    return inTurn(tx, function* () {
      const stored = yield* appendBatch(tx, batch, writer, time, memory);
      return isArray(input) ? stored : stored[0]!;
    });
  };
  return { id: cortexId, origin, append: append as Cortex<any>["append"] };
}

type Writer = ReturnType<typeof checkedWriter>;

/** What a cortex keeps between appends, of the log that it wrote to last. */
interface Memory {
  own: OwnEvent | undefined;
}

/** The last event of this cortex, if it knew the whole log and had the greatest id. */
interface OwnEvent extends LastEvent {
  /** As text, which no caller can change. */
  vclock: string;
  hash: string;
  /** Whether the look-up before found no other writer's event: where they take turns, trying is in vain. */
  alone: boolean;
}

function checkedWriter(options: CortexOptions<any, Schemas>) {
  const {
    id,
    origin,
    now,
    randomness,
    maxDrift,
    schemas,
    lifecycle = false,
    sign,
    table,
    maxDataBytes,
  } = checkedOptions<CortexOptions<any, Schemas>>(options ?? null);
  checkULID(id, "INVALID_CORTEX_ID", "id");
  checkName(origin, "INVALID_ORIGIN", "origin");
  checkDrift(maxDrift);
  if (maxDataBytes !== undefined) checkMaxDataBytes(maxDataBytes);
  if (typeof lifecycle !== "boolean") {
    throw new InputError(
      "INVALID_LIFECYCLE",
      "lifecycle",
      `must be true or false, got ${shapeOf(lifecycle)}`,
    );
  }
  checkSchemas(schemas);
  if (sign !== undefined) checkFunction(sign, "INVALID_FUNCTION", "sign");
  const source = checkedSource({ now, randomness } as ULIDSource);
  const limits: EventLimits = maxDataBytes === undefined ? {} : { maxDataBytes };
  return {
    ...{ cortexId: id, origin, ...source, maxDrift, schemas, lifecycle, limits },
    ...{ sign: sign && signing(sign), table: tableOf({ table }) },
  };
}

function* appendBatch(
  tx: Transaction,
  batch: readonly Prepared[],
  writer: Writer,
  time: number,
  memory: Memory,
): Steps<StoredEvent<any>[]> {
  const { cortexId, table, lifecycle, maxDrift } = writer;
  const bound = boundAt(time, maxDrift);
  const guarded = batch.filter(({ expect }) => lifecycle || expect !== undefined);
  const traceIds = [...new Set(guarded.map(({ encoded }) => encoded.event.traceId))];

  const { own } = memory;
  const [only] = batch;
  if (only && batch.length === 1 && traceIds.length === 0 && own?.alone && own.id <= bound) {
    const [stamped] = stampAll(stateAfterOwn(own), batch, writer, time);
    const stored = yield* insertAfter(tx, table, stamped!, own);
    if (stored) {
      memory.own = ownEvent(stored, stamped!, true);
      return [stored];
    }
  }

  const keys = batch.flatMap(({ encoded }) => encoded.event.idempotencyKey ?? []);
  const { answers, fresh } = settle(batch, yield* findStored(tx, table, { keys }));
  if (fresh.length === 0) return answers as StoredEvent<any>[];
  const log = yield* readLogState(tx, table, cortexId, bound, traceIds, lifecycle);
  const stamped = stampAll(log, fresh, writer, time);
  // An event that knows the whole log follows on from its trace, unless its id is not the greatest.
  const followsOn = stamped.every(({ event }) => event.id > log.greatestId);
  const inserted = yield* followsOn ? insertRows(tx, table, stamped) : insertForeign(tx, table, stamped);

  const last = followsOn ? inserted.at(-1) : undefined;
  const alone = own === undefined || own.id === log.greatestId;
  memory.own = last && ownEvent(last, stamped.at(-1)!, alone);
  const stored = new Map(fresh.map(({ encoded }, i) => [encoded.event, inserted[i]!]));
  return answers.map((answer) => stored.get(answer) ?? (answer as StoredEvent<any>));
}

/** The log as it is while this event is its last. */
function stateAfterOwn({ id, vclock, hash }: OwnEvent): LogState {
  return { clock: parseClock(vclock), hash, lastId: id, greatestId: id, traces: new Map() };
}

function ownEvent({ seq, id }: LastEvent, { vclock, proof }: EncodedEvent, alone: boolean): OwnEvent {
  return { seq, id, vclock: vclock!, hash: hashOf(proof!), alone };
}

/** What answers each mutation, an event of the log or of the batch itself, and those that are to be stored. */
function settle(batch: readonly Prepared[], existing: readonly StoredEvent<any>[]) {
  const requests: Requests = new Map();
  for (const event of existing) addRequest(requests, event);
  const fresh: Prepared[] = [];
  const answers = batch.map((prepared): Event<any> => {
    const { event } = prepared.encoded;
    const answer = answerTo(requests, event);
    if (answer) return answer;
    addRequest(requests, event);
    fresh.push(prepared);
    return event;
  });
  return { answers, fresh };
}
