/** Every `code` of a `TrackError`. */
export const trackErrorCodes = ["NOT_INSERTED", "NOT_IN_LOG", "NO_ROW"] as const;

export type TrackErrorCode = (typeof trackErrorCodes)[number];

/**
 * The table and the log do not allow what was asked. Nothing was written.
 * - `NOT_INSERTED`: the database took a row and kept none, or none by its key, as a trigger or a conflict clause may
 *   say.
 * - `NOT_IN_LOG`: the event to restore is not in the log.
 * - `NO_ROW`: as of the event, the log holds no row of the trace, for its `create` is not there.
 */
export class TrackError extends Error {
  override readonly name = "TrackError";

  constructor(readonly code: TrackErrorCode) {
    super(PROBLEMS[code]);
  }
}

const PROBLEMS: Record<TrackErrorCode, string> = {
  NOT_INSERTED:
    "The database kept no row of the insert by its key: a trigger or a conflict clause ignored or moved it.",
  NOT_IN_LOG: "The event is not in the log.",
  NO_ROW: "As of the event the log holds no row of the trace.",
};
