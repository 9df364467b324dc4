import { clearTimeout, setTimeout } from "../real-time.js";
import { PeerError } from "./peer-error.js";

/** The time that an exchange may take. */
export interface TimeLimit {
  /** Aborts with a PeerError `TIMEOUT` when the time is up, or with the caller's reason. */
  signal: AbortSignal;
  /** Something came: the idle time begins anew. */
  renew(): void;
  /** The exchange is over. */
  end(): void;
}

/** Starts it: `idle` milliseconds without a byte, `total` in all, or until the caller's signal aborts. */
export function limitTime(idle: number, total: number, caller?: AbortSignal): TimeLimit {
  const stop = new AbortController();
  const after = (milliseconds: number, what: string) => {
    const message = `${what} after ${milliseconds} ms.`;
    return setTimeout(() => stop.abort(new PeerError("TIMEOUT", message)), milliseconds);
  };
  const abort = () => stop.abort(caller!.reason);
  const whole = after(total, "The other side was not done");
  let next = after(idle, "The other side had sent nothing");
  if (caller?.aborted) abort();
  else caller?.addEventListener("abort", abort);
  return {
    signal: stop.signal,
    renew() {
      clearTimeout(next);
      next = after(idle, "The other side had sent nothing more");
    },
    end() {
      clearTimeout(whole);
      clearTimeout(next);
      caller?.removeEventListener("abort", abort);
    },
  };
}

/** The outcome; or the signal's reason as soon as it aborts, whether the work heeds it or not. */
export function unlessAborted<T>(outcome: PromiseLike<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    outcome.then(resolve, reject).then(() => signal.removeEventListener("abort", abort));
  });
}
