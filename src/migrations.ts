/**
 * The folder of this package's migrations, for Drizzle's `migrate(db, { migrationsFolder, migrationsTable })`.
 * Keep them apart from the app's own under a migrations table of their own. Empty in a bundle: a bundler
 * moves the code away from the folder.
 */
// Without node:url and `new URL(…)`: the root also loads in Workers, and bundlers take such a URL for an asset.
export const migrationsFolder = import.meta.dirname ? `${import.meta.dirname}/../drizzle` : "";

/** The name for that migrations table. */
export const migrationsTable = "__event_log_migrations";
