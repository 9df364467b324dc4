import { sql } from "drizzle-orm";
import { type BatchDatabase, type Guard, lastEventOf, runAtomically } from "../atomic-batch.js";
import { askWithClock, parseClock } from "../clock.js";
import { findStored } from "../conflict.js";
import { DeadlineError } from "../deadline-error.js";
import { boundAt } from "../drift.js";
import type { EncodedEvent, Event, StoredEvent } from "../event.js";
import { entriesOf, InputError, isArray, reading, shapeOf } from "../input-error.js";
import { NO_HASH } from "../proof.js";
import { type BatchOptions, untilUnmoved } from "../retry.js";
import { run, type Steps } from "../steps.js";
import { disregard } from "../wait.js";
import type { LogState } from "./log-state.js";
import type { Prepared } from "./mutation.js";
import { stampAll } from "./stamp.js";
import { headColumns, headsFrom } from "./trace-head.js";
import { settle, type Writer } from "./writer.js";

export type Queries = readonly unknown[] | ((events: Event<any>[]) => unknown);

interface Batch {
  batch: readonly Prepared[];
  queries: Queries;
  /** When it was asked for. */
  time: number;
  patience: BatchOptions;
}

/** Appends in an atomic batch, and again from the look at the log when that has moved on meanwhile. */
export function runBatch(
  db: BatchDatabase,
  { batch, queries, time, patience }: Batch,
  writer: Writer,
): Promise<{ events: StoredEvent<any>[]; results: unknown[] | undefined }> {
  const { table, lifecycle, maxDrift, now, randomness } = writer;
  const bound = boundAt(time, maxDrift);
  const guarded = batch.filter(({ expect }) => lifecycle || expect !== undefined);
  const traceIds = [...new Set(guarded.map(({ encoded }) => encoded.event.traceId))];
  const keys = batch.flatMap(({ encoded }) => encoded.event.idempotencyKey ?? []);
  let sent: Sent | undefined;
  const look = () => run(db, readWhole(db, writer, bound, traceIds, keys, sent?.stamped.at(-1)));
  const answerToSent = async ({ hasSent }: WholeState) => {
    if (!sent || !hasSent) return undefined;
    const ids = sent.stamped.map(({ event }) => event.id);
    return { events: answersOf(sent, await run(db, findStored(db, table, { ids }))), results: undefined };
  };

  const attempt = async () => {
    const log = await look();
    const answer = await answerToSent(log);
    if (answer) return answer;
    const existing = log.hasKeys ? await run(db, findStored(db, table, { keys })) : [];
    const { answers, fresh } = settle(batch, existing);
    if (fresh.length === 0) return { events: answers as StoredEvent<any>[], results: undefined };

    const stamped = stampAll(log, fresh, writer, time);
    const followsOn = stamped.every(({ event }) => event.id > log.greatestId);
    // Whether it branches its trace is not worth a round trip: a mark too many costs `divergences` a look.
    if (!followsOn) for (const encoded of stamped) encoded.branched = true;
    const others = queriesFor(queries, stamped);
    sent = { answers, fresh, stamped };
    const { stored, results } = await runAtomically(db, table, stamped, log.guard, others);
    return { events: answersOf(sent, stored), results };
  };
  return untilUnmoved(db, attempt, { ...patience, now, randomness }).catch(async (error: unknown) => {
    const answer = error instanceof DeadlineError && (await answerToSent(await look()));
    if (!answer) throw error;
    return answer;
  });
}

/**
 * What a try has sent. A transport that lost the answer may have sent it twice: then the refusal is of the second, and the
 * log has moved on by the first.
 */
interface Sent extends ReturnType<typeof settle> {
  stamped: readonly EncodedEvent[];
}

function answersOf({ answers, fresh }: Sent, stored: readonly StoredEvent<any>[]): StoredEvent<any>[] {
  const byRequest = new Map(fresh.map(({ encoded }, i) => [encoded.event, stored[i]!]));
  return answers.map((answer) => byRequest.get(answer) ?? (answer as StoredEvent<any>));
}

interface WholeState extends LogState {
  guard: Guard;
  /** Whether an event has one of the keys. */
  hasKeys: boolean;
  /** Whether the event that was sent is there. */
  hasSent: boolean;
}

/** What the log is, in one statement: on a remote database each is a round trip. */
function* readWhole(
  db: BatchDatabase,
  { table, cortexId, lifecycle }: Writer,
  bound: string,
  traceIds: readonly string[],
  keys: readonly string[],
  sent: EncodedEvent | undefined,
): Steps<WholeState> {
  const [row] = yield* askWithClock(
    db,
    table,
    (json) =>
      db.values(sql`select ${json},
      (select max(id) from ${table} where id > ''),
      (select max(id) from ${table} where id <= ${bound}),
      (select json_array(id, substr(proof, 1, 64)) from ${table} where cortex_id = ${cortexId}
        order by counter desc limit 1),
      (select max(seq) from ${table} where seq > 0),
      (select id from ${table} where seq > 0 order by seq desc limit 1),
      exists (select 1 from json_each(${JSON.stringify(keys)}) as key
        cross join ${table} as e on e.idempotency_key = key.value),
      exists (select 1 from ${table} where id = ${sent?.event.id ?? ""} and proof = ${sent?.proof ?? ""}),
      (select json_group_array(json_array(trace.value, ${headColumns(table, lifecycle)})) from json_each(${JSON.stringify(traceIds)}) as trace)`) as unknown[][],
  );
  const [clock, greatest, followed, own, seq, id, hasKeys, hasSent, traces] = Array.from(
    { length: 9 },
    (_, i) => row![i],
  );
  const [ownId = "", hash] = JSON.parse((own as string | null) ?? "[]") as [string?, (string | null)?];
  const ids = [greatest, followed, ownId].map((one) => String(one ?? ""));
  return {
    clock: parseClock(clock as string),
    hash: hash ?? NO_HASH,
    greatestId: ids[0]!,
    lastId: ids[0]! <= bound ? ids[0]! : [ids[1]!, ids[2]!].sort()[1]!,
    traces: yield* headsFrom(db, table, JSON.parse(traces as string)),
    guard: { last: lastEventOf(seq, id) },
    hasKeys: Number(hasKeys) === 1,
    hasSent: Number(hasSent) === 1,
  };
}

/** The app's queries, or how to make them. */
export function checkedQueries(queries: unknown): Queries {
  return typeof queries === "function" ? (queries as Queries) : checkedList(queries);
}

function queriesFor(queries: Queries, stamped: readonly EncodedEvent[]): readonly unknown[] {
  if (typeof queries !== "function") return queries;
  const made = queries(stamped.map(({ event }) => ({ ...event })));
  disregard(made);
  return checkedList(made);
}

function checkedList(queries: unknown): unknown[] {
  if (!isArray(queries)) {
    const problem = `must be a list of Drizzle queries, got ${shapeOf(queries)}`;
    throw new InputError("INVALID_QUERIES", "queries", problem);
  }
  const list = entriesOf(queries, "queries", "INVALID_QUERIES");
  for (const [i, query] of list.entries()) {
    // A builder, that is: one that was run is a promise.
    if (reading("queries", () => typeof Object(query)._prepare === "function")) continue;
    const problem = `must be a Drizzle query that was not run, got ${shapeOf(query)}`;
    throw new InputError("INVALID_QUERIES", `queries[${i}]`, problem);
  }
  return list;
}
