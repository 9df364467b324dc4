/** Every `code` of a `MigrationError`. */
export const migrationErrorCodes = ["NOT_MIGRATED"] as const;

export type MigrationErrorCode = (typeof migrationErrorCodes)[number];

/** The log's table is missing, or of another version of this package. `cause` is the database's refusal. */
export class MigrationError extends Error {
  override readonly name = "MigrationError";
  readonly code: MigrationErrorCode = "NOT_MIGRATED";

  constructor(missing: string, cause: unknown) {
    super(
      `The database has ${missing}: run this package's migrations first ` +
        '(see "Migrations" in the README, and drizzle-event-log/migrations).',
      { cause },
    );
  }
}

const MISSING = /no such table: \S+|no such column: \S+|table \S+ has no column named \S+/;
// An error may be its own cause.
const MAX_CAUSES = 8;

/** The error to throw for one that a query of this package met. */
export function explained(error: unknown): unknown {
  let e = error;
  for (let depth = 0; depth < MAX_CAUSES && e instanceof Error; depth++, e = e.cause) {
    // Only a driver's own error: the message of Drizzle's holds the query, and with it whatever was written.
    if (e.cause === undefined) {
      const [missing] = MISSING.exec(e.message) ?? [];
      return missing ? new MigrationError(missing, error) : error;
    }
  }
  return error;
}
