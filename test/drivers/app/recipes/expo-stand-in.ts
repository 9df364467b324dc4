// In the place of expo-sqlite, its key-value store, expo-crypto and react.
import { webcrypto } from "node:crypto";
import SQLite from "better-sqlite3";
import { prepareSync } from "../drivers/stand-ins.js";

export function openDatabaseSync(_name: string) {
  const client = new SQLite(":memory:");
  return { prepareSync: (source: string) => prepareSync(client, source) };
}
export const getRandomValues = (bytes: Uint8Array) => webcrypto.getRandomValues(bytes);
export const addDatabaseChangeListener = () => {};
export const [useEffect, useState] = [() => {}, () => {}];

const kept = new Map<string, string>();
export default {
  getItemSync: (key: string) => kept.get(key) ?? null,
  setItemSync: (key: string, value: string) => void kept.set(key, value),
};
