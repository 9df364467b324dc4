import { decodeTime, encodeTime, TIME_MAX } from "ulid";
import { checkedOptions, checkFunction, InputError, shapeOf } from "./input-error.js";
import { disregard } from "./wait.js";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
export const LAST_RANDOM = "Z".repeat(16);
const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

export interface ULIDSource {
  /** Milliseconds since 1970, a whole number. Default `Date.now`. */
  now?: () => number;
  /** A number in [0, 1). Default: cryptographic, drawn from a pool. */
  randomness?: () => number;
}

/**
 * A generator whose every id is greater than the one before, as text and as bytes. In one millisecond, or when the
 * clock steps back, it counts up; a full random part carries into the time.
 * The promise holds per generator: ids of two generators are unique, not ordered.
 *
 * @throws InputError `INVALID_NOW`, `INVALID_RANDOMNESS`: the injected source is broken, or time ran out
 * (the year 10889). The generator is unharmed and can be called again.
 * @see https://github.com/ulid/spec
 */
export function ulidFactory(source?: ULIDSource): () => string {
  const { now, randomness } = checkedSource(checkedOptions(source));
  let last = "";
  return () => {
    last = ulidAfter(last, now(), randomness);
    return last;
  };
}

/** The source with its defaults. */
export function checkedSource({
  // Looked up in each call: a test may fake the date later.
  now = () => Date.now(),
  randomness = pooledRandomness,
}: ULIDSource): Required<ULIDSource> {
  checkFunction(now, "INVALID_NOW", "now");
  checkFunction(randomness, "INVALID_RANDOMNESS", "randomness");
  return { now, randomness };
}

/** An id of the time `now` if that is greater than `last`, else the next id after `last` ("" for none). */
function ulidAfter(last: string, now: number, randomness: () => number): string {
  const time = timePart(now);
  if (time > last) return time + randomDigits(randomness, ALPHABET, 16);
  if (!last.endsWith(LAST_RANDOM)) return countUp(last);
  return ulidAfter("", ulidTime(last) + 1, randomness);
}

/** A new id from the process-wide generator: see `ulidFactory`. */
export const newULID: () => string = ulidFactory();

/** Whether a value is a ULID in its one canonical form: 26 characters, upper case, at most `7ZZZ…`. */
export function isULID(value: unknown): value is string {
  return typeof value === "string" && ULID.test(value);
}

/** The milliseconds since 1970 that a ULID carries. Throws InputError `INVALID_ID` for any other text. */
export function ulidTime(id: string): number {
  if (!isULID(id)) throw new InputError("INVALID_ID", "id", `must be a ULID, got ${shapeOf(id)}`);
  return decodeTime(id);
}

/**
 * As `ulidAfter`, in a log that several cortexes write to. To count up from `last` it takes a random step of up to
 * 2^60: others may count up from that very id at the same time.
 */
export function ulidBeyond(last: string, now: number, randomness: () => number): string {
  if (timePart(now) > last) return ulidAfter(last, now, randomness);
  const next = countUp(last, randomDigits(randomness, ALPHABET, 12));
  if (isULID(next) && next > last) return next;
  throw new InputError("INVALID_NOW", "now", "leaves no id that is greater than the last one in the log");
}

/** The next id, or one further by `step`, digits for the end of it. After the last one comes the first. */
function countUp(id: string, step = ""): string {
  let carry = 1;
  let next = "";
  let place = id.length - 1;
  for (let left = step.length; place >= 0 && (carry > 0 || left > 0); place--) {
    const sum = ALPHABET.indexOf(id[place]!) + (left > 0 ? ALPHABET.indexOf(step[--left]!) : 0) + carry;
    next = ALPHABET[sum % 32] + next;
    carry = sum >= 32 ? 1 : 0;
  }
  return id.slice(0, place + 1) + next;
}

export function checkedTime(now: number): number {
  if (Number.isSafeInteger(now) && now >= 0 && now <= TIME_MAX) return now;
  disregard(now);
  throw new InputError(
    "INVALID_NOW",
    "now",
    `must return whole milliseconds below 2^48, got ${shapeOf(now)}`,
  );
}

export function timePart(now: number): string {
  return encodeTime(checkedTime(now));
}

/** So many random digits, each with the same chance. */
export function randomDigits(randomness: () => number, digits: string, count: number): string {
  let text = "";
  for (let i = 0; i < count; i++) text += digits[randomDigit(randomness, digits.length)];
  return text;
}

function randomDigit(randomness: () => number, base: number): number {
  const number = randomness();
  if (typeof number === "number" && number >= 0 && number < 1) return Math.floor(number * base);
  disregard(number);
  throw new InputError("INVALID_RANDOMNESS", "randomness", "must return a number in [0, 1)");
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
