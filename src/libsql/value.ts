import type { InArgs, IntMode, InValue, Value } from "@libsql/client";
import type { NativeArguments, NativeValue } from "./native.js";

/** @throws TypeError, RangeError as @libsql/client does. */
export function toNative(args: InArgs, intMode: IntMode): NativeArguments {
  if (Array.isArray(args)) {
    const values = new Array<NativeValue>(args.length);
    for (let i = 0; i < args.length; i++) values[i] = valueToNative(args[i], intMode);
    return values;
  }
  const values: Record<string, NativeValue> = {};
  for (const name in args) {
    const bare = /^[@$:]/.test(name) ? name.slice(1) : name;
    values[bare] = valueToNative(args[name], intMode);
  }
  return values;
}

const LEAST = -(2n ** 63n);
const GREATEST = 2n ** 63n - 1n;

function valueToNative(value: InValue | undefined, intMode: IntMode): NativeValue {
  switch (typeof value) {
    case "string":
      return value;
    case "number":
      if (!Number.isFinite(value)) {
        throw new RangeError("Only finite numbers (not Infinity or NaN) can be passed as arguments");
      }
      return value;
    case "bigint":
      if (value < LEAST || value > GREATEST) {
        throw new RangeError(
          "bigint is too large to be represented as a 64-bit integer and passed as argument",
        );
      }
      return value;
    case "boolean":
      if (intMode === "bigint") return value ? 1n : 0n;
      if (intMode === "string") return value ? "1" : "0";
      return value ? 1 : 0;
    case "undefined":
      throw new TypeError("undefined cannot be passed as argument to the database");
  }
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  if (value instanceof Date) return value.valueOf();
  // The binding itself refuses other objects.
  return value as Uint8Array | null;
}

/** Of an integer as a bigint, a blob as a Buffer. @throws RangeError as @libsql/client does. */
export function fromNative(value: unknown, intMode: IntMode): Value {
  if (typeof value === "bigint") {
    if (intMode === "bigint") return value;
    if (intMode === "string") return `${value}`;
    const number = Number(value);
    if (!Number.isSafeInteger(number)) {
      throw new RangeError("Received integer which cannot be safely represented as a JavaScript number");
    }
    return number;
  }
  return value instanceof Buffer ? (value.buffer as ArrayBuffer) : (value as Value);
}
