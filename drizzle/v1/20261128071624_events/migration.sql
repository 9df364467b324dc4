CREATE TABLE `consumers` (
	`name` text PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL,
	`id` text,
	`skipped` integer NOT NULL,
	`last_skipped` integer,
	CONSTRAINT "consumers_name_check" CHECK(length(name) between 1 and 255),
	CONSTRAINT "consumers_seq_check" CHECK(seq between 0 and 9007199254740991),
	CONSTRAINT "consumers_id_check" CHECK((seq = 0) = (id is null)),
	CONSTRAINT "consumers_skipped_check" CHECK(skipped >= 0)
);
--> statement-breakpoint
CREATE TABLE `events` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`action` text NOT NULL,
	`trace_id` text NOT NULL,
	`cortex_id` text NOT NULL,
	`origin` text NOT NULL,
	`actor` text,
	`timestamp` text NOT NULL,
	`proof` text,
	`data` text,
	`meta` text,
	`vclock` text,
	`idempotency_key` text,
	`counter` integer,
	`branched` integer,
	CONSTRAINT "events_seq_check" CHECK(seq between 1 and 9007199254740991),
	CONSTRAINT "events_id_check" CHECK(length(id) = 26 and id < '8' and id = upper(id)),
	CONSTRAINT "events_cortex_id_check" CHECK(length(cortex_id) = 26 and cortex_id < '8' and cortex_id = upper(cortex_id)),
	CONSTRAINT "events_action_check" CHECK(length(action) <= 128 and action glob '[A-Za-z]*' and action not glob '*[^A-Za-z0-9_.:/-]*'),
	CONSTRAINT "events_trace_id_check" CHECK(length(trace_id) between 1 and 255),
	CONSTRAINT "events_origin_check" CHECK(length(origin) between 1 and 255),
	CONSTRAINT "events_actor_check" CHECK(length(actor) between 1 and 255),
	CONSTRAINT "events_timestamp_check" CHECK(timestamp glob '????-??-??T??:??:??*Z'),
	CONSTRAINT "events_data_check" CHECK(json_valid(data)),
	CONSTRAINT "events_meta_check" CHECK(case when json_valid(meta) then json_type(meta) = 'object' and octet_length(meta) <= 16384 else meta is null end),
	CONSTRAINT "events_vclock_check" CHECK(json_valid(vclock)),
	CONSTRAINT "events_idempotency_key_check" CHECK(length(idempotency_key) between 1 and 255),
	CONSTRAINT "events_counter_check" CHECK(counter is json_extract(vclock, '$."' || cortex_id || '"')),
	CONSTRAINT "events_branched_check" CHECK(branched = 1),
	CONSTRAINT "events_proof_check" CHECK(case when proof is null then counter is null else counter is not null and length(proof) between 97 and 5098 and unhex(substr(proof, 1, 64)) is not null and substr(proof, 65, 1) = '.' and unhex(substr(proof, 66, 32)) is not null and lower(substr(proof, 1, 97)) = substr(proof, 1, 97) and (length(proof) = 97 or substr(proof, 98, 1) = '.' and length(proof) > 98 and substr(proof, 99) not glob '*[^A-Za-z0-9_-]*') end)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `events_id_unique` ON `events` (`id`);--> statement-breakpoint
CREATE INDEX `events_trace_id_id_index` ON `events` (`trace_id`,`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `events_cortex_id_counter_unique` ON `events` (`cortex_id`,`counter`);--> statement-breakpoint
CREATE UNIQUE INDEX `events_idempotency_key_cortex_id_unique` ON `events` (`idempotency_key`,`cortex_id`) WHERE idempotency_key is not null;--> statement-breakpoint
CREATE INDEX `events_actor_index` ON `events` (`actor`) WHERE actor is not null;--> statement-breakpoint
CREATE INDEX `events_branched_index` ON `events` (`trace_id`) WHERE branched = 1;