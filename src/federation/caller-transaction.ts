import { checkTransaction, type Transaction } from "../database.js";
import { InputError } from "../input-error.js";
import { isPending } from "../steps.js";
import type { Later } from "./peer.js";

/** How the caller runs a transaction: with the work, and answering with its result. */
export type Transact<T> = (work: (tx: Transaction) => Later<T>) => Later<T>;

/**
 * What the work answers in a transaction of the caller's, which may run it again. That the caller answers with the
 * same tells that it was committed.
 *
 * @throws InputError `INVALID_FUNCTION`: the caller answers with something else.
 */
export async function committed<T>(
  transaction: Transact<T>,
  work: (tx: Transaction) => Later<T>,
): Promise<T> {
  let last: { result: T } | undefined;
  const keep = (result: T) => {
    last = { result };
    return result;
  };
  const answer = await transaction((tx) => {
    checkTransaction(tx);
    const result = work(tx);
    return isPending(result) ? result.then(keep) : keep(result);
  });
  if (last !== undefined && answer === last.result) return answer;
  const problem = "must run the function that it is given, and answer with its result";
  throw new InputError("INVALID_FUNCTION", "transaction", problem);
}
