// Another process, with another SQLite library, that holds the file's write lock: on and off until its input ends,
// or once for as long as it is told.
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { argument, ready, say } from "./child.js";

export interface HolderArguments {
  file: string;
  /** From and to how many milliseconds it holds the lock, and leaves it. */
  hold: readonly [number, number];
  leave: readonly [number, number];
  /** It holds the lock before it says that it is ready, and only once. */
  isOnce: boolean;
}

const { file, hold, leave, isOnce } = argument<HolderArguments>();
const db = new Database(file, { timeout: 60_000 });
const between = ([from, to]: readonly [number, number]) => from + (to - from) * Math.random();

if (isOnce) db.exec("begin immediate");
await ready();
if (isOnce) {
  await sleep(between(hold));
  db.exec("commit");
  say("released");
} else {
  for (;;) {
    db.exec("begin immediate");
    await sleep(between(hold));
    db.exec("commit");
    await sleep(between(leave));
  }
}
