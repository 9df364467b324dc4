/** Every `code` of a `PeerError`. */
export const peerErrorCodes = [
  "HTTP_STATUS",
  "BODY_TOO_LARGE",
  "INVALID_BODY",
  "PEER_CHANGED",
  "TIMEOUT",
] as const;

export type PeerErrorCode = (typeof peerErrorCodes)[number];

/** A peer over HTTP did not answer as a log does, or not in time. Nothing was taken from the answer. */
export class PeerError extends Error {
  override readonly name = "PeerError";

  constructor(
    readonly code: PeerErrorCode,
    message: string,
    /** The HTTP status, if that is what was wrong. */
    readonly status?: number,
  ) {
    super(message);
  }
}
