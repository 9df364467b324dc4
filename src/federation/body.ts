import { nextTurn } from "../wait.js";
import { PeerError } from "./peer-error.js";
import { type TimeLimit, unlessAborted } from "./time-limit.js";

/** The header by which a log says whose it is. */
export const CORTEX_HEADER = "event-log-cortex";

/** What is read of a body: a stream, or in place of one what some fetches of the caller's have. */
export type Body = ReadableStream<Uint8Array> | AsyncIterable<Uint8Array> | null;

// A chunk may be a whole body: it is decoded a piece at a time, for what reads it may have enough before its end.
const PIECE_BYTES = 2 ** 20;

/**
 * The text of a body, in pieces. Leaving it early cancels the body.
 *
 * @throws PeerError `BODY_TOO_LARGE`, `INVALID_BODY` (it is not UTF-8), and the limit's reason.
 */
async function* piecesOf(
  body: Body,
  maxBytes: number,
  limit: TimeLimit,
): AsyncGenerator<string, void, undefined> {
  if (!body) return;
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const decode = (piece?: Uint8Array): string => {
    try {
      return decoder.decode(piece, { stream: piece !== undefined });
    } catch {
      throw new PeerError("INVALID_BODY", "The body is not UTF-8.");
    }
  };
  const reader = readerOf(body);
  let [bytes, sinceTurn] = [0, 0];
  try {
    for (;;) {
      const { done, value } = await unlessAborted(reader.read(), limit.signal);
      if (done) break;
      limit.renew();
      bytes += value.byteLength;
      if (bytes > maxBytes) throw new PeerError("BODY_TOO_LARGE", `The body is over ${maxBytes} bytes.`);
      for (let i = 0; i < value.byteLength; i += PIECE_BYTES)
        yield decode(value.subarray(i, i + PIECE_BYTES));
      // A body that is there at once would be read in one go, and nothing else would have a turn.
      sinceTurn += value.byteLength;
      if (sinceTurn > PIECE_BYTES) {
        sinceTurn = 0;
        await nextTurn();
      }
    }
    yield decode();
  } finally {
    letGo(reader);
  }
}

// Not awaited, and of no interest: the other side may never answer to it.
const letGo = (reader: ReturnType<typeof readerOf>) => void Promise.resolve(reader.cancel()).catch(() => {});

/** Lets go of a body that is not to be read. */
export function discard(body: Body): void {
  if (body) letGo(readerOf(body));
}

function readerOf(body: NonNullable<Body>) {
  if ("getReader" in body) return body.getReader();
  const chunks = body[Symbol.asyncIterator]();
  return { read: () => chunks.next(), cancel: () => chunks.return?.() };
}

/** The whole text of a body. */
export async function readText(body: Body, maxBytes: number, limit: TimeLimit): Promise<string> {
  let text = "";
  for await (const piece of piecesOf(body, maxBytes, limit)) text += piece;
  return text;
}

/** The first lines of a body, `most` at the most, without the blank ones; the rest is not read. */
export async function readLines(
  body: Body,
  most: number,
  maxBytes: number,
  limit: TimeLimit,
): Promise<string[]> {
  const lines: string[] = [];
  let count = 0;
  let begun = "";
  for await (const piece of piecesOf(body, maxBytes, limit)) {
    let start = 0;
    for (let end = piece.indexOf("\n"); end >= 0; end = piece.indexOf("\n", start)) {
      const line = begun + piece.slice(start, end);
      [begun, start] = ["", end + 1];
      if (line !== "") lines.push(line);
      if (++count === most) return lines;
    }
    begun += piece.slice(start);
  }
  if (begun !== "") lines.push(begun);
  return lines;
}
