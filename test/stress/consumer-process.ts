// A process that applies the events of a log to a table of the app's, until it is killed.
import { consume, type StoredEvent, tail } from "drizzle-event-log";
import { type LibsqlTransaction, openLibsql, writeTransaction } from "drizzle-event-log/libsql";
import { sql } from "drizzle-orm";
import { argument, ready } from "./child.js";
import { applied, cursors } from "./consumer-tables.js";

export interface ConsumerArguments {
  url: string;
  limit: number;
  /** `copied`: the cursor is read outside the transaction, and moved without a look at what it was. */
  form: "consume" | "copied";
}

const { url, limit, form } = argument<ConsumerArguments>();
const db = await openLibsql({ url, deadline: 120_000 });
await ready();
await (form === "consume" ? consume(db, "stress", apply, { limit }) : copied());

async function apply(tx: LibsqlTransaction, events: readonly StoredEvent[]): Promise<void> {
  for (const { seq } of events) await tx.insert(applied).values({ seq });
}

async function copied(): Promise<void> {
  const [cursor] = await db.select().from(cursors);
  for await (const page of tail(db, { after: cursor?.seq ?? 0, limit })) {
    await writeTransaction(db, async (tx) => {
      await apply(tx, page);
      const row = { name: "stress", seq: page.at(-1)!.seq };
      await tx
        .insert(cursors)
        .values(row)
        .onConflictDoUpdate({ target: cursors.name, set: { seq: sql`max(seq, excluded.seq)` } });
    });
  }
}
