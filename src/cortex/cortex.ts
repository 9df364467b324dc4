import { type BatchDatabase, type BatchQuery, checkBatchDatabase } from "../atomic-batch.js";
import { checkTransaction, type Result, type Transaction } from "../database.js";
import type { Action, ActionOf, Actions, DataOf, Event, StoredEvent } from "../event.js";
import { isArray } from "../input-error.js";
import { type BatchOptions, checkedBatchOptions } from "../retry.js";
import type { EventsTable } from "../schema.js";
import { inTurn } from "../steps.js";
import { checkedTime } from "../ulid.js";
import { appendBatch } from "./append.js";
import { checkedQueries, runBatch } from "./batch.js";
import { type Mutation, prepareAll, type Schemas } from "./mutation.js";
import type { InputOf, OutputOf } from "./standard-schema.js";
import { type CortexOptions, checkedWriter, type Memory } from "./writer.js";

type Validated<A extends Actions, S, Side extends "input" | "output"> = {
  [K in ActionOf<A> | (keyof S & string)]: K extends keyof S
    ? { input: InputOf<S[K]>; output: OutputOf<S[K]> }[Side]
    : DataOf<A, K>;
};

export interface Cortex<In extends Actions = Action, Out extends Actions = In> {
  readonly id: string;
  readonly origin: string;
  /** The log that it writes to. */
  readonly table: EventsTable<any>;
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
   * With an `idempotencyKey` a retry is safe. Where this log holds an event of any cortex with that key and the
   * same action, trace, data and actor, that event is the answer, and nothing is written. `expect` and
   * `lifecycle` are not asked again. Each mutation of a batch has its own key. Two logs that both took the request
   * before they met keep both events: a divergence.
   *
   * @throws InputError synchronously, before any SQL runs. After the look-up, when nothing is written yet, for an answer
   * of `sign` that is none (`INVALID_SIGNATURE`), and for an `expect` of a trace that the batch has changed before
   * (`INVALID_EXPECT`).
   * @throws TraceError `STALE_HEAD`, `LIFECYCLE`: nothing was written.
   * @throws ConflictError `KEY_CONFLICT`, `TOO_MANY_CORTEXES`: nothing was written.
   */
  append<X extends Transaction>(tx: X, mutation: Mutation<In>): Result<X, StoredEvent<Out>>;
  /** A batch: the answers come in its order, those to retries among them. */
  append<X extends Transaction>(tx: X, mutations: readonly Mutation<In>[]): Result<X, StoredEvent<Out>[]>;
  /**
   * The same without a transaction, in one atomic `db.batch`: on D1, which has no other, and on any libsql server
   * in two round trips instead of four. The app's own `queries` are run in that batch, after the event: all of it is
   * stored or nothing. It looks at the log, then sends the batch, whose insert fails if the log has moved on
   * meanwhile; then it tries again from the look, after a pause of random length. So of writers at one log one
   * always comes through, and each needs some two round trips while no other comes between.
   *
   * `queries` are Drizzle builders that have not been run, as for `db.batch`; or a function that makes them from the
   * events that are to be stored (they have no seq yet), and is called once for each try. They see the log with
   * these events. Their answers are the `results`, in their order. Where nothing is stored, as every idempotency
   * key has been answered before, nothing is run, and `results` is undefined. So the queries run exactly as often as
   * the events are stored.
   *
   * A batch that was sent twice on the way, as some transports do when an answer is lost, is stored once; `results` is
   * undefined then, too.
   *
   * What `queries` or the network throws is thrown as it is, and not tried again. After an error of the network the
   * batch may have been run: call again with the same `idempotencyKey`, which is safe.
   *
   * @throws InputError as `append`; `NO_BATCH`, `INVALID_QUERIES`, `INVALID_DEADLINE`, `INVALID_SIGNAL`.
   * @throws TraceError, ConflictError as `append`: nothing was written.
   * @throws DeadlineError the log moved on at every try until the deadline, and the signal's reason: nothing was
   * written.
   */
  batch<const Q extends readonly BatchQuery[] = []>(
    db: BatchDatabase,
    mutation: Mutation<In>,
    queries?: QueriesFor<Out, Q>,
    options?: BatchOptions,
  ): Promise<{ event: StoredEvent<Out>; results: ResultsOf<Q> | undefined }>;
  /** Several mutations: `events` are the answers, in their order. */
  batch<const Q extends readonly BatchQuery[] = []>(
    db: BatchDatabase,
    mutations: readonly Mutation<In>[],
    queries?: QueriesFor<Out, Q>,
    options?: BatchOptions,
  ): Promise<{ events: StoredEvent<Out>[]; results: ResultsOf<Q> | undefined }>;
}

type QueriesFor<A extends Actions, Q extends readonly BatchQuery[]> = Q | ((events: Event<A>[]) => Q);

type ResultsOf<Q extends readonly BatchQuery[]> = { -readonly [K in keyof Q]: Q[K]["_"]["result"] };

/**
 * A writer: one node of the federation. It stamps its events from the log itself, so any number of processes may
 * open the same cortex. Where it left the log it remembers, and checks with every append.
 *
 * @throws InputError `INVALID_CORTEX_ID`, `INVALID_ORIGIN`, `INVALID_DRIFT`, `INVALID_NOW`, `INVALID_RANDOMNESS`,
 * `INVALID_MAX_DATA_BYTES`, `INVALID_LIFECYCLE`, `INVALID_SCHEMA`, `INVALID_FUNCTION` (`sign`), `INVALID_TABLE`,
 * `INVALID_OPTIONS`.
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
  const batch = (db: unknown, input: unknown, queries: unknown = [], options?: BatchOptions): unknown => {
    checkBatchDatabase(db);
    const time = checkedTime(writer.now());
    const mutations = prepareAll(input, writer, time);
    const own = checkedQueries(queries);
    const patience = checkedBatchOptions(options);
    return runBatch(db, { batch: mutations, queries: own, time, patience }, writer).then(
      ({ events, results }) => (isArray(input) ? { events, results } : { event: events[0]!, results }),
    );
  };
  return {
    id: cortexId,
    origin,
    table: writer.table,
    append: append as Cortex<any>["append"],
    batch: batch as Cortex<any>["batch"],
  };
}
