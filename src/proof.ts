import type { Event } from "./event.js";
import { canonicalJson, jsonOfText } from "./json.js";
import { sha256 } from "./sha256.js";
import { randomDigits } from "./ulid.js";
import type { VectorClock } from "./vector-clock.js";

/** The parts of a proof: see docs/proof.md. */
interface Proof {
  hash: string;
  salt: string;
  signature?: string;
}

/** The hash of what comes before a cortex's first event. */
export const NO_HASH = "";

export function parseProof(proof: string): Proof {
  const [hash, salt, signature] = [hashOf(proof), proof.slice(65, 97), proof.slice(98)];
  return signature === "" ? { hash, salt } : { hash, salt, signature };
}

/** The hash in the proof. */
export function hashOf(proof: string): string {
  return proof.slice(0, 64);
}

/**
 * Stands for an event's payload in its hash, so that the chain can still be followed where the payload is gone. The
 * salt keeps anybody from guessing a short payload by its digest.
 */
export function payloadDigest({ data, meta }: Pick<Event<any>, "data" | "meta">, salt: string): string {
  return sha256(canonicalJson({ data, meta, salt }));
}

/**
 * The hash of an event: over all that it says, its payload by its digest, and the hash of the event before it of
 * the same cortex, "" for none. So equal hashes mean equal histories. A hash chain as in Haber and Stornetta, "How
 * to Time-Stamp a Digital Document" (1991).
 */
export function eventHash(event: Event<any>, payload: string, previous: string): string {
  const { id, action, traceId, cortexId, origin, actor, timestamp, idempotencyKey, vclock } = event;
  // The canonical form, put together by hand in half the time. What is not written by `jsonOfText` has nothing to escape.
  return sha256(
    `{"action":"${action}",${optional("actor", actor)}"cortex_id":"${cortexId}","id":"${id}",` +
      `${optional("idempotency_key", idempotencyKey)}"origin":${jsonOfText(origin)},"payload":"${payload}",` +
      `"previous":"${previous}","timestamp":"${timestamp}","trace_id":${jsonOfText(traceId)},` +
      `"vclock":${clockText(vclock!)},"version":1}`,
  );
}

const optional = (key: string, text: string | undefined) =>
  text === undefined ? "" : `"${key}":${jsonOfText(text)},`;

function clockText(clock: VectorClock): string {
  let text = "";
  let last = "";
  for (const key in clock) {
    if (key < last) return canonicalJson(clock);
    text += `${text && ","}"${key}":${clock[key]}`;
    last = key;
  }
  return `{${text}}`;
}

/** The proof of an event that comes after the one with the hash `previous`. */
export function prove(
  event: Event<any>,
  previous: string,
  randomness: () => number,
  sign?: (hash: string) => string,
): string {
  const salt = randomDigits(randomness, "0123456789abcdef", 32);
  const hash = eventHash(event, payloadDigest(event, salt), previous);
  return sign ? `${hash}.${salt}.${sign(hash)}` : `${hash}.${salt}`;
}

/** Whether the event is as its proof says, and comes after the one with the hash `previous`. */
export function isProven(event: Event<any>, proof: string, previous: string): boolean {
  const { hash, salt } = parseProof(proof);
  return eventHash(event, payloadDigest(event, salt), previous) === hash;
}
