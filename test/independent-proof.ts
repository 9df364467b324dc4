// docs/proof.md in a few lines that share none with src: what tests hold the package to.
import { createHash } from "node:crypto";
import type { Event } from "drizzle-event-log";

const sha256 = (text: string): string => createHash("sha256").update(text, "utf8").digest("hex");

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical)}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${canonical(entry)}`)}}`;
}

const present = (fields: object) =>
  Object.fromEntries(Object.entries(fields).filter(([, v]) => v !== undefined));

export const payloadDigest = ({ data, meta }: Partial<Event<any>>, salt: string): string =>
  sha256(canonical(present({ salt, data, meta })));

export function eventHash(e: Event<any>, payload: string, previous: string): string {
  const named = { trace_id: e.traceId, cortex_id: e.cortexId, idempotency_key: e.idempotencyKey };
  const { id, action, origin, actor, timestamp, vclock } = e;
  const fields = { version: 1, id, action, origin, actor, timestamp, vclock, ...named, payload, previous };
  return sha256(canonical(present(fields)));
}

/** The event with a proof that comes after the hash `previous`. */
export function proven<E extends Event<any>>(event: E, previous: string, salt = "5a".repeat(16)): E {
  const hash = eventHash(event, payloadDigest(event, salt), previous);
  return { ...event, proof: `${hash}.${salt}` };
}

/** Gives an event its proof, after the one that was given here last to the event before it of its cortex. */
export function prover(): <E extends Event<any>>(event: E) => E {
  const hashes = new Map<string, string>();
  return (event) => {
    const { cortexId, vclock } = event;
    const made = proven(event, hashes.get(`${cortexId} ${vclock![cortexId]! - 1}`) ?? "");
    hashes.set(`${cortexId} ${vclock![cortexId]}`, made.proof!.slice(0, 64));
    return made;
  };
}

/** Events with a proof each, after the one before it in the list of the same cortex; those without a clock as they are. */
export function chained<E extends Event<any>>(events: readonly E[], hashes = new Map<string, string>()): E[] {
  return events.map((event) => {
    if (!event?.vclock) return event;
    const next = proven(event, hashes.get(event.cortexId) ?? "");
    hashes.set(event.cortexId, next.proof!.slice(0, 64));
    return next;
  });
}
