// An error may be its own cause.
const MAX_CAUSES = 8;

/**
 * The driver's own error, of one that a query met: the message of Drizzle's holds the query, and with it whatever was
 * written. Undefined if there is none.
 */
export function refusalIn(error: unknown): Error | undefined {
  let e = error;
  for (let depth = 0; depth < MAX_CAUSES && e instanceof Error; depth++, e = e.cause) {
    if (e.cause === undefined) return e;
  }
  return undefined;
}
