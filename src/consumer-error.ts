/** Every `code` of a `ConsumerError`. */
export const consumerErrorCodes = ["POISON"] as const;

export type ConsumerErrorCode = (typeof consumerErrorCodes)[number];

/**
 * The consumer's function has failed with this event at every try, and the consumer has stopped before it: what
 * came before is applied. `cause` is what the function threw the last time.
 */
export class ConsumerError extends Error {
  override readonly name = "ConsumerError";
  readonly code: ConsumerErrorCode = "POISON";

  constructor(
    readonly consumer: string,
    /** The event's. */
    readonly seq: number,
    readonly id: string,
    cause: unknown,
  ) {
    super(`The consumer cannot apply the event at seq ${seq}: see the cause.`, { cause });
  }
}
