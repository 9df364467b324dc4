// A process that writes to a libSQL server which is killed meanwhile, and makes every write again until it is
// acknowledged.
import { openCortex, type StoredEvent } from "drizzle-event-log";
import { openLibsql, writeTransaction } from "drizzle-event-log/libsql";
import { argument, ready, say } from "./child.js";

export interface ServerWriterArguments {
  url: string;
  cortexId: string;
  /** What its events are called. */
  name: string;
  events: number;
  /** Whether a retry carries the idempotency key of the first try. */
  keyed: boolean;
}

/** Whatever a write that was cut off says, it may have been committed or not. */
export type ServerLine =
  | { committing: true }
  | { acknowledged: string; seq: number }
  | { done: true; retries: number };

const { url, cortexId, name, events, keyed } = argument<ServerWriterArguments>();
const cortex = openCortex({ id: cortexId, origin: name });
let db = await openLibsql(url);
let retries = 0;
await ready();

for (let n = 0; n < events; n++) {
  const key = `${name}-${n}`;
  const { seq } = await untilAcknowledged(key);
  say({ acknowledged: key, seq });
}
say({ done: true, retries });
db.$client.close();

async function untilAcknowledged(key: string): Promise<StoredEvent> {
  for (;;) {
    try {
      return await write(key);
    } catch {
      retries++;
      await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 80));
      // A connection by WebSocket does not come back by itself.
      db.$client.close();
      db = await openLibsql(url);
    }
  }
}

/** Bounded: the answer of a server that is gone may never come. */
function write(key: string): Promise<StoredEvent> {
  const event = {
    action: "update",
    traceId: key,
    data: { key },
    ...(keyed && { idempotencyKey: key }),
  } as const;
  const written = writeTransaction(db, async (tx) => {
    const stored = await cortex.append(tx, event);
    say({ committing: true });
    return stored;
  });
  return Promise.race([
    written,
    new Promise<never>((_, reject) => {
      const timer = setTimeout(() => reject(new Error("no answer")), 5_000);
      written.then(
        () => clearTimeout(timer),
        () => clearTimeout(timer),
      );
    }),
  ]);
}
