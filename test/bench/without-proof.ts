// The package as it would be without the proof, so that what a proof costs can be told in one run: the compiled
// package once more, in a folder of its own, where nothing is hashed, verified, stored or checked by the table.
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compiled, root, withoutRoot } from "./setup.js";

/** In place of dist/proof.js. */
const NO_PROOF = `
export const NO_HASH = "";
export const hashOf = () => NO_HASH;
export const prove = () => null;
export const isProven = () => true;
export const parseProof = () => ({ hash: NO_HASH, salt: "" });
`;

const TABLE_CHECK = /,\s*CONSTRAINT "[^"]*_proof_check" CHECK\(.*\)(?=\n)/;

/** What asks for a proof elsewhere. */
const CHANGES: readonly (readonly [file: string, from: string | RegExp, to: string])[] = [
  ["dist/federation/accept.js", "encoded.proof === null", "false"],
  ["dist/federation/compare.js", "HASH.test(hash)", "true"],
  ["dist/federation/compare.js", `typeof hash === "string"`, "true"],
  ["dist/federation/compare.js", "hash === undefined || hash === null", "hash === undefined"],
  ["dist/federation/missing.js", "proofs: true", "proofs: false"],
  ["dist/migrations/sql.js", TABLE_CHECK, ""],
];

/** Throws if the package has changed so that it cannot be made. */
export function buildWithoutProof(): void {
  rmSync(withoutRoot, { recursive: true, force: true });
  for (const part of ["dist", "drizzle", "package.json"]) {
    cpSync(join(root, part), join(withoutRoot, part), { recursive: true });
  }
  cpSync(compiled, join(withoutRoot, "bench"), { recursive: true });
  writeFileSync(join(withoutRoot, "dist/proof.js"), NO_PROOF);
  for (const change of CHANGES) apply(...change);
  const migrations = readdirSync(join(withoutRoot, "drizzle")).filter((name) => name.endsWith(".sql"));
  const [table] = migrations.filter((name) => TABLE_CHECK.test(read(join("drizzle", name))));
  apply(join("drizzle", table!), TABLE_CHECK, "");
}

const read = (file: string) => readFileSync(join(withoutRoot, file), "utf8");

function apply(file: string, from: string | RegExp, to: string): void {
  const text = read(file);
  const changed = text.replace(from, to);
  if (changed === text) throw new Error(`${file} is not what without-proof.ts takes the proof out of`);
  writeFileSync(join(withoutRoot, file), changed);
}
