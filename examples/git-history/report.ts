import { forTrace, latest, pages, type StoredEvent } from "drizzle-event-log";
import { count, desc, eq } from "drizzle-orm";
import type { Db } from "./database.js";
import { readTree, type TreeEntry } from "./git.js";
import { authors, type FileEvents, files, log } from "./schema.js";

/** A bar that redraws itself on a terminal, a line for every tenth of the way elsewhere. */
export function progressBar(): (done: number, total: number) => void {
  const steps = process.stdout.isTTY ? 100 : 10;
  let shown = 0;
  return (done, total) => {
    const step = Math.floor((done / total) * steps);
    if (step === shown) return;
    shown = step;
    const text = `${Math.floor((step / steps) * 100)}% (${done} of ${total} commits)`;
    if (!process.stdout.isTTY) return console.log(text);
    const bar = "█".repeat(Math.floor((step / steps) * 30)).padEnd(30, "░");
    process.stdout.write(`\r${bar} ${text}${done === total ? "\n" : ""}`);
  };
}

export async function printMostChanged(db: Db): Promise<void> {
  const [most] = await db
    .select({ traceId: log.traceId, changes: count() })
    .from(log)
    .groupBy(log.traceId)
    .orderBy(desc(count()), log.traceId)
    .limit(1);
  if (!most) return;
  const history = await forTrace(db, most.traceId, { table: log, order: "desc", limit: 20 });
  console.log(`\nThe most changed file: ${most.changes} events, the newest first`);
  for (const event of history) console.log(describe(event));
}

export async function printLatest(db: Db): Promise<void> {
  console.log("\nWhat happened last");
  for (const event of await latest(db, { table: log, limit: 10 })) console.log(describe(event));
}

export async function printTotals(db: Db): Promise<void> {
  const actions = await db
    .select({ action: log.action, events: count() })
    .from(log)
    .groupBy(log.action)
    .orderBy(log.action);
  const all = actions.reduce((sum, { events }) => sum + events, 0);
  const live = await db.$count(files, eq(files.trashed, false));
  const trashed = await db.$count(files, eq(files.trashed, true));
  console.log(`\n${all} events: ${actions.map(({ action, events }) => `${events} ${action}`).join(", ")}`);
  console.log(`${live + trashed} files: ${live} in the tree, ${trashed} in the trash`);
  console.log(`written by ${await db.$count(authors)} author(s)\n`);
}

/** Folds the whole log into a tree: what it has (+) and lacks (-) against the tree of the commit. */
export async function differences(db: Db, repo: string, head: string): Promise<string[]> {
  const folded = new Map<string, string>();
  for await (const page of pages(db, { table: log })) {
    for (const { action, traceId, data } of page) {
      if (action === "trash") folded.delete(traceId);
      else folded.set(traceId, line({ ...data, type: data.mode === "160000" ? "commit" : "blob" }));
    }
  }
  const missing = new Set<string>();
  for await (const entry of readTree(repo, head)) missing.add(line(entry));
  const surplus = [...folded.values()].filter((entry) => !missing.delete(entry));
  return [...surplus.map((entry) => `+ ${entry}`), ...Array.from(missing, (entry) => `- ${entry}`)];
}

/** As `git ls-tree` prints it. */
function line({ mode, type, blob, path }: TreeEntry): string {
  return `${mode} ${type} ${blob}\t${path}`;
}

function describe(event: StoredEvent<FileEvents>): string {
  const { action, origin, timestamp, data } = event;
  const state = event.action === "trash" ? "" : `${event.data.mode} ${event.data.blob.slice(0, 7)}`;
  const when = timestamp.slice(0, 16).replace("T", " ");
  const what = `${when}  ${data.commit.slice(0, 7)}  ${action.padEnd(7)}  ${state.padEnd(14)}  ${data.path}`;
  return printable(`  ${what}  (${origin})`);
}

/** Names in a repository are anyone's: none may steer the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{C}/gu, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);
}
