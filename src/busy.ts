// Each driver has its own way to say it: a code, or no more than SQLite's words.
const BUSY = /^SQLITE_BUSY|^TRANSACTION_ACTIVE$|^DEADLINE$|database is locked/;
// An error may be its own cause.
const MAX_CAUSES = 8;

/** Whether it is the driver's refusal because somebody else uses the database. */
export function isBusy(error: unknown): boolean {
  for (let e = error, depth = 0; e instanceof Error && depth < MAX_CAUSES; e = e.cause, depth++) {
    const { code } = e as { code?: unknown };
    if (BUSY.test(String(code)) || (e.cause === undefined && BUSY.test(e.message))) return true;
  }
  return false;
}
