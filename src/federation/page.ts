import type { EncodedEvent, EventLimits } from "../event.js";
import { entriesOf, InputError, isArray, shapeOf } from "../input-error.js";
import { parseEncoded } from "../json-form.js";
import { isULID } from "../ulid.js";
import { nextTurn } from "../wait.js";
import { checkedForeign, encodeForeign } from "./accept.js";

/** An event that could not be read, and whose it is, if that could be. */
export interface Misread {
  cortexId: string | undefined;
  error: InputError;
}

/** Valid events in the order of the page. Of a cortex none comes after one that is not valid. */
export interface Piece {
  batch: EncodedEvent[];
  misread: Misread[];
}

// What is stored in one statement, and what is read before other tasks have a turn: both hold up the event loop.
const PIECE_CHARACTERS = 2 ** 19;
const TURN_CHARACTERS = 2 ** 17;
// What a JSON text may be longer than the bytes of the value that it stands for: \u escapes for all that is not ASCII.
const ESCAPED = 3;
// Of an event without its data.
const REST_CHARACTERS = 2 ** 18;

/** What a peer answered with when it was asked for a page, as a list. */
export function pageOf(answer: unknown): unknown[] {
  if (isArray(answer)) return entriesOf(answer, "peer", "INVALID_PEER");
  throw new InputError("INVALID_PEER", "peer", `must answer with a list of events, got ${shapeOf(answer)}`);
}

/** The events of a page that `isWanted`, in pieces that are not too long to be stored at once. */
export async function* piecesOf(
  page: readonly unknown[],
  limits: EventLimits,
  isWanted: (cortexId: string) => boolean,
): AsyncGenerator<Piece, void, undefined> {
  let piece: Piece = { batch: [], misread: [] };
  let length = 0;
  let sinceTurn = 0;
  const broken = new Set<string | undefined>();
  for (const entry of page) {
    if (sinceTurn > TURN_CHARACTERS) {
      sinceTurn = 0;
      await nextTurn();
    }
    const read = readEntry(entry, limits);
    sinceTurn += typeof entry === "string" ? entry.length : "error" in read ? 0 : lengthOf(read);
    const { cortexId } = "error" in read ? read : read.event;
    if (cortexId !== undefined && (broken.has(cortexId) || !isWanted(cortexId))) continue;
    if ("error" in read) {
      broken.add(cortexId ?? "");
      piece.misread.push(read);
      continue;
    }
    piece.batch.push(read);
    length += lengthOf(read);
    if (length > PIECE_CHARACTERS) {
      yield piece;
      [piece, length] = [{ batch: [], misread: [] }, 0];
    }
  }
  yield piece;
}

// Payloads count twice: they are hashed in a canonical form, too.
const lengthOf = ({ data, meta, vclock }: EncodedEvent) =>
  2 * ((data?.length ?? 0) + (meta?.length ?? 0)) + (vclock?.length ?? 0);

function readEntry(entry: unknown, limits: EventLimits): EncodedEvent | Misread {
  try {
    if (typeof entry === "string") return checkedForeign(parseLine(entry, limits));
    return encodeForeign(entry, "", limits);
  } catch (error) {
    if (error instanceof InputError) return { cortexId: cortexOf(entry), error };
    throw error;
  }
}

/** Reads an event, but not a text that no valid event can have: to parse it alone would hold up the event loop. */
function parseLine(line: string, limits: EventLimits): EncodedEvent {
  if (isOverlong(line, limits)) {
    throw new InputError("DATA_TOO_LARGE", "event", `is longer than any event: ${shapeOf(line)}`);
  }
  return parseEncoded(line, limits);
}

const isOverlong = (line: string, { maxDataBytes = 2 ** 20 }: EventLimits) =>
  line.length > ESCAPED * maxDataBytes + REST_CHARACTERS;

function cortexOf(entry: unknown): string | undefined {
  if (typeof entry === "string" && entry.length > REST_CHARACTERS) {
    // Not parsed once more. Inside a string of the JSON its quotes would be escaped.
    return /"cortex_id" ?: ?"([0-7][0-9A-HJKMNP-TV-Z]{25})"/.exec(entry.slice(0, REST_CHARACTERS))?.[1];
  }
  try {
    const { cortexId, cortex_id = cortexId } = typeof entry === "string" ? JSON.parse(entry) : (entry as any);
    return isULID(cortex_id) ? cortex_id : undefined;
  } catch {
    return undefined;
  }
}
