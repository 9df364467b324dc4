import { isSignature } from "../field.js";
import { InputError, shapeOf } from "../input-error.js";
import { disregard } from "../wait.js";

/** The app's function, held to what it promised. */
export function signing(sign: (hash: string) => string): (hash: string) => string {
  return (hash) => {
    const signature: unknown = sign(hash);
    if (isSignature(signature)) return signature;
    disregard(signature);
    const problem = `must answer with 1 to 5,000 characters of A-Za-z0-9_-, got ${shapeOf(signature)}`;
    throw new InputError("INVALID_SIGNATURE", "sign", problem);
  };
}
