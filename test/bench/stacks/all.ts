import { byHand, plainOnOurs } from "./by-hand.js";
import { libsqlClient } from "./client.js";
import { plainDrizzle } from "./drizzle.js";
import { emmett } from "./emmett.js";
import { ourPackage } from "./package.js";
import { betterSqlite3, rawLibsql } from "./prepared.js";
import type { Stack } from "./stack.js";

/** The package once more, with many writers at once, on a file of its own. */
const manyWriters: Stack = { ...ourPackage, name: "100 writers" };

export const stacks: readonly Stack[] = [
  rawLibsql,
  ourPackage,
  libsqlClient,
  plainDrizzle,
  betterSqlite3,
  emmett,
  manyWriters,
  byHand,
  plainOnOurs,
];
