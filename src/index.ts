export {
  type AppendOptions,
  type AppendQuery,
  append,
  appendQuery,
  ConflictError,
  type ConflictErrorCode,
} from "./append.js";
export type { Database, Result, Transaction } from "./database.js";
export {
  type Action,
  type ActionOf,
  type Actions,
  type Event,
  type EventLimits,
  formatEvent,
  type NewEvent,
  parseEvent,
  type StoredEvent,
} from "./event.js";
export { InputError, type InputErrorCode } from "./input-error.js";
export { migrationsFolder, migrationsTable } from "./migrations.js";
export {
  type FeedOptions,
  feed,
  forTrace,
  get,
  latest,
  pages,
  type ReadOptions,
  since,
  type TraceOptions,
} from "./read.js";
export { createEventsTable, type EventsTable, events } from "./schema.js";
export { isULID, newULID, type ULIDSource, ulidFactory, ulidTime } from "./ulid.js";
export type { VectorClock } from "./vector-clock.js";
