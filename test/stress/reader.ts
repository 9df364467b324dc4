// A process that follows a log in three ways, until its input ends; it says what each has seen.
import { type Cursor, feed, latest, since, tail } from "drizzle-event-log";
import { openLibsql } from "drizzle-event-log/libsql";
import { argument, say } from "./child.js";

export interface ReaderArguments {
  url: string;
}

export interface ReaderReport {
  feed: string[];
  tail: string[];
  since: string[];
}

const db = await openLibsql(argument<ReaderArguments>().url);
let stopped = false;
const input = new Promise<void>((resolve) => {
  process.stdin.on("end", () => {
    stopped = true;
    resolve();
  });
});
process.stdin.resume();
say("ready");

const report: ReaderReport = {
  ...{ feed: [], tail: [], since: [] },
};
await Promise.all([followFeed(), followTail(), followSince()]);
say(report);

async function followFeed(): Promise<void> {
  let after: Cursor | 0 = 0;
  for (;;) {
    const last = stopped;
    const page: Cursor[] = await feed(db, { after, limit: 100 });
    report.feed.push(...page.map((event) => event.id));
    after = page.at(-1) ?? after;
    if (page.length === 0 && last) return;
    await turn();
  }
}

async function followSince(): Promise<void> {
  let after = "";
  for (;;) {
    const last = stopped;
    const page = await since(db, after, 100);
    report.since.push(...page.map((event) => event.id));
    after = page.at(-1)?.id ?? after;
    if (page.length === 0 && last) return;
    await turn();
  }
}

/** Until it has come to the log's last event; one that it never comes to fails the harness by its timeout. */
async function followTail(): Promise<void> {
  const leave = new AbortController();
  let seen = 0;
  let end = Number.POSITIVE_INFINITY;
  input.then(async () => {
    end = (await latest(db, { limit: 1 }))[0]?.seq ?? 0;
    if (seen >= end) leave.abort();
  });
  for await (const page of tail(db, { interval: 1, limit: 100, signal: leave.signal })) {
    report.tail.push(...page.map((event) => event.id));
    seen = page.at(-1)!.seq;
    if (seen >= end) leave.abort();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
