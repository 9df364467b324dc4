CREATE TABLE `events` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`action` text NOT NULL,
	`trace_id` text NOT NULL,
	`cortex_id` text NOT NULL,
	`origin` text NOT NULL,
	`timestamp` text NOT NULL,
	`data` text,
	`vclock` text,
	`counter` integer,
	`branched` integer,
	CONSTRAINT "events_id_check" CHECK(length(id) = 26 and id < '8' and id = upper(id)),
	CONSTRAINT "events_cortex_id_check" CHECK(length(cortex_id) = 26 and cortex_id < '8' and cortex_id = upper(cortex_id)),
	CONSTRAINT "events_action_check" CHECK(action glob '[a-z]*' and action not glob '*[^a-z0-9_]*'),
	CONSTRAINT "events_trace_id_check" CHECK(length(trace_id) between 1 and 255),
	CONSTRAINT "events_origin_check" CHECK(length(origin) between 1 and 255),
	CONSTRAINT "events_timestamp_check" CHECK(timestamp glob '????-??-??T??:??:??*Z'),
	CONSTRAINT "events_data_check" CHECK(json_valid(data)),
	CONSTRAINT "events_vclock_check" CHECK(json_valid(vclock)),
	CONSTRAINT "events_counter_check" CHECK(counter is json_extract(vclock, '$."' || cortex_id || '"')),
	CONSTRAINT "events_branched_check" CHECK(branched = 1)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `events_id_unique` ON `events` (`id`);--> statement-breakpoint
CREATE INDEX `events_trace_id_id_index` ON `events` (`trace_id`,`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `events_cortex_id_counter_unique` ON `events` (`cortex_id`,`counter`);--> statement-breakpoint
CREATE INDEX `events_branched_index` ON `events` (`trace_id`) WHERE branched = 1;