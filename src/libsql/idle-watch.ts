import { monotonicNow, setTimeout } from "../real-time.js";
import { LibsqlFileError } from "./libsql-file-error.js";
import type { LocalTransaction } from "./local-transaction.js";

/** Rolls back what has begun to write and then runs no statement for too long. */
export class IdleWatch {
  #limit: number | false;
  #transactions: ReadonlySet<LocalTransaction>;
  /** One for all: transactions come and go more often than one is forgotten. */
  #timer: NodeJS.Timeout | undefined;

  constructor(limit: number | false, transactions: ReadonlySet<LocalTransaction>) {
    this.#limit = limit;
    this.#transactions = transactions;
  }

  /** Called when one begins. */
  start(after = this.#limit): void {
    if (after === false || this.#timer) return;
    this.#timer = setTimeout(() => this.#look(), after).unref();
  }

  #look(): void {
    this.#timer = undefined;
    const end = monotonicNow() - Number(this.#limit);
    for (const transaction of this.#transactions) {
      if (!transaction.isWrite) continue;
      const left = transaction.lastUsed - end;
      if (left <= 0) transaction.end(new LibsqlFileError("TRANSACTION_EXPIRED"));
      else this.start(left);
    }
  }
}
