import { createHash, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  createEventsTable,
  type Event,
  fold,
  formatEvent,
  forTrace,
  newULID,
  openCortex,
  pages,
} from "drizzle-event-log";
import { httpPeer, pull, salvage, serveLog } from "drizzle-event-log/federation";
import { type LibsqlDatabase, openLibsql, writeTransaction } from "drizzle-event-log/libsql";
import { checkLog, migrateEvents } from "drizzle-event-log/migrations";
import { sqliteTable, text } from "drizzle-orm/sqlite-core";

/** What can happen to a note. */
export interface NoteEvents {
  create: { text: string };
  update: { text: string };
}

export const log = createEventsTable<NoteEvents>();
export const notes = sqliteTable("notes", { id: text("id").primaryKey(), text: text("text").notNull() });

type Tx = Parameters<Parameters<LibsqlDatabase["transaction"]>[0]>[0];
export type Node = Awaited<ReturnType<typeof openNode>>;

/** A cortex with a log and a table of notes in a libsql file of its own. An app makes the id once and keeps it. */
export async function openNode(name: string, file: string, id = newULID()) {
  const db = await openLibsql(`file:${file}`);
  await migrateEvents(db, { table: log });
  const { ok, problems } = await checkLog(db, { table: log });
  if (!ok) throw new Error(`the log is not as it should be: ${JSON.stringify(problems)}`);
  await db.run("create table if not exists notes (id text primary key, text text not null)");
  const cortex = openCortex({ id, origin: name, table: log });
  return { name, db, cortex };
}

/** The change and its event, in one transaction. */
export function write({ db, cortex }: Node, note: string, text: string) {
  return writeTransaction(db, async (tx) => {
    const isNew = (await forTrace(tx, note, { table: log, limit: 1 })).length === 0;
    await cortex.append(tx, { action: isNew ? "create" : "update", traceId: note, data: { text } });
    await setNote(tx, note);
  });
}

/** All that a peer has and this log lacks; each page of events in one transaction with the notes it changes. */
export function pullFrom({ db }: Node, url: string, token: string) {
  const peer = httpPeer(url, { headers: { authorization: `Bearer ${token}` } });
  return pull(db, peer, {
    table: log,
    transaction: (accept) =>
      writeTransaction(db, async (tx) => {
        const accepted = await accept(tx);
        for (const note of new Set(accepted.map(({ event }) => event.traceId))) await setNote(tx, note);
        return accepted;
      }),
  });
}

/** What only the old log has, appended to the new one by its cortex, and the notes as that leaves them. */
export function mend(old: Node, { db, cortex }: Node) {
  return salvage(old.db, db, cortex, {
    table: log,
    transaction: (append) =>
      writeTransaction(db, async (tx) => {
        const report = await append(tx);
        for await (const page of pages(tx, { table: log, cortexId: cortex.id })) {
          for (const { traceId } of page) await setNote(tx, traceId);
        }
        return report;
      }),
  });
}

/** Sets a note to what its history leads to. While that has two ends, it is the later of them. */
async function setNote(tx: Tx, id: string): Promise<void> {
  const setText = (_: string, { data }: Event<NoteEvents>) => data.text;
  const history = await forTrace(tx, id, { table: log });
  const text = fold<string, NoteEvents>(history, { create: setText, update: setText }, "");
  await tx.insert(notes).values({ id, text }).onConflictDoUpdate({ target: notes.id, set: { text } });
}

/** How many events a log has, and a hash over them that is the same for the same events. */
export async function summary({ db }: Node) {
  const lines: string[] = [];
  for await (const page of pages(db, { table: log })) lines.push(...page.map((event) => formatEvent(event)));
  const hash = createHash("sha256").update(lines.sort().join("\n")).digest("hex");
  return {
    count: lines.length,
    hash,
    notes: JSON.stringify(await db.select().from(notes).orderBy(notes.id)),
  };
}

/** Serves a node's log on this machine, to whoever has the token. */
export async function serve({ db, cortex }: Node, token: string) {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const answer = serveLog(db, {
    cortexId: cortex.id,
    table: log,
    authorize: ({ headers }) =>
      timingSafeEqual(digest(headers.get("authorization") ?? ""), digest(`Bearer ${token}`)),
  });
  // Hono, Next, Bun and Workers take `answer` as it is; node:http needs this.
  const server = createServer(async (incoming, outgoing) => {
    try {
      const { method = "GET", url = "/", headers } = incoming;
      const body = method === "POST" ? { body: incoming, duplex: "half" } : {};
      const init = { method, headers, ...body } as unknown as RequestInit;
      const response = await answer(new Request(new URL(url, "http://localhost"), init));
      outgoing.writeHead(response.status, Object.fromEntries(response.headers));
      outgoing.end(await response.text());
    } catch (error) {
      console.error(error);
      outgoing.writeHead(500).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}
