// Made by `npm run generate` from src/schema.ts and triggers.ts: do not edit.

export interface Migration {
  /** Its file in drizzle/, and its folder in drizzle/v1. */
  readonly tag: string;
  readonly name: string;
  /** How Drizzle's migrators know it again, in 0.45 by the time, in 1.0 by the name. */
  readonly createdAt: number;
  readonly hash: string;
  /** The second name is that of the table of consumers; default `consumers`. */
  readonly sql: (table: string, consumers?: string) => string;
}

export const MIGRATIONS: readonly Migration[] = [
  {
    tag: "0000_events",
    name: "20261128071624_events",
    createdAt: 1795850184000,
    hash: "9c379697df4498538a7b068563169061e046a1a96ca47c1c2492fd553a4bd9e6",
    sql: (table, consumers = "consumers") => `CREATE TABLE \`${consumers}\` (
	\`name\` text PRIMARY KEY NOT NULL,
	\`seq\` integer NOT NULL,
	\`id\` text,
	\`skipped\` integer NOT NULL,
	\`last_skipped\` integer,
	CONSTRAINT "${consumers}_name_check" CHECK(length(name) between 1 and 255),
	CONSTRAINT "${consumers}_seq_check" CHECK(seq between 0 and 9007199254740991),
	CONSTRAINT "${consumers}_id_check" CHECK((seq = 0) = (id is null)),
	CONSTRAINT "${consumers}_skipped_check" CHECK(skipped >= 0)
);
--> statement-breakpoint
CREATE TABLE \`${table}\` (
	\`seq\` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	\`id\` text NOT NULL,
	\`action\` text NOT NULL,
	\`trace_id\` text NOT NULL,
	\`cortex_id\` text NOT NULL,
	\`origin\` text NOT NULL,
	\`actor\` text,
	\`timestamp\` text NOT NULL,
	\`proof\` text,
	\`data\` text,
	\`meta\` text,
	\`vclock\` text,
	\`idempotency_key\` text,
	\`counter\` integer,
	\`branched\` integer,
	CONSTRAINT "${table}_seq_check" CHECK(seq between 1 and 9007199254740991),
	CONSTRAINT "${table}_id_check" CHECK(length(id) = 26 and id < '8' and id = upper(id)),
	CONSTRAINT "${table}_cortex_id_check" CHECK(length(cortex_id) = 26 and cortex_id < '8' and cortex_id = upper(cortex_id)),
	CONSTRAINT "${table}_action_check" CHECK(length(action) <= 128 and action glob '[A-Za-z]*' and action not glob '*[^A-Za-z0-9_.:/-]*'),
	CONSTRAINT "${table}_trace_id_check" CHECK(length(trace_id) between 1 and 255),
	CONSTRAINT "${table}_origin_check" CHECK(length(origin) between 1 and 255),
	CONSTRAINT "${table}_actor_check" CHECK(length(actor) between 1 and 255),
	CONSTRAINT "${table}_timestamp_check" CHECK(timestamp glob '????-??-??T??:??:??*Z'),
	CONSTRAINT "${table}_data_check" CHECK(json_valid(data)),
	CONSTRAINT "${table}_meta_check" CHECK(case when json_valid(meta) then json_type(meta) = 'object' and octet_length(meta) <= 16384 else meta is null end),
	CONSTRAINT "${table}_vclock_check" CHECK(json_valid(vclock)),
	CONSTRAINT "${table}_idempotency_key_check" CHECK(length(idempotency_key) between 1 and 255),
	CONSTRAINT "${table}_counter_check" CHECK(counter is json_extract(vclock, '$."' || cortex_id || '"')),
	CONSTRAINT "${table}_branched_check" CHECK(branched = 1),
	CONSTRAINT "${table}_proof_check" CHECK(case when proof is null then counter is null else counter is not null and length(proof) between 97 and 5098 and unhex(substr(proof, 1, 64)) is not null and substr(proof, 65, 1) = '.' and unhex(substr(proof, 66, 32)) is not null and lower(substr(proof, 1, 97)) = substr(proof, 1, 97) and (length(proof) = 97 or substr(proof, 98, 1) = '.' and length(proof) > 98 and substr(proof, 99) not glob '*[^A-Za-z0-9_-]*') end)
);
--> statement-breakpoint
CREATE UNIQUE INDEX \`${table}_id_unique\` ON \`${table}\` (\`id\`);--> statement-breakpoint
CREATE INDEX \`${table}_trace_id_id_index\` ON \`${table}\` (\`trace_id\`,\`id\`);--> statement-breakpoint
CREATE UNIQUE INDEX \`${table}_cortex_id_counter_unique\` ON \`${table}\` (\`cortex_id\`,\`counter\`);--> statement-breakpoint
CREATE UNIQUE INDEX \`${table}_idempotency_key_cortex_id_unique\` ON \`${table}\` (\`idempotency_key\`,\`cortex_id\`) WHERE idempotency_key is not null;--> statement-breakpoint
CREATE INDEX \`${table}_actor_index\` ON \`${table}\` (\`actor\`) WHERE actor is not null;--> statement-breakpoint
CREATE INDEX \`${table}_branched_index\` ON \`${table}\` (\`trace_id\`) WHERE branched = 1;`,
  },
  {
    tag: "0001_append_only",
    name: "20261128071625_append_only",
    createdAt: 1795850185000,
    hash: "9f37a4f1d9bae5a0e4a1ca6355ec273113377177075066115f78a0582619035a",
    sql: (
      table,
    ) => `-- The log is append-only. drizzle-kit cannot express triggers, and a table rebuild drops them: create them anew
-- after one.
CREATE TRIGGER \`${table}_no_update\` BEFORE UPDATE ON \`${table}\`
BEGIN
	SELECT RAISE(ABORT, '${table} is append-only: no UPDATE');
END;
--> statement-breakpoint
CREATE TRIGGER \`${table}_no_delete\` BEFORE DELETE ON \`${table}\`
BEGIN
	SELECT RAISE(ABORT, '${table} is append-only: no DELETE');
END;
--> statement-breakpoint
-- The order of arrival is SQLite's to give: a seq that it is yet to give is -1 here. And INSERT OR REPLACE deletes
-- without firing the trigger above. One trigger for both: each one more is compiled with every statement.
CREATE TRIGGER \`${table}_no_replace\` BEFORE INSERT ON \`${table}\`
WHEN NEW.\`seq\` <> -1
	OR EXISTS (SELECT 1 FROM \`${table}\` WHERE \`id\` = NEW.\`id\`)
	OR EXISTS (SELECT 1 FROM \`${table}\` WHERE \`cortex_id\` = NEW.\`cortex_id\` AND \`counter\` = NEW.\`counter\`)
	OR EXISTS (SELECT 1 FROM \`${table}\` WHERE \`idempotency_key\` = NEW.\`idempotency_key\` AND \`cortex_id\` = NEW.\`cortex_id\`)
BEGIN
	SELECT RAISE(ABORT, '${table} is append-only: the seq is given, or the id, counter or idempotency key is taken');
END;
`,
  },
];
