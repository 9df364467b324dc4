import { ConflictError } from "../conflict.js";
import type { EncodedEvent } from "../event.js";
import { MAX_CLOCK_ENTRIES } from "../field.js";
import type { Frontier } from "../frontier.js";
import { InputError, shapeOf } from "../input-error.js";
import type { Accepted } from "./accept.js";
import type { Comparison } from "./compare.js";
import type { Misread } from "./page.js";

/** An event that was not accepted, and why; later ones of its cortex were not asked for. It is the one after `clock(db)[cortexId]`. */
export interface Refusal {
  /** Undefined if the event is too broken to tell. */
  cortexId: string | undefined;
  error: InputError | ConflictError;
}

/** In `onProgress`, what has come of it so far. */
export interface PullReport {
  stored: number;
  duplicates: number;
  refused: readonly Refusal[];
  /** How many events the peer had, of the cortexes to take, that were missing here when the pull began. */
  total: number;
}

/** What became of a batch: of each cortex, the events up to its conflict were accepted. */
export interface Outcome {
  accepted: readonly Accepted<any>[];
  conflicts: readonly ConflictError[];
  /** How far this log and the peer's now hold the same of each cortex. */
  shared: ReadonlyMap<string, number>;
}

export type Taking = ReturnType<typeof startTaking>;

// Claimed of a cortex whose events are not wanted, or not any more.
const ENOUGH = Number.MAX_SAFE_INTEGER;
// The most of these: a question has a bound, too.
const MAX_LEFT = 1000;

/** What a pull has taken so far, and what it still wants. */
export function startTaking(ours: Frontier, cortexes: (cortexId: string) => boolean) {
  const known = new Map(Object.entries(ours).map(([id, { counter }]) => [id, counter]));
  const refused: Refusal[] = [];
  const left = new Set<string>();
  const asked = new Map<string, boolean>();
  let shared: ReadonlyMap<string, number> = new Map();
  let [stored, duplicates, total] = [0, 0, 0];

  const isWanted = (cortexId: string): boolean => {
    if (!asked.has(cortexId)) asked.set(cortexId, answerOf(cortexes, cortexId));
    if (!asked.get(cortexId)) left.add(cortexId);
    return !left.has(cortexId);
  };
  const refuse = (cortexId: string | undefined, error: InputError | ConflictError): void => {
    if (cortexId !== undefined && left.has(cortexId)) return;
    if (cortexId !== undefined) left.add(cortexId);
    if (refused.length < MAX_CLOCK_ENTRIES) refused.push({ cortexId, error });
  };

  const knownAnd = (others: Iterable<string>) =>
    Object.fromEntries([...known, ...Array.from(others, (id) => [id, ENOUGH] as const)]);
  const lacking = (theirs: Frontier): string[] =>
    Object.keys(theirs).filter((id) => theirs[id]!.counter > (known.get(id) ?? 0) && isWanted(id));

  return {
    isWanted,
    refuse,
    lacking,
    shared: () => shared,
    /** What to tell the peer is here. */
    known: () => knownAnd(left),
    /** The same, so that it answers with events of this cortex alone. */
    knownBut: (cortexId: string, theirs: Frontier) =>
      knownAnd([...left, ...Object.keys(theirs)].filter((id) => id !== cortexId)),
    /** A fork, or what may be one, is left: of what counts it beyond, nothing is taken. */
    compared(results: ReadonlyMap<string, Comparison>): void {
      shared = new Map([...shared, ...[...results].map(([id, one]) => [id, one.shared] as const)]);
      for (const [id, { shared, error, ...rest }] of results) {
        if (error) refuse(id, error);
        else if ("isFork" in rest && rest.isFork) {
          refuse(id, new ConflictError("FORK", undefined, id, undefined, shared));
        }
      }
    },
    /** To be told when the peer's frontier has been compared. */
    begin(theirs: Frontier): void {
      for (const id of lacking(theirs)) total += theirs[id]!.counter - (known.get(id) ?? 0);
    },
    take({ accepted, conflicts, shared: now }: Outcome, misread: readonly Misread[]): void {
      shared = now;
      for (const { event, outcome } of accepted) {
        if (outcome === "stored") stored++;
        else duplicates++;
        const { cortexId, vclock } = event;
        known.set(cortexId, Math.max(known.get(cortexId) ?? 0, vclock![cortexId]!));
      }
      // Of a cortex what comes first; of all first what others may build on.
      const inConflict = new Set<string | undefined>(conflicts.map(({ cortexId }) => cortexId));
      for (const { cortexId, error } of misread) if (!inConflict.has(cortexId)) refuse(cortexId, error);
      for (const error of conflicts) refuse(error.cortexId, error);
    },
    /** Changes when the next page will be another one. */
    place: () => [...known.values()].reduce((sum, counter) => sum + counter, left.size),
    /** As many cortexes as a clock counts: a peer that makes up ever new ones is left. */
    isFull: () => refused.length === MAX_CLOCK_ENTRIES || left.size > MAX_LEFT,
    report: (): PullReport => ({ stored, duplicates, refused: [...refused], total }),
  };
}

/**
 * Cortexes of which an event counts more than the logs are known to hold alike, and more than the batch brings before
 * it: the peer has got more of them since it told its frontier.
 */
export function uncompared(batch: readonly EncodedEvent[], shared: ReadonlyMap<string, number>): string[] {
  const reached = new Map(shared);
  const ahead = new Set<string>();
  for (const { event, counter } of batch) {
    for (const [cause, count] of Object.entries(event.vclock!)) {
      if (cause !== event.cortexId && count > (reached.get(cause) ?? 0)) ahead.add(cause);
    }
    reached.set(event.cortexId, Math.max(reached.get(event.cortexId) ?? 0, counter!));
  }
  return [...ahead];
}

function answerOf(cortexes: (cortexId: string) => boolean, cortexId: string): boolean {
  const answer: unknown = cortexes(cortexId);
  if (typeof answer === "boolean") return answer;
  const problem = `must answer with true or false, got ${shapeOf(answer)}`;
  throw new InputError("INVALID_FUNCTION", "cortexes", problem);
}
