import { sha256 as noble } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";

/** What is used of Node's module, and of those that are made after it. */
interface NodeCrypto {
  /** Node 20.12, Bun, Deno and Workers have it. */
  hash?(algorithm: "sha256", text: string, encoding: "hex"): string;
}

interface Process {
  getBuiltinModule?(name: "node:crypto"): NodeCrypto | undefined;
}

/** For browsers, Hermes, and Workers without Node's modules: Web Crypto's digest is asynchronous. */
export function portableSHA256(text: string): string {
  return bytesToHex(noble(new TextEncoder().encode(text)));
}

// Asked for, not imported: an import of Node's cannot be bundled for the others.
const node = (globalThis as { process?: Process }).process?.getBuiltinModule?.("node:crypto");

/** The SHA-256 of a text's UTF-8, as 64 lower-case hex digits. */
export const sha256: (text: string) => string = node?.hash
  ? (text) => node.hash!("sha256", text, "hex")
  : portableSHA256;
