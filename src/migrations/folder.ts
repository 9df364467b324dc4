// Not in the door's index: Hermes, the engine of Expo, does not compile `import.meta`.
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as sqlite from "drizzle-orm/sqlite-core";
import { MigrationError } from "../migration-error.js";
import { MIGRATIONS } from "./sql.js";

/**
 * The folder of this package's migrations, in the layout that the installed Drizzle reads, for its
 * `migrate(db, { migrationsFolder: migrationsFolder(), migrationsTable })`.
 *
 * @throws MigrationError `NO_FOLDER` where the folder is not this package's own, as in a bundle.
 */
export function migrationsFolder(): string {
  const isV1 = !("BaseSQLiteDatabase" in sqlite);
  const folder = folderOf(import.meta.url, isV1 ? "../../drizzle/v1" : "../../drizzle");
  const files = MIGRATIONS.map(({ tag, name }) => (isV1 ? `${name}/migration.sql` : `${tag}.sql`));
  // A bundler moves the code away: the folder beside it may be the app's, which `migrate` would run again.
  const isOurs = MIGRATIONS.every(
    ({ sql }, i) => folder && textOf(`${folder}/${files[i]}`) === sql("events"),
  );
  if (!folder || !isOurs) throw new MigrationError("NO_FOLDER", NO_FOLDER);
  return folder;
}

const NO_FOLDER =
  "This package's folder of migrations is not beside its code, as in a bundle: " +
  "use migrateEvents of drizzle-event-log/migrations, or leave the package out of the bundle.";

function folderOf(url: string | undefined, path: string): string | undefined {
  return url?.startsWith("file:") ? fileURLToPath(new URL(path, url)) : undefined;
}

function textOf(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}
