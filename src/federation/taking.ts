import type { ConflictError } from "../conflict.js";
import { MAX_CLOCK_ENTRIES } from "../field.js";
import { InputError, shapeOf } from "../input-error.js";
import { counterOf, type VectorClock } from "../vector-clock.js";
import type { Accepted } from "./accept.js";
import type { Misread } from "./page.js";

/** An event that was not accepted, and why; later ones of its cortex were not asked for. */
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
}

// Claimed of a cortex whose events are not wanted, or not any more.
const ENOUGH = Number.MAX_SAFE_INTEGER;
// Of how many, for a question has a bound, too.
const MAX_LEFT = 1000;

/** What a pull has taken so far, and what it still wants. */
export function startTaking(
  theirs: VectorClock,
  known: Record<string, number>,
  cortexes: (cortexId: string) => boolean,
) {
  const refused: Refusal[] = [];
  const left = new Set<string>();
  const asked = new Map<string, boolean>();
  let [stored, duplicates] = [0, 0];

  const isTaken = (cortexId: string): boolean => {
    if (!asked.has(cortexId)) asked.set(cortexId, answerOf(cortexes, cortexId));
    if (!asked.get(cortexId)) left.add(cortexId);
    return !left.has(cortexId);
  };
  const refuse = (cortexId: string | undefined, error: InputError | ConflictError): void => {
    if (cortexId !== undefined && left.has(cortexId)) return;
    if (cortexId !== undefined) left.add(cortexId);
    if (refused.length < MAX_CLOCK_ENTRIES) refused.push({ cortexId, error });
  };
  const total = countMissing(theirs, known, isTaken);

  return {
    isWanted: isTaken,
    wanted: () => ({ ...known, ...Object.fromEntries([...left].map((id) => [id, ENOUGH])) }),
    take({ accepted, conflicts }: Outcome, misread: readonly Misread[]): void {
      for (const { event, outcome } of accepted) {
        if (outcome === "stored") stored++;
        else duplicates++;
        known[event.cortexId] = Math.max(counterOf(known, event.cortexId), event.vclock![event.cortexId]!);
      }
      // Of a cortex what comes first; of all first what others may build on.
      const inConflict = new Set<string | undefined>(conflicts.map(({ cortexId }) => cortexId));
      for (const { cortexId, error } of misread) if (!inConflict.has(cortexId)) refuse(cortexId, error);
      for (const error of conflicts) refuse(error.cortexId, error);
    },
    /** Changes when the next page will be another one. */
    place: () => Object.values(known).reduce((sum, counter) => sum + counter, left.size),
    /** As many cortexes as a clock counts: a peer that makes up ever new ones is left. */
    isFull: () => refused.length === MAX_CLOCK_ENTRIES || left.size > MAX_LEFT,
    report: (): PullReport => ({ stored, duplicates, refused: [...refused], total }),
  };
}

function answerOf(cortexes: (cortexId: string) => boolean, cortexId: string): boolean {
  const answer: unknown = cortexes(cortexId);
  if (typeof answer === "boolean") return answer;
  const problem = `must answer with true or false, got ${shapeOf(answer)}`;
  throw new InputError("INVALID_FUNCTION", "cortexes", problem);
}

/** How many events they have of the cortexes to take that are not known here. */
function countMissing(
  theirs: VectorClock,
  known: VectorClock,
  isTaken: (cortexId: string) => boolean,
): number {
  const missing = Object.entries(theirs).filter(([id, n]) => n > counterOf(known, id) && isTaken(id));
  return missing.reduce((sum, [id, n]) => sum + n - counterOf(known, id), 0);
}
