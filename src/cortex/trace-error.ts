/** Every `code` of a `TraceError`. */
export const traceErrorCodes = ["STALE_HEAD", "LIFECYCLE"] as const;

export type TraceErrorCode = (typeof traceErrorCodes)[number];

/**
 * The trace is not where the caller took it to be: another event was the last to arrive (`STALE_HEAD`), or its
 * state does not allow the action (`LIFECYCLE`). `expected` and `actual` are seqs or "none", or the action and the
 * state. Nothing was written.
 */
export class TraceError extends Error {
  override readonly name = "TraceError";

  constructor(
    readonly code: TraceErrorCode,
    readonly traceId: string,
    readonly expected: string | number,
    readonly actual: string | number,
  ) {
    super(
      code === "STALE_HEAD"
        ? `The seq of the trace's last event was expected to be ${expected} and is ${actual}.`
        : `The action ${expected} is not possible on a trace whose state is ${actual}.`,
    );
  }
}
