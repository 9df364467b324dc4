import { InputError, shapeOf } from "./input-error.js";
import { clearTimeout, setImmediate, setTimeout } from "./real-time.js";

/** The longest that a timer can run; above it, it runs at once. */
export const MAX_MILLISECONDS = 2 ** 31 - 1;

/** Lets other tasks have their turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Resolves after so many milliseconds, or as soon as the signal aborts or the function is called that `begun` gets. */
export function pause(
  milliseconds: number,
  signal?: AbortSignal,
  begun?: (end: () => void) => void,
): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    begun?.(end);
    if (signal?.aborted) end();
    else signal?.addEventListener("abort", end);
  });
}

export function checkMilliseconds(
  value: unknown,
  code: "INVALID_INTERVAL" | "INVALID_DEADLINE" | "INVALID_TIMEOUT",
  field: string,
): void {
  if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > MAX_MILLISECONDS) {
    throw new InputError(code, field, `must be whole milliseconds below 2^31, got ${shapeOf(value)}`);
  }
}

export function checkSignal(signal: unknown): void {
  if (signal !== undefined && !isSignal(signal)) {
    throw new InputError("INVALID_SIGNAL", "signal", `must be an AbortSignal, got ${shapeOf(signal)}`);
  }
}

/** By what only a real one answers, which `instanceof` does not tell; and its methods may be hidden by other things. */
function isSignal(signal: unknown): boolean {
  try {
    const { addEventListener, removeEventListener } = signal as Partial<AbortSignal>;
    const canListen = [addEventListener, removeEventListener].every((method) => typeof method === "function");
    return canListen && typeof Reflect.get(AbortSignal.prototype, "aborted", signal) === "boolean";
  } catch {
    return false;
  }
}

/** The rejection of a promise that should have been a plain answer is nobody's, and would end the process. */
export function disregard(answer: unknown): void {
  try {
    (answer as Partial<PromiseLike<unknown>> | null | undefined)?.then?.(undefined, () => {});
  } catch {}
}
