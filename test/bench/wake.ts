// npm run bench:wake [-- <commits>]: how soon a follower has an event, from the commit's answer to the page: of commits of its
// own process, and of another's. All followers of a table see the same commits; the last asks every second, as tail once did.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { append, pages, tail } from "drizzle-event-log";
import { type LibsqlDatabase, openLibsql, writeTransaction } from "drizzle-event-log/libsql";
import { migrateEvents } from "drizzle-event-log/migrations";
import { quantile } from "./statistics.js";

/** The time by a clock that two processes share, in milliseconds. */
const now = () => performance.timeOrigin + performance.now();

type Committed = Map<number, number>;
type Follow = (db: LibsqlDatabase, seen: (seq: number) => void, signal: AbortSignal) => Promise<void>;

const tailing =
  (interval?: number): Follow =>
  async (db, seen, signal) => {
    for await (const page of tail(db, { signal, ...(interval && { interval }) }))
      for (const { seq } of page) seen(seq);
  };

const asking: Follow = async (db, seen, signal) => {
  for (let after = 0; !signal.aborted; await sleep(1000, undefined, { signal }).catch(() => {})) {
    for await (const page of pages(db, { after })) {
      for (const { seq } of page) seen(seq);
      after = page.at(-1)!.seq;
    }
  }
};

const FOLLOWERS: Record<string, Follow> = {
  tail: tailing(),
  "tail, interval 10": tailing(10),
  "asking every second": asking,
};

const [role = "100", file = ""] = process.argv.slice(2);
if (role === "writer") await write(await openLibsql(`file:${file}`), Number(process.argv[4]), console.log);
else await main(Number(role));

/** Commits an event now and then, and tells its seq and when it was answered. */
async function write(db: LibsqlDatabase, commits: number, tell: (line: string) => void): Promise<void> {
  const event = { action: "update" as const, traceId: "trace", cortexId: "01ARZ3NDEKTSV4RRFFQ69G5FAV" };
  for (let n = 0; n < commits; n++) {
    await sleep(20 + Math.random() * 100);
    const { seq } = await writeTransaction(db, (tx) => append(tx, { ...event, origin: "bench" }));
    tell(`${seq} ${now()}`);
  }
}

async function main(commits: number): Promise<void> {
  console.log(`| ${commits} commits | follower | p50 | p99 |\n| --- | --- | --- | --- |`);
  await measure("of its own process", async (db, _file, tell) => write(db, commits, tell));
  await measure("of another process", async (_db, file, tell) => {
    const script = fileURLToPath(import.meta.url);
    const args = ["--import", "tsx", script, "writer", file, String(commits)];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of createInterface({ input: child.stdout })) tell(line);
  });
}

async function measure(
  where: string,
  run: (db: LibsqlDatabase, file: string, tell: (line: string) => void) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "event-log-wake-"));
  const file = join(directory, "wake.db");
  const db = await openLibsql(`file:${file}`);
  await migrateEvents(db);
  const stop = new AbortController();
  const committed: Committed = new Map();
  const followers = Object.entries(FOLLOWERS).map(([name, follow]) => {
    const seen: Committed = new Map();
    return { name, seen, end: follow(db, (seq) => seen.set(seq, now()), stop.signal) };
  });
  await run(db, file, (line) => {
    const [seq, time] = line.split(" ").map(Number);
    committed.set(seq!, time!);
  });
  while (followers.some(({ seen }) => seen.size < committed.size)) await sleep(10);
  stop.abort();
  for (const { name, seen, end } of followers) {
    await end;
    // A page may be there before the committer has gone on.
    const waits = Array.from(committed, ([seq, time]) => Math.max(0, seen.get(seq)! - time));
    const at = (part: number) => `${quantile(waits, part).toFixed(1)} ms`;
    console.log(`| ${where} | ${name} | ${at(0.5)} | ${at(0.99)} |`);
  }
  db.$client.close();
  rmSync(directory, { recursive: true, force: true });
}
