export { type AppendOptions, append } from "./append.js";
export { type AppendQuery, appendQuery } from "./append-query.js";
export { clock } from "./clock.js";
export { ConflictError, type ConflictErrorCode, conflictErrorCodes } from "./conflict.js";
export { type ConsumeOptions, consume, type TransactionOf } from "./consume.js";
export { ConsumerError, type ConsumerErrorCode, consumerErrorCodes } from "./consumer-error.js";
export { type ConsumerOptions, type Lag, lag, resetConsumer } from "./consumers.js";
export {
  type BatchDatabase,
  type BatchOptions,
  type BatchQuery,
  type Cortex,
  type CortexOptions,
  DeadlineError,
  type DeadlineErrorCode,
  deadlineErrorCodes,
  type Mutation,
  openCortex,
  type StandardSchema,
  TraceError,
  type TraceErrorCode,
  traceErrorCodes,
} from "./cortex/index.js";
export type { Database, Result, Transaction } from "./database.js";
export { type DriftOptions, drifted } from "./drift.js";
export type {
  Action,
  ActionOf,
  Actions,
  Event,
  EventLimits,
  Meta,
  NewEvent,
  StoredEvent,
} from "./event.js";
export {
  type Cursor,
  CursorError,
  type CursorErrorCode,
  cursorErrorCodes,
  type FeedOptions,
  feed,
  pages,
} from "./feed.js";
export { type AsOf, fold, type Reducer, stateAt } from "./fold.js";
export { type Frontier, frontier, hashAt } from "./frontier.js";
export { type Divergence, type DivergenceOptions, divergences, heads } from "./heads.js";
export { InputError, type InputErrorCode, inputErrorCodes } from "./input-error.js";
export { formatEvent, type ParseOptions, parseEvent } from "./json-form.js";
export {
  type LogProblem,
  MigrationError,
  type MigrationErrorCode,
  migrationErrorCodes,
} from "./migration-error.js";
export {
  forTrace,
  getEvent,
  type LatestOptions,
  latest,
  type ReadOptions,
  since,
  type TraceOptions,
} from "./read.js";
export {
  type ConsumersTable,
  consumers,
  createConsumersTable,
  createEventsTable,
  type EventsTable,
  events,
} from "./schema.js";
export { type TailOptions, tail } from "./tail.js";
export { isULID, newULID, type ULIDSource, ulidFactory, ulidTime } from "./ulid.js";
export type { Upcasters, UpcastOptions } from "./upcast.js";
export {
  type Causality,
  compareClocks,
  incrementClock,
  mergeClocks,
  type VectorClock,
} from "./vector-clock.js";
