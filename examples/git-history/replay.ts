import { append, type NewEvent, newULID } from "drizzle-event-log";
import { writeTransaction } from "drizzle-event-log/libsql";
import { eq, inArray, sql } from "drizzle-orm";
import type { Db, Tx } from "./database.js";
import { type Change, type Commit, countCommits, isOnFirstParents, readCommits, readTree } from "./git.js";
import { authors, type FileEvents, files, log, progress } from "./schema.js";

type File = typeof files.$inferSelect;

const MAX_SECONDS = Date.parse("9999-12-31T23:59:59Z") / 1000;

/** Brings `files` and the log from the commit they stand at to `head`, one transaction per commit. */
export async function replay(
  db: Db,
  repo: string,
  head: string,
  show: (done: number, total: number) => void,
): Promise<void> {
  let last = await lastCommit(db);
  if (last === head) return;
  if (last !== undefined && !(await isOnFirstParents(repo, last, head))) {
    // History was rewritten, or another branch is checked out. The log only grows, so it goes on from the
    // tree it has: the difference is one more step, by the author of HEAD.
    for await (const commit of readCommits(repo, "-1", head)) {
      await applyCommit(db, last, { ...commit, changes: await changesTo(db, repo, head) });
      show(1, 1);
    }
    return;
  }
  const range = last === undefined ? head : `${last}..${head}`;
  const total = await countCommits(repo, range);
  let done = 0;
  for await (const commit of readCommits(repo, range)) {
    await applyCommit(db, last, commit);
    last = commit.sha;
    show(++done, total);
  }
}

/** The app's rows, their events and the place to go on from: all three or none, wherever the process dies. */
function applyCommit(db: Db, last: string | undefined, commit: Commit): Promise<void> {
  return writeTransaction(db, async (tx) => {
    if ((await lastCommit(tx)) !== last) throw new Error("Another run is replaying this repository.");
    const { sha, changes } = commit;
    const known = await filesAt(tx, changes);
    const by = {
      cortexId: await authorId(tx, commit.email),
      origin: (commit.name || commit.email || "unknown").slice(0, 255).toWellFormed(),
      timestamp: rfc3339(commit.seconds),
    };
    const events: NewEvent<FileEvents>[] = [];
    const rows: File[] = [];
    for (const { path, mode, blob } of changes) {
      const file = known.get(path);
      const traceId = file?.id ?? newULID();
      if (mode !== null) {
        const action = file === undefined ? "create" : file.trashed ? "recover" : "update";
        events.push({ action, traceId, ...by, data: { path, mode, blob, commit: sha } });
        rows.push({ id: traceId, path, mode, blob, trashed: false });
      } else if (file) {
        events.push({ action: "trash", traceId, ...by, data: { path, commit: sha } });
        rows.push({ ...file, trashed: true });
      }
    }
    await append(tx, events, { table: log });
    for (const some of chunks(rows)) await tx.insert(files).values(some).onConflictDoUpdate(OVERWRITE_FILE);
    const at = { id: 1, commit: sha };
    await tx.insert(progress).values(at).onConflictDoUpdate({ target: progress.id, set: at });
  });
}

const OVERWRITE_FILE = {
  target: files.id,
  set: { mode: sql`excluded.mode`, blob: sql`excluded.blob`, trashed: sql`excluded.trashed` },
};

async function lastCommit(db: Db | Tx): Promise<string | undefined> {
  const [row] = await db.select().from(progress);
  return row?.commit;
}

async function filesAt(tx: Tx, changes: Change[]): Promise<Map<string, File>> {
  const known = new Map<string, File>();
  for (const some of chunks(changes)) {
    const paths = some.map(({ path }) => path);
    for (const file of await tx.select().from(files).where(inArray(files.path, paths)))
      known.set(file.path, file);
  }
  return known;
}

/** The identity is the email: the name may change from commit to commit. */
async function authorId(tx: Tx, email: string): Promise<string> {
  await tx.insert(authors).values({ id: newULID(), email }).onConflictDoNothing();
  const [author] = await tx.select().from(authors).where(eq(authors.email, email));
  return author!.id;
}

/** What turns the files that the app has into the tree of a commit. */
async function changesTo(db: Db, repo: string, head: string): Promise<Change[]> {
  const changes: Change[] = [];
  const left = new Map<string, File>();
  for (const file of await db.select().from(files).where(eq(files.trashed, false))) left.set(file.path, file);
  for await (const { path, mode, blob } of readTree(repo, head)) {
    const file = left.get(path);
    if (file?.mode !== mode || file.blob !== blob) changes.push({ path, mode, blob });
    left.delete(path);
  }
  for (const path of left.keys()) changes.push({ path, mode: null, blob: null });
  return changes;
}

/** Commits may claim any date at all. */
function rfc3339(seconds: number): string {
  const real = Math.min(Math.max(seconds || 0, 0), MAX_SECONDS);
  return new Date(real * 1000).toISOString();
}

/** SQLite takes at most 32,766 parameters in a statement. */
function* chunks<T>(all: T[], size = 1000): Generator<T[]> {
  for (let i = 0; i < all.length; i += size) yield all.slice(i, i + size);
}
