import { ConflictError } from "./conflict.js";
import { type Event, UNMINTED } from "./event.js";
import { sameJson } from "./json.js";

/** The requests that are known, by their idempotency keys: the events that they were answered with. */
export type Requests = Map<string, Event<any>[]>;

export function addRequest(requests: Requests, event: Event<any>): void {
  if (event.idempotencyKey === undefined) return;
  const answers = requests.get(event.idempotencyKey);
  if (answers) answers.push(event);
  else requests.set(event.idempotencyKey, [event]);
}

/**
 * The event that this request was answered with before: its own cortex's, else the first that came here.
 * Undefined for a new request.
 *
 * @throws ConflictError `KEY_CONFLICT`: all events with its key say another thing.
 */
export function answerTo(requests: Requests, event: Event<any>): Event<any> | undefined {
  const answers = requests.get(event.idempotencyKey ?? "") ?? [];
  const same = answers.filter((answer) => sameRequest(answer, event));
  const answer = ofCortex(same, event.cortexId);
  const other = answer ? undefined : ofCortex(answers, event.cortexId);
  if (other) {
    const [id, existingId] = [event, other].map((one) => (one.id === UNMINTED ? undefined : one.id));
    throw new ConflictError("KEY_CONFLICT", id, event.cortexId, existingId);
  }
  return answer;
}

/** The one of this cortex, or else the first. */
function ofCortex(events: readonly Event<any>[], id: string): Event<any> | undefined {
  return events.find(({ cortexId }) => cortexId === id) ?? events[0];
}

function sameRequest(a: Event<any>, b: Event<any>): boolean {
  return a.action === b.action && a.traceId === b.traceId && a.actor === b.actor && sameJson(a.data, b.data);
}
