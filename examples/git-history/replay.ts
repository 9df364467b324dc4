import { type Cortex, type Mutation, newULID, openCortex } from "drizzle-event-log";
import { writeTransaction } from "drizzle-event-log/libsql";
import { eq, inArray, sql } from "drizzle-orm";
import type { Db, Tx } from "./database.js";
import { type Change, type Commit, countCommits, isOnFirstParents, readCommits, readTree } from "./git.js";
import { type FileEvents, files, log, progress } from "./schema.js";

type File = typeof files.$inferSelect;

/** Another run has brought the log further than this one left it. */
export class Overtaken extends Error {
  override name = "Overtaken";
}

interface Writer {
  cortex: Cortex<FileEvents>;
  /** The time of the commit that is replayed, which its events bear. */
  time: number;
}

/** Brings `files` and the log from the commit they stand at to `head`, one transaction per commit. */
export async function replay(
  db: Db,
  repo: string,
  head: string,
  show: (done: number, total: number) => void,
): Promise<void> {
  const writer = await openWriter(db);
  let last = await lastCommit(db);
  if (last === head) return;
  if (last !== null && !(await isOnFirstParents(repo, last, head))) {
    // History was rewritten, or another branch is checked out. The log only grows, so it goes on from the
    // tree it has: the difference is one more step, by the author of HEAD.
    for await (const commit of readCommits(repo, "-1", head)) {
      await applyCommit(db, writer, last, { ...commit, changes: await changesTo(db, repo, head) });
      show(1, 1);
    }
    return;
  }
  const range = last === null ? head : `${last}..${head}`;
  const total = await countCommits(repo, range);
  let done = 0;
  for await (const commit of readCommits(repo, range)) {
    await applyCommit(db, writer, last, commit);
    last = commit.sha;
    show(++done, total);
  }
}

/** This database is one cortex: whoever made a commit is the actor of its events. */
async function openWriter(db: Db): Promise<Writer> {
  await writeTransaction(db, (tx) =>
    tx.insert(progress).values({ id: 1, cortexId: newULID() }).onConflictDoNothing(),
  );
  const [kept] = await db.select().from(progress);
  const id = kept!.cortexId;
  const now = () => writer.time;
  const cortex = openCortex({ id, origin: "git history", now, table: log, lifecycle: true });
  const writer: Writer = { cortex, time: 0 };
  return writer;
}

/** The app's rows, their events and the place to go on from: all three or none, wherever the process dies. */
function applyCommit(db: Db, writer: Writer, last: string | null, commit: Commit): Promise<void> {
  return writeTransaction(db, async (tx) => {
    if ((await lastCommit(tx)) !== last) throw new Overtaken();
    const by = { actor: actorOf(commit), meta: { commit: commit.sha, author: commit.name } };
    const mutations: Mutation<FileEvents>[] = [];
    const rows: File[] = [];
    const known = await filesAt(tx, commit.changes);
    for (const { path, mode, blob } of commit.changes) {
      const file = known.get(path);
      const traceId = file?.id ?? newULID();
      if (mode !== null) {
        const action = file === undefined ? "create" : file.trashed ? "recover" : "update";
        mutations.push({ ...by, action, traceId, data: { path, mode, blob } });
        rows.push({ id: traceId, path, mode, blob, trashed: false });
      } else if (file) {
        mutations.push({ ...by, action: "trash", traceId, data: { path } });
        rows.push({ ...file, trashed: true });
      }
    }
    writer.time = milliseconds(commit);
    await writer.cortex.append(tx, mutations);
    for (const some of chunks(rows)) await tx.insert(files).values(some).onConflictDoUpdate(OVERWRITE_FILE);
    await tx.update(progress).set({ commit: commit.sha });
  });
}

const OVERWRITE_FILE = {
  target: files.id,
  set: { mode: sql`excluded.mode`, blob: sql`excluded.blob`, trashed: sql`excluded.trashed` },
};

async function lastCommit(db: Db | Tx): Promise<string | null> {
  const [row] = await db.select().from(progress);
  return row?.commit ?? null;
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

/** The email, as it is the same where a name was written in two ways. */
function actorOf({ name, email }: Commit): string {
  return (email || name || "unknown").slice(0, 255).toWellFormed();
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
function milliseconds({ seconds }: Commit): number {
  return Math.min(Math.max(seconds || 0, 0) * 1000, Date.parse("9999-12-31T23:59:59Z"));
}

/** SQLite takes at most 32,766 parameters in a statement. */
function* chunks<T>(all: T[], size = 1000): Generator<T[]> {
  for (let i = 0; i < all.length; i += size) yield all.slice(i, i + size);
}
