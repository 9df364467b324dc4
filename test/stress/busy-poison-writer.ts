// A process that meets SQLITE_BUSY once, then writes, and says what was acknowledged. It waits to be killed.
import { setTimeout as sleep } from "node:timers/promises";
import { append, appendQuery, newULID } from "drizzle-event-log";
import { writeTransaction } from "drizzle-event-log/libsql";
import { argument, ready, say } from "./child.js";
import { cortexId } from "./log.js";
import { openAs } from "./marks.js";

export interface PoisonArguments {
  url: string;
  appends: number;
  /** `plain`: the control, writes outside a transaction by @libsql/client. */
  form: "transaction" | "autocommit" | "plain";
}

const { url, appends, form } = argument<PoisonArguments>();
const db = await openAs(form === "plain" ? "plain" : "own", url);
await ready();

// While another holds the lock: it is attempted at once. By @libsql/client it fails, and the app goes on.
const first = write(newULID()).catch((error) => {
  if (form !== "plain") throw error;
});
if (form === "plain") await first;
say({ busy: true });
await first;
for (let i = 0; i < appends; i++) {
  const id = newULID();
  // The lock may not be free yet; the app tries again.
  while (form === "plain" && !(await isWritten(id))) await sleep(1);
  if (form !== "plain") await write(id);
  say({ acknowledged: id });
}
say({ done: true });
setInterval(() => {}, 1_000);

function isWritten(id: string): Promise<boolean> {
  return write(id).then(
    () => true,
    () => false,
  );
}

async function write(id: string): Promise<void> {
  const event = { id, action: "update" as const, traceId: "t", cortexId: cortexId(0), origin: "writer" };
  if (form === "transaction") await writeTransaction(db, (tx) => append(tx, event));
  else await appendQuery(db, event);
}
