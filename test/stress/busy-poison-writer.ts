// A process that meets SQLITE_BUSY once, then writes, and says what was acknowledged. It waits to be killed.
import type { Client } from "@libsql/client";
import { append, appendQuery, newULID } from "drizzle-event-log";
import { openLibsql, writeTransaction } from "drizzle-event-log/libsql";
import { argument, ready, say } from "./child.js";
import { cortexId } from "./log.js";

export interface PoisonArguments {
  url: string;
  appends: number;
  /** `autocommit`: the control, writes outside a transaction. */
  form: "transaction" | "autocommit";
}

const { url, appends, form } = argument<PoisonArguments>();
const db = await openLibsql(url);
const client = db.$client;
sayWhenBusy("transaction");
sayWhenBusy("execute");
await ready();

// Its first answer is BUSY. In a transaction it is retried; alone, it fails, and the app goes on.
await write(newULID()).catch((error) => {
  if (form === "transaction") throw error;
});
for (let i = 0; i < appends; i++) {
  const id = newULID();
  await write(id);
  say({ acknowledged: id });
}
say({ done: true });
setInterval(() => {}, 1_000);

async function write(id: string): Promise<void> {
  const event = { id, action: "update" as const, traceId: "t", cortexId: cortexId(0), origin: "writer" };
  if (form === "transaction") await writeTransaction(db, (tx) => append(tx, event));
  else await appendQuery(db, event);
}

function sayWhenBusy(method: "transaction" | "execute"): void {
  // Of all clients: `openLibsql` opens one more, which `writeTransaction` uses.
  const prototype = Object.getPrototypeOf(client) as Client;
  const call = prototype[method] as (...args: unknown[]) => Promise<unknown>;
  let said = false;
  prototype[method] = async function (this: Client, ...args: unknown[]) {
    try {
      return await call.apply(this, args);
    } catch (error) {
      if (!said && (error as { code?: string }).code === "SQLITE_BUSY") say({ busy: true });
      said = true;
      throw error;
    }
  } as never;
}
