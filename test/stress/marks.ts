// The ways in which an app writes to a file: each write leaves two parts, or none.
import { createClient } from "@libsql/client";
import { append } from "drizzle-event-log";
import { openLibsql, writeTogether, writeTransaction } from "drizzle-event-log/libsql";
import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/libsql";
import { integer, sqliteTable } from "drizzle-orm/sqlite-core";
import { cortexId, createLog, type Log, type Tx } from "./log.js";

export const marks = sqliteTable("marks", { n: integer("n").notNull(), part: integer("part").notNull() });

/** `plain`: @libsql/client's, as Drizzle opens it. */
export type ClientKind = "own" | "plain";

/** What any client of Drizzle's can do. */
export const PLAIN_FORMS = ["run", "batch", "transaction", "event"] as const;
export const FORMS = [...PLAIN_FORMS, "writeTransaction", "writeTogether"] as const;
/** Those that take back what they wrote, or never come to write. */
export const REFUSED_FORMS = ["thrown", "constraint", "late", "thrownTogether"] as const;
export type Form = (typeof FORMS)[number] | (typeof REFUSED_FORMS)[number];

const WITHDRAWN = new Error("the app withdraws");

export async function createMarks(url: string): Promise<Log> {
  const db = await createLog(url);
  await db.run(sql`create table marks (n integer not null, part integer not null)`);
  return db;
}

/** The deadline leaves room for a slow machine. */
export async function openAs(kind: ClientKind, url: string): Promise<Log> {
  return kind === "own"
    ? openLibsql({ url, deadline: 60_000 })
    : (drizzle({ client: createClient({ url }) }) as Log);
}

export async function mark(db: Log, n: number, form: Form): Promise<void> {
  const part = (on: Log | Tx, i: number) => on.insert(marks).values({ n, part: i });
  const event = { action: "update" as const, traceId: `n-${n}`, cortexId: cortexId(0), origin: "writer" };
  const both = async (tx: Tx) => {
    await part(tx, 1);
    await append(tx, event);
  };
  const withdrawn = async (tx: Tx) => {
    await both(tx);
    throw WITHDRAWN;
  };
  switch (form) {
    case "run":
      return void (await db.run(sql`insert into marks (n, part) values (${n}, 1), (${n}, 2)`));
    case "batch":
      return void (await db.batch([part(db, 1), part(db, 2)]));
    case "transaction":
      return db.transaction(async (tx) => {
        await part(tx, 1);
        await new Promise(setImmediate);
        await part(tx, 2);
      });
    case "event":
      return db.transaction(both);
    case "writeTransaction":
      return writeTransaction(db, both, { deadline: 60_000 });
    case "writeTogether":
      return writeTogether(db, both);
    case "thrown":
      return db.transaction(withdrawn);
    case "constraint":
      return void (await db.batch([part(db, 1), db.insert(marks).values({ n, part: sql`null` })]));
    case "late":
      // Either it comes at once to its turn, and withdraws, or its turn comes too late.
      return writeTransaction(db, withdrawn, { deadline: 1 });
    case "thrownTogether":
      return writeTogether(db, withdrawn);
  }
}

/** How many parts there are of each write. */
export async function partsOf(db: Log): Promise<Map<number, number>> {
  const rows = await db.values<[number, number]>(
    sql`select n, count(*) from (
      select n from marks union all select cast(substr(trace_id, 3) as integer) from events
    ) group by n`,
  );
  return new Map(rows.map((row) => [row[0], row[1]]));
}
