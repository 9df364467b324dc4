// The log as its documentation tells it, without SQL: an array of events in the order of their seqs.
import { isDeepStrictEqual } from "node:util";
import type { NewEvent, StoredEvent, VectorClock } from "drizzle-event-log";

export type Outcomes = Map<string, number>;
export type Log = StoredEvent[];

/** What an append is to answer: an error's code, or the events, as they are once stored. */
export type Prediction = { error: string } | { answer: StoredEvent[]; fresh: StoredEvent[] };

export interface Writer {
  id: string;
  origin: string;
  /** How far its clock is off. */
  skew: number;
  lifecycle: boolean;
}

export interface Change {
  action: string;
  traceId: string;
  actor?: string;
  data?: unknown;
  idempotencyKey?: string;
  expect?: number | string;
}

export const MAX_DRIFT = 5 * 60_000;
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const STATES: Record<string, Record<string, string>> = {
  create: { none: "active" },
  archive: { active: "archived" },
  unarchive: { archived: "active" },
  trash: { active: "trashed", archived: "trashed" },
  recover: { trashed: "active" },
  purge: { trashed: "gone" },
};

const greatest = (ids: readonly string[]) => ids.reduce((a, b) => (a > b ? a : b), "");
const counterOf = (event: NewEvent | StoredEvent) => event.vclock?.[event.cortexId];

/** `append`: events with ids. */
export function predictAppend(log: Log, events: readonly NewEvent[]): Prediction {
  const error = events.map(eventError).find(Boolean);
  if (error) return { error };
  const full = events.map((event) => ({
    ...event,
    timestamp: event.timestamp ?? new Date(timeOf(event.id!)).toISOString(),
  })) as StoredEvent[];

  const answers = answersTo(log, full);
  const conflict = conflictIn(full) ?? (answers ? undefined : "KEY_CONFLICT");
  if (conflict || !answers) return { error: conflict! };
  // What a retry says of itself is not looked at, where another id answers.
  const kept = full.filter((event) => answers.get(event) === event);
  const clash = conflictIn([...log, ...kept]);
  if (clash) return { error: clash };
  const fresh = kept
    .filter(({ id }, i) => ![...log, ...kept.slice(0, i)].some((other) => other.id === id))
    .map((event, i) => ({ ...event, seq: log.length + i + 1 }));
  if (hasGap(log, fresh)) return { error: "GAP" };
  const stored = [...log, ...fresh];
  return { answer: full.map((event) => stored.find(({ id }) => id === answers.get(event)!.id)!), fresh };
}

/** Whether an event is not its cortex's next, or counts one that is not there. */
function hasGap(log: Log, fresh: Log): boolean {
  const known: Record<string, number> = { ...clockOf(log) };
  return fresh.some((event) => {
    const { cortexId, vclock = {} } = event;
    const isNext = counterOf(event) === undefined || counterOf(event) === (known[cortexId] ?? 0) + 1;
    if (counterOf(event) !== undefined) known[cortexId] = counterOf(event)!;
    return !isNext || Object.entries(vclock).some(([id, count]) => count > (known[id] ?? 0));
  });
}

/** What is wrong with the first event that clashes with one before it. */
function conflictIn(events: Log): string | undefined {
  for (const [i, event] of events.entries()) {
    const earlier = events.slice(0, i);
    if (earlier.some((other) => other.id === event.id && !sameEvent(other, event))) return "ID_CONFLICT";
    if (earlier.some((other) => other.id !== event.id && samePlace(other, event))) return "FORK";
  }
  return undefined;
}

type Request = Change & { id?: string; cortexId: string };

/**
 * The event that answers each of a batch: itself where it is new, or has its id in the log or in the batch.
 * Undefined where there are only other requests with its key.
 */
function answersTo<T extends Request>(log: Log, batch: readonly T[]): Map<T, T | StoredEvent> | undefined {
  const known: (T | StoredEvent)[] = [...log];
  const answers = new Map<T, T | StoredEvent>();
  for (const event of batch) {
    const hasId = event.id !== undefined && known.some(({ id }) => id === event.id);
    const { idempotencyKey: key } = event;
    const rivals = hasId || key === undefined ? [] : known.filter((one) => one.idempotencyKey === key);
    const same = rivals.filter((one) => sameRequest(one as Request, event));
    if (rivals.length > 0 && same.length === 0) return undefined;
    const answer = same.find(({ cortexId }) => cortexId === event.cortexId) ?? same[0] ?? event;
    answers.set(event, answer);
    if (answer === event && !hasId) known.push(event);
  }
  return answers;
}

const sameRequest = (a: Change, b: Change) =>
  a.action === b.action &&
  a.traceId === b.traceId &&
  a.actor === b.actor &&
  isDeepStrictEqual(a.data, b.data);

/**
 * `cortex.append`. Which ids it makes is its own affair, so they are taken from its answer (`made`; none if it
 * refused) and held against what it promises of them.
 */
export function predictCortex(
  log: Log,
  writer: Writer,
  changes: readonly Change[],
  now: number,
  made: readonly string[],
): Prediction {
  const time = now + writer.skew;
  const stamps = { cortexId: writer.id, origin: writer.origin };
  const error = changes
    .map((change) => eventError({ ...change, ...stamps } as NewEvent & Change))
    .find(Boolean);
  if (error) return { error };

  const requests = changes.map((change): Request => ({ ...change, cortexId: writer.id }));
  const answers = answersTo(log, requests);
  if (!answers) return { error: "KEY_CONFLICT" };
  const stored = [...log];
  const answer: StoredEvent[] = [];
  const events = new Map<unknown, StoredEvent>(log.map((event) => [event, event]));
  for (const [i, { expect, ...change }] of changes.entries()) {
    const known = events.get(answers.get(requests[i]!));
    if (known) {
      answer.push(known);
      continue;
    }
    const { action, traceId } = change;
    const trace = stored.filter((event) => event.traceId === traceId);
    if (expect !== undefined && trace.some(({ seq }) => seq > log.length)) return { error: "INVALID_EXPECT" };
    const head = trace.at(-1)?.seq ?? "none";
    if (expect !== undefined && expect !== head) return { error: "STALE_HEAD" };
    if (writer.lifecycle && !allows(stateOf(trace), action)) return { error: "LIFECYCLE" };
    const clock = clockOf(stored);
    const event = {
      ...{ seq: stored.length + 1, id: checkedId(made[i], stored, writer, time), ...change },
      ...{ cortexId: writer.id, origin: writer.origin, timestamp: new Date(time).toISOString() },
      vclock: { ...clock, [writer.id]: (clock[writer.id] ?? 0) + 1 },
    } as StoredEvent;
    stored.push(event);
    answer.push(event);
    events.set(requests[i], event);
  }
  return { answer, fresh: stored.slice(log.length) };
}

/** An id that a writer made: after all that it follows and after its own last one, as early as can be. */
function checkedId(made: string | undefined, log: Log, writer: Writer, time: number): string {
  const followed = log.filter(({ id }) => timeOf(id) <= time + MAX_DRIFT).map(({ id }) => id);
  const own = log.filter((event) => event.cortexId === writer.id);
  // Events without a clock come before those with one.
  const last = own.sort((a, b) => (counterOf(a) ?? 0) - (counterOf(b) ?? 0)).at(-1)?.id ?? "";
  const floor = greatest([...followed, last]);
  if (made === undefined) return floor === "" ? encode(BigInt(time) << 80n) : encode(decode(floor) + 1n);
  const earliest = Math.max(time, floor === "" ? 0 : timeOf(floor));
  if (made <= floor || timeOf(made) < earliest || timeOf(made) > earliest + 1) {
    throw new Error(`made ${made} at ${encode(BigInt(time) << 80n)}, to follow ${floor}`);
  }
  if (log.some(({ id }) => id === made)) throw new Error(`made ${made} twice`);
  return made;
}

export function clockOf(log: Log): VectorClock {
  const clock: Record<string, number> = {};
  for (const event of log) {
    const counter = counterOf(event);
    if (counter !== undefined) clock[event.cortexId] = Math.max(clock[event.cortexId] ?? 0, counter);
  }
  return clock;
}

export const byId = (log: Log) => [...log].sort((a, b) => (a.id < b.id ? -1 : 1));

function stateOf(trace: Log): string {
  const transitions = byId(trace.filter(({ action }) => Object.hasOwn(STATES, action)));
  let last = transitions.at(-1);
  for (let next = last; next; last = next ?? last) {
    const before = next;
    next = transitions.findLast((one) => one.id < before.id && one.seq > before.seq && knows(one, before));
  }
  return last ? Object.values(STATES[last.action]!)[0]! : "none";
}

/** Whether an event was made in the knowledge of one that was there before it. */
function knows(later: StoredEvent, { cortexId, ...earlier }: StoredEvent): boolean {
  const counter = counterOf({ cortexId, ...earlier } as StoredEvent);
  return counter === undefined || later.vclock === undefined || (later.vclock[cortexId] ?? 0) >= counter;
}

function allows(state: string, action: string): boolean {
  if (Object.hasOwn(STATES, action)) return Object.hasOwn(STATES[action]!, state);
  return state !== "none" && state !== "gone";
}

function sameEvent(a: StoredEvent, b: StoredEvent): boolean {
  const [{ seq: _, ...x }, { seq: __, ...y }] = [a, b];
  return isDeepStrictEqual(x, y);
}

function samePlace(a: StoredEvent, b: StoredEvent): boolean {
  return a.cortexId === b.cortexId && counterOf(a) !== undefined && counterOf(a) === counterOf(b);
}

/** Of the wrong values that the commands make, in the order in which they are looked at. */
function eventError(event: NewEvent & { expect?: number | string }): string | undefined {
  const { id, action, traceId, data, vclock, cortexId, idempotencyKey, expect } = event;
  if (expect === "bad") return "INVALID_EXPECT";
  if (id !== undefined && id !== id.toUpperCase()) return "INVALID_ID";
  if ((action as string) === "bad action") return "INVALID_ACTION";
  if (traceId === "") return "INVALID_TRACE_ID";
  if (idempotencyKey === "") return "INVALID_IDEMPOTENCY_KEY";
  if (vclock && (vclock[cortexId] ?? 0) < 1) return "INVALID_VCLOCK";
  if (Number.isNaN(data)) return "INVALID_DATA";
  return undefined;
}

export function timeOf(id: string): number {
  return Number(decode(id) >> 80n);
}

function decode(id: string): bigint {
  return [...id].reduce((n, char) => n * 32n + BigInt(ALPHABET.indexOf(char)), 0n);
}

export function encode(n: bigint): string {
  return Array.from({ length: 26 }, (_, i) => ALPHABET[Number((n >> BigInt(5 * (25 - i))) & 31n)]).join("");
}
