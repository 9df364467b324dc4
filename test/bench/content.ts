// The events of the benchmark: event n is the same in every process and every stack.
import { createHash } from "node:crypto";

export interface BenchEvent {
  id: string;
  action: "create" | "update";
  traceId: string;
  cortexId: string;
  origin: string;
  timestamp: string;
  data: unknown;
  vclock?: Record<string, number>;
}

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const START = Date.UTC(2026, 0, 1);
const WORDS = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor".split(" ");
const BLOCK = 10_000;
const LONG_EVERY = 10;
const SHORT_PER_BLOCK = 450;

const ALPHA = { id: "01ARZ3NDEKTSV4RRFFQ69G5FAV", name: "alpha" };
const NODES = [
  ALPHA,
  { id: "01BX5ZZKBKACTAV9WEVGEMMVS0", name: "beta" },
  { id: "01CX5ZZKBKACTAV9WEVGEMMVS1", name: "gamma" },
];

/** The node that appends through a cortex. */
export const WRITER = ALPHA;

/** The node of a peer. */
export const PEER = { id: "01DX5ZZKBKACTAV9WEVGEMMVS2", name: "delta" };

/** The event of a log that three nodes have written in turn, each knowing all before it. */
export function baseEvent(n: number): BenchEvent {
  return { ...unclocked(n, traceOf(n)), vclock: clockAfter(n) };
}

/**
 * An event for a trace picked from the whole of a log that had `size` events; `run` events in a row go to the
 * same trace. It has no clock.
 */
export function appendedEvent(n: number, size: number, run = 1): BenchEvent {
  return unclocked(n, shortTrace(hash(Math.floor(n / run), 1), size));
}

/** The same, as the writer's cortex stamps it; `nth` of its own since the base. */
export function stampedEvent(n: number, nth: number, size: number): BenchEvent {
  const vclock = clockAfter(size - 1);
  vclock[WRITER.id] = (vclock[WRITER.id] ?? 0) + nth + 1;
  return { ...appendedEvent(n, size), cortexId: WRITER.id, origin: WRITER.name, vclock };
}

export function idOf(n: number): string {
  let id = "";
  for (let time = START + n, i = 0; i < 10; i++, time = Math.floor(time / 32)) id = ALPHABET[time % 32] + id;
  for (let i = 0; i < 16; i++) id += ALPHABET[hash(n, i + 100) % 32];
  return id;
}

/** The random part of an id as the numbers in [0, 1) that make it, over and over: a cortex may stamp twice. */
export function randomnessOf(id: string): () => number {
  let i = 0;
  return () => ALPHABET.indexOf(id[10 + (i++ % 16)]!) / 32;
}

/** A trace of 20 events, spread over 1,000. */
export function shortTrace(pick: number, size: number): string {
  return traceName(pick % ((size / BLOCK) * SHORT_PER_BLOCK), 2);
}

/** A trace of 1,000 events, spread over 10,000. */
export function longTrace(pick: number, size: number): string {
  return traceName(pick % (size / BLOCK), 3);
}

/** A number from 0 to 2^32 - 1, always the same for the same arguments (the end of murmur3). */
export function hash(n: number, salt: number): number {
  let h = Math.imul(n ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(salt + 1, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** SHA-256 over the events in the order of their ids; keys in order, `seq` left out. */
export function contentHash(events: readonly BenchEvent[]): string {
  const sum = createHash("sha256");
  for (const event of [...events].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const { id, action, traceId, cortexId, origin, timestamp, data, vclock } = event;
    const row = [id, action, traceId, cortexId, origin, timestamp, data, vclock ?? null];
    sum.update(`${JSON.stringify(row, sortKeys)}\n`);
  }
  return sum.digest("hex");
}

function sortKeys(_: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function unclocked(n: number, traceId: string): BenchEvent {
  const node = NODES[n % 3]!;
  return {
    id: idOf(n),
    action: hash(n, 4) % 20 === 0 ? "create" : "update",
    traceId,
    cortexId: node.id,
    origin: node.name,
    timestamp: new Date(START + n).toISOString(),
    data: dataOf(n),
  };
}

function dataOf(n: number) {
  let body = "";
  for (let i = 0; i < 14; i++) body += `${WORDS[hash(n, i + 10) % WORDS.length]} `;
  return {
    title: `Note ${n}`,
    body,
    tags: [WORDS[n % 12], WORDS[(n + 5) % 12]],
    revision: n,
    done: n % 2 === 0,
  };
}

function traceOf(n: number): string {
  const block = Math.floor(n / BLOCK);
  const i = n % BLOCK;
  if (i % LONG_EVERY === LONG_EVERY - 1) return traceName(block, 3);
  const k = Math.floor(i / LONG_EVERY) * (LONG_EVERY - 1) + (i % LONG_EVERY);
  return traceName(block * SHORT_PER_BLOCK + Math.floor(k / 1000) * 50 + (k % 50), 2);
}

// Names without order, as UUIDs have: neighbours in time are not neighbours in the index.
function traceName(index: number, salt: number): string {
  const hex = (value: number) => value.toString(16).padStart(8, "0");
  return `note-${hex(hash(index, salt))}${hex(hash(index, salt + 50))}`;
}

function clockAfter(n: number): Record<string, number> {
  const clock: Record<string, number> = {};
  NODES.forEach(({ id }, i) => {
    if (n >= i) clock[id] = Math.floor((n - i) / 3) + 1;
  });
  return clock;
}
