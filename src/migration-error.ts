import { refusalIn } from "./refusal.js";

/** Every `code` of a `MigrationError`. */
export const migrationErrorCodes = ["NOT_MIGRATED", "LOG_DIFFERS", "NO_FOLDER"] as const;

export type MigrationErrorCode = (typeof migrationErrorCodes)[number];

/** Where a log is not what this version of the package makes. */
export interface LogProblem {
  kind: "table" | "column" | "check" | "index" | "trigger";
  name: string;
  problem: "missing" | "different" | "unknown";
}

/**
 * - `NOT_MIGRATED`: the log's table is missing, or of another version of this package. `cause` is the database's refusal.
 * - `LOG_DIFFERS`: a table of its name is no log, or one that cannot be made right without losing what it holds; see
 *   `problems`. Or a trigger of the app's has passed over an event.
 * - `NO_FOLDER`: the folder of migrations is not there, as in a bundle.
 */
export class MigrationError extends Error {
  override readonly name = "MigrationError";

  constructor(
    readonly code: MigrationErrorCode,
    message: string,
    options?: ErrorOptions,
    readonly problems: readonly LogProblem[] = [],
  ) {
    super(message, options);
  }
}

const MISSING = /no such table: \S+|no such column: \S+|table \S+ has no column named \S+/;

/** The error to throw for one that a query of this package met. */
export function explained(error: unknown): unknown {
  const [missing] = MISSING.exec(refusalIn(error)?.message ?? "") ?? [];
  return missing ? notMigrated(missing, error) : error;
}

function notMigrated(missing: string, cause: unknown): MigrationError {
  const message =
    `The database has ${missing}: run this package's migrations first ` +
    "(see docs/migrations.md, and drizzle-event-log/migrations).";
  return new MigrationError("NOT_MIGRATED", message, { cause });
}

/** A trigger can do that by RAISE(IGNORE): the statement goes on, and the event is not there. */
export function passedOver(): MigrationError {
  return new MigrationError("LOG_DIFFERS", "A trigger on the log has passed over an event: see checkLog.");
}
