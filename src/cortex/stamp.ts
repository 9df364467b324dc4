import { ConflictError } from "../conflict.js";
import type { EncodedEvent, Event } from "../event.js";
import { MAX_CLOCK_ENTRIES } from "../field.js";
import { InputError } from "../input-error.js";
import { hashOf, prove } from "../proof.js";
import { ulidBeyond } from "../ulid.js";
import { counterOf, type VectorClock } from "../vector-clock.js";
import { nextState } from "./lifecycle.js";
import type { LogState } from "./log-state.js";
import type { Prepared } from "./mutation.js";
import { TraceError } from "./trace-error.js";
import type { TraceHead } from "./trace-head.js";

interface Stamper {
  cortexId: string;
  lifecycle: boolean;
  randomness: () => number;
  sign: ((hash: string) => string) | undefined;
}

/**
 * The batch as it will be stored after what the log holds: each event with its id, and a clock that counts the
 * one before, and a proof. `time` is in milliseconds.
 *
 * @throws TraceError `STALE_HEAD`, `LIFECYCLE`; ConflictError `TOO_MANY_CORTEXES`; InputError `INVALID_EXPECT`: for a trace
 * that the batch has changed before.
 */
export function stampAll(
  log: LogState,
  batch: readonly Prepared[],
  stamper: Stamper,
  time: number,
): EncodedEvent[] {
  const { cortexId, randomness, sign } = stamper;
  const traces = new Map(log.traces);
  let { clock, hash, lastId } = log;
  const stamped = batch.map((prepared): EncodedEvent => {
    const { encoded } = prepared;
    const { traceId } = encoded.event;
    const trace = traces.get(traceId);
    lastId = ulidBeyond(lastId, time, randomness);
    if (trace) traces.set(traceId, { seq: undefined, state: stateWith(trace, prepared, stamper) });
    clock = counted(clock, cortexId);
    const event: Event<any> = { ...encoded.event, id: lastId, vclock: clock };
    const proof = prove(event, hash, randomness, sign);
    hash = hashOf(proof);
    const { data, meta } = encoded;
    return { event, proof, data, meta, vclock: JSON.stringify(clock), counter: clock[cortexId]! };
  });
  // The last clock has the entries of all.
  if (Object.keys(clock).length > MAX_CLOCK_ENTRIES) {
    throw new ConflictError("TOO_MANY_CORTEXES", undefined, cortexId);
  }
  return stamped;
}

/** The state that a trace comes to by this mutation. Throws TraceError where it is not possible. */
function stateWith(trace: TraceHead, { encoded, expect, at }: Prepared, { lifecycle }: Stamper) {
  const { action, traceId } = encoded.event;
  const { seq: head } = trace;
  if (expect !== undefined && head === undefined) {
    const problem = "must not be given for a trace that the batch has changed before";
    throw new InputError("INVALID_EXPECT", `${at}expect`, problem);
  }
  if (expect !== undefined && expect !== head) throw new TraceError("STALE_HEAD", traceId, expect, head!);
  if (!lifecycle) return trace.state;
  const state = nextState(trace.state, action);
  if (!state) throw new TraceError("LIFECYCLE", traceId, action, trace.state);
  return state;
}

/** The clock after one more event; keys in order, so that equal clocks have equal text. */
function counted(clock: VectorClock, cortexId: string): VectorClock {
  const next = counterOf(clock, cortexId) + 1;
  if (next > 1) return { ...clock, [cortexId]: next };
  return Object.fromEntries(
    Object.entries({ ...clock, [cortexId]: next }).sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}
