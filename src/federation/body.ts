import { InputError } from "../input-error.js";

/** The header by which a log says whose it is. */
export const CORTEX_HEADER = "event-log-cortex";

/** The text of a body, or undefined as soon as it is longer than `maxBytes`. Throws InputError unless it is UTF-8. */
export async function readBody(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
): Promise<string | undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const decode = (chunk?: Uint8Array): string => {
    try {
      return decoder.decode(chunk, { stream: chunk !== undefined });
    } catch {
      throw new InputError("INVALID_JSON", "body", "is not UTF-8");
    }
  };
  let bytes = 0;
  let text = "";
  // Leaving the loop early cancels the stream.
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) return undefined;
    text += decode(chunk);
  }
  return text + decode();
}
