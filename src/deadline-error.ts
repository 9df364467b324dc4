/** Every `code` of a `DeadlineError`. */
export const deadlineErrorCodes = ["DEADLINE"] as const;

export type DeadlineErrorCode = (typeof deadlineErrorCodes)[number];

/**
 * The write did not get its turn in time, and nothing of it was written. `cause` is the last refusal, if another
 * process held the file's lock. `behind` is true if one transaction of this process was open all that time: the
 * write may have been made inside that very transaction's function, where `tx` has to be used.
 */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
  readonly code: DeadlineErrorCode = "DEADLINE";

  constructor(
    readonly deadline: number,
    cause?: unknown,
    readonly behind = false,
  ) {
    const waited = `The write did not get its turn within ${deadline} ms`;
    const hint =
      "a transaction of this process was open all that time; inside its function use `tx`, not `db`";
    super(behind ? `${waited}: ${hint}.` : `${waited}.`, { cause });
  }
}
