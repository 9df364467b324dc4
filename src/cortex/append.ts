import type { LastEvent } from "../atomic-batch.js";
import { parseClock } from "../clock.js";
import { findStored } from "../conflict.js";
import type { Transaction } from "../database.js";
import { boundAt } from "../drift.js";
import type { EncodedEvent, StoredEvent } from "../event.js";
import { insertForeign, insertRows } from "../insert.js";
import { hashOf } from "../proof.js";
import type { Steps } from "../steps.js";
import { insertAfter } from "./insert-after.js";
import { type LogState, readLogState } from "./log-state.js";
import type { Prepared } from "./mutation.js";
import { stampAll } from "./stamp.js";
import { type Memory, type OwnEvent, settle, type Writer } from "./writer.js";

export function* appendBatch(
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
