import type { Database } from "./database.js";

/**
 * A transaction that has the write lock before it reads, where the driver can be told so. In a Durable Object, the only
 * writer of its database, Drizzle 1.0 refuses to be told.
 */
export function immediate(db: Database, work: (tx: any) => any): unknown {
  try {
    return db.transaction(work, { behavior: "immediate" });
  } catch (error) {
    if (!/behavior is not supported/.test((error as Error | undefined)?.message ?? "")) throw error;
    return db.transaction(work);
  }
}
