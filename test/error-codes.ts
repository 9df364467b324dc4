import * as root from "drizzle-event-log";
import { peerErrorCodes } from "drizzle-event-log/federation";
import { libsqlFileErrorCodes } from "drizzle-event-log/libsql";
import { trackErrorCodes } from "drizzle-event-log/tracked";

/** The codes of every class of error, by its name. */
export const errorCodes: Record<string, readonly string[]> = {
  InputError: root.inputErrorCodes,
  ConflictError: root.conflictErrorCodes,
  TraceError: root.traceErrorCodes,
  TrackError: trackErrorCodes,
  CursorError: root.cursorErrorCodes,
  ConsumerError: root.consumerErrorCodes,
  MigrationError: root.migrationErrorCodes,
  DeadlineError: root.deadlineErrorCodes,
  LibsqlFileError: libsqlFileErrorCodes,
  PeerError: peerErrorCodes,
};
