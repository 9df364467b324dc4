import type { Client } from "@libsql/client";
import type { DrizzleConfig } from "drizzle-orm";
import type { drizzle, LibSQLDatabase } from "drizzle-orm/libsql";

// What tells `db.query` the tables of the app is `relations` in Drizzle 1.0 and `schema` in 0.45. It is asked of
// `drizzle`, for the names of these types are not the same.
type AnyConfig = Required<NonNullable<Parameters<typeof drizzle.mock>[0]>>;

/** The type of the app's relations (Drizzle 1.0) or of its schema (0.45). */
export type AnySchema = AnyConfig extends { relations: infer R }
  ? NonNullable<R>
  : AnyConfig extends { schema: infer S }
    ? NonNullable<S>
    : never;

export type NoSchema = AnyConfig extends { relations: unknown }
  ? Record<never, never>
  : Record<string, never>;

/** What `drizzle` takes, but for the client. */
export type LibsqlConfig<S extends AnySchema = NoSchema> = Omit<DrizzleConfig<S>, "client">;

export type LibsqlDatabase<S extends AnySchema = NoSchema> = LibSQLDatabase<S> & { $client: Client };

/** As `db.transaction` passes it on. */
export type LibsqlTransaction<S extends AnySchema = NoSchema> = Parameters<
  Parameters<LibSQLDatabase<S>["transaction"]>[0]
>[0];
