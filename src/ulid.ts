import { decodeTime, encodeTime, incrementBase32, TIME_MAX } from "ulid";
import { InputError, shapeOf } from "./input-error.js";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LAST_RANDOM = "Z".repeat(16);
const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

export interface ULIDSource {
  /** Milliseconds since 1970, a whole number. Default `Date.now`. */
  clock?: () => number;
  /** A number in [0, 1). Default: cryptographic, drawn from a pool. */
  randomness?: () => number;
}

/**
 * A generator whose every id is greater than the one before, as text and as bytes: in one millisecond, or
 * when the clock steps back, it counts up, and a full random part carries into the time.
 * The promise holds per generator: ids of two generators are unique, not ordered.
 *
 * @throws InputError `INVALID_CLOCK`, `INVALID_RANDOMNESS`: the injected source is broken, or time ran out
 * (the year 10889). The generator is unharmed and can be called again.
 * @see https://github.com/ulid/spec
 */
export function ulidFactory({
  clock = Date.now,
  randomness = pooledRandomness,
}: ULIDSource = {}): () => string {
  let time = -1;
  let last = "";
  return () => {
    const now = clock();
    if (!Number.isSafeInteger(now) || now < 0) {
      throw new InputError("INVALID_CLOCK", "clock", `must return whole milliseconds, got ${shapeOf(now)}`);
    }
    if (now <= time && !last.endsWith(LAST_RANDOM)) {
      last = incrementBase32(last);
      return last;
    }
    const next = Math.max(now, time + 1);
    if (next > TIME_MAX)
      throw new InputError("INVALID_CLOCK", "clock", "is past the last time a ULID can hold");
    last = encodeTime(next) + randomPart(randomness);
    time = next;
    return last;
  };
}

/** A new id from the process-wide generator: see `ulidFactory`. */
export const newULID: () => string = ulidFactory();

/** Whether a value is a ULID in its one canonical form: 26 characters, upper case, at most `7ZZZ…`. */
export function isULID(value: unknown): value is string {
  return typeof value === "string" && ULID.test(value);
}

/** The milliseconds since 1970 that a ULID carries. */
export function ulidTime(id: string): number {
  return decodeTime(id);
}

function randomPart(randomness: () => number): string {
  let part = "";
  for (let i = 0; i < 16; i++) {
    const char = ALPHABET[Math.floor(randomness() * 32)];
    if (char === undefined)
      throw new InputError("INVALID_RANDOMNESS", "randomness", "must return a number in [0, 1)");
    part += char;
  }
  return part;
}

// One call for 4,096 bytes: a call per byte makes an id cost 46 µs.
const pool = new Uint8Array(4096);
let drawn = pool.length;

function pooledRandomness(): number {
  if (drawn === pool.length) {
    crypto.getRandomValues(pool);
    drawn = 0;
  }
  return pool[drawn++]! / 256;
}
