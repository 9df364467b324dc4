import type { LocalTransaction } from "./local-transaction.js";
import type { Patience } from "./patience.js";

interface HandedOver {
  /** How long to wait, instead of the client's own deadline. */
  patience?: Patience;
  /** Called with the transaction before its function is. */
  begun?: (transaction: LocalTransaction) => void;
}

let handedOver: HandedOver = {};

/**
 * Hands over to the client what Drizzle's `transaction` has no way to pass on. It calls the client's `transaction`
 * in the same synchronous step, so nobody else's call comes between.
 */
export function withHandedOver<T>(options: HandedOver, begin: () => T): T {
  handedOver = options;
  try {
    return begin();
  } finally {
    handedOver = {};
  }
}

export function takeHandedOver(): HandedOver {
  return handedOver;
}
