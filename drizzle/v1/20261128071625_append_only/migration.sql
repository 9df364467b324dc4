-- The log is append-only. drizzle-kit cannot express triggers, and a table rebuild drops them: create them anew
-- after one.
CREATE TRIGGER `events_no_update` BEFORE UPDATE ON `events`
BEGIN
	SELECT RAISE(ABORT, 'events is append-only: no UPDATE');
END;
--> statement-breakpoint
CREATE TRIGGER `events_no_delete` BEFORE DELETE ON `events`
BEGIN
	SELECT RAISE(ABORT, 'events is append-only: no DELETE');
END;
--> statement-breakpoint
-- The order of arrival is SQLite's to give: a seq that it is yet to give is -1 here. And INSERT OR REPLACE deletes
-- without firing the trigger above. One trigger for both: each one more is compiled with every statement.
CREATE TRIGGER `events_no_replace` BEFORE INSERT ON `events`
WHEN NEW.`seq` <> -1
	OR EXISTS (SELECT 1 FROM `events` WHERE `id` = NEW.`id`)
	OR EXISTS (SELECT 1 FROM `events` WHERE `cortex_id` = NEW.`cortex_id` AND `counter` = NEW.`counter`)
	OR EXISTS (SELECT 1 FROM `events` WHERE `idempotency_key` = NEW.`idempotency_key` AND `cortex_id` = NEW.`cortex_id`)
BEGIN
	SELECT RAISE(ABORT, 'events is append-only: the seq is given, or the id, counter or idempotency key is taken');
END;
