import assert from "node:assert/strict";
import { forTrace } from "drizzle-event-log";
import { bundleModule } from "./tools.js";

const names = ["expo-sqlite", "expo-sqlite/kv-store", "expo-crypto", "react"];
const standIn = new URL("./expo-stand-in.ts", import.meta.url).pathname;
const file = await bundleModule("expo", "log.ts", Object.fromEntries(names.map((name) => [name, standIn])));
// As Hermes has it.
Object.defineProperty(globalThis, "crypto", { value: undefined, writable: true, configurable: true });
const { db, rename } = await import(file);
const [first, second] = [rename("note", "Milk"), rename("note", "Bread")];
assert.deepEqual(forTrace(db, "note"), [first, second]);
assert.deepEqual(second.vclock, { [first.cortexId]: 2 });
