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
-- INSERT OR REPLACE deletes without firing the trigger above.
CREATE TRIGGER `events_no_replace` BEFORE INSERT ON `events`
WHEN EXISTS (SELECT 1 FROM `events` WHERE `seq` = NEW.`seq`)
	OR EXISTS (SELECT 1 FROM `events` WHERE `id` = NEW.`id`)
	OR EXISTS (SELECT 1 FROM `events` WHERE `cortex_id` = NEW.`cortex_id` AND `counter` = NEW.`counter`)
BEGIN
	SELECT RAISE(ABORT, 'events is append-only: this seq, id or counter is taken');
END;
