import { forTrace, latest, pages, type StoredEvent } from "drizzle-event-log";
import { count, countDistinct, desc, eq } from "drizzle-orm";
import { printable, styled } from "../terminal.js";
import type { Db } from "./database.js";
import { readTree, type TreeEntry } from "./git.js";
import { type FileEvents, files, log } from "./schema.js";

/** How many events of a list are printed. */
const SHOWN = 5;
const COLOURS = { create: "green", update: "yellow", recover: "green", trash: "red" } as const;

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
    const filled = Math.floor((step / steps) * 30);
    const bar = styled("cyan", "█".repeat(filled)) + "░".repeat(30 - filled);
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
  heading(`The most changed file: ${most.changes} events, the newest first`);
  printEvents(await forTrace(db, most.traceId, { table: log, order: "desc", limit: SHOWN }));
}

export async function printLatest(db: Db): Promise<void> {
  heading("What happened last");
  printEvents(await latest(db, { table: log, limit: SHOWN }));
}

export async function printTotals(db: Db): Promise<void> {
  const actions = await db
    .select({ action: log.action, events: count() })
    .from(log)
    .groupBy(log.action)
    .orderBy(log.action);
  const [by] = await db.select({ actors: countDistinct(log.actor) }).from(log);
  const live = await db.$count(files, eq(files.trashed, false));
  const trashed = await db.$count(files, eq(files.trashed, true));
  heading("Totals");
  const all = actions.reduce((sum, { events }) => sum + events, 0);
  console.log(`  events   ${all}: ${actions.map(({ action, events }) => `${events} ${action}`).join(", ")}`);
  console.log(`  files    ${live + trashed}: ${live} in the tree, ${trashed} in the trash`);
  console.log(`  authors  ${by?.actors ?? 0}\n`);
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

function heading(text: string): void {
  console.log(`\n${styled("bold", text)}`);
}

function printEvents(events: StoredEvent<FileEvents>[]): void {
  const authors = events.map(({ actor, meta }) => printable(String(meta?.author || actor)));
  const width = Math.max(...authors.map((author) => author.length), 0);
  for (const [i, { action, timestamp, data, meta }] of events.entries()) {
    const when = timestamp.slice(0, 16).replace("T", " ");
    const commit = String(meta?.commit).slice(0, 7);
    const what = styled(COLOURS[action], action.padEnd(7));
    console.log(`  ${when}  ${commit}  ${what}  ${authors[i]!.padEnd(width)}  ${printable(data.path)}`);
  }
}
