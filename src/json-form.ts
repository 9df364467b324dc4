import {
  type Action,
  type Actions,
  type EncodedEvent,
  EVENT_FIELDS,
  type Event,
  type EventLimits,
  encodeComplete,
  refuseUnknownFields,
  type StoredEvent,
} from "./event.js";
import { checkedOptions, InputError, shapeOf } from "./input-error.js";
import { isPlainObject, parseJson } from "./json.js";
import { refuseLossyJson } from "./lossy-json.js";

export interface ParseOptions extends EventLimits {
  /** What becomes of a field that is not part of the form. Default `"refuse"`. */
  unknownFields?: "refuse" | "ignore";
}

const NAMES = [...EVENT_FIELDS, "proof"].map(
  (field) => [field, field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)] as const,
);
const JSON_FIELDS: ReadonlySet<string> = new Set(NAMES.map(([, name]) => name));

/**
 * Reads the JSON form of an event: `id`, `action`, `trace_id`, `cortex_id`, `origin`, `timestamp`, and `actor`, `data`,
 * `meta`, `vclock`, `idempotency_key` and `proof` where present. `data: null` is present, and stays apart from an absent
 * one. Nothing is lost: a field that is not part of the form, a key that is there twice, or a number that
 * JavaScript would round, is refused.
 *
 * @throws InputError as `append` does, and `INVALID_JSON`, `UNKNOWN_FIELD`, `DUPLICATE_KEY`, `INVALID_NUMBER`;
 * `field` is the name in `Event`.
 */
export function parseEvent<A extends Actions = Action>(json: string, options?: ParseOptions): Event<A> {
  return withProof(parseEncoded(json, options)) as unknown as Event<A>;
}

/** The same, with its JSON columns as text. */
export function parseEncoded(json: string, options?: ParseOptions): EncodedEvent {
  const { unknownFields = "refuse", ...limits } = checkedOptions(options);
  if (unknownFields !== "refuse" && unknownFields !== "ignore") {
    const problem = `must be "refuse" or "ignore", got ${shapeOf(unknownFields)}`;
    throw new InputError("INVALID_OPTIONS", "unknownFields", problem);
  }
  const raw = parseJson(json, "event");
  if (!isPlainObject(raw)) {
    throw new InputError("INVALID_EVENT", "event", `must be a JSON object, got ${shapeOf(raw)}`);
  }
  if (unknownFields === "refuse") refuseUnknownFields(raw, JSON_FIELDS, "event");
  refuseLossyJson(json);
  const input = Object.fromEntries(NAMES.map(([field, name]) => [field, raw[name]]));
  return encodeComplete(input, "", limits);
}

/** Writes the JSON form; `seq` is local and left out. Throws `InputError` as `append` does. */
export function formatEvent<A extends Actions>(
  event: Event<A> | StoredEvent<A>,
  limits?: EventLimits,
): string {
  return textOf(withProof(encodeComplete(event, "", checkedOptions(limits))));
}

/** The same for an event that a log holds: whoever takes it will look whether it is valid. */
export function textOf(event: Event<any>): string {
  return JSON.stringify(Object.fromEntries(NAMES.map(([field, name]) => [name, event[field as never]])));
}

function withProof({ event, proof }: EncodedEvent): Event<any> {
  return proof === null ? event : { ...event, proof };
}
