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
 * @throws ConflictError `KEY_CONFLICT`: that event says another thing.
 */
export function answerTo(requests: Requests, event: Event<any>): Event<any> | undefined {
  const answers = requests.get(event.idempotencyKey ?? "") ?? [];
  const answer = answers.find(({ cortexId }) => cortexId === event.cortexId) ?? answers[0];
  if (answer && !sameRequest(answer, event)) {
    const [id, existingId] = [event, answer].map((one) => (one.id === UNMINTED ? undefined : one.id));
    throw new ConflictError("KEY_CONFLICT", id, event.cortexId, existingId);
  }
  return answer;
}

function sameRequest(a: Event<any>, b: Event<any>): boolean {
  return a.action === b.action && a.traceId === b.traceId && a.actor === b.actor && sameJson(a.data, b.data);
}
