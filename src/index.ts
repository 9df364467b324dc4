export {
  type AppendOptions,
  type AppendQuery,
  append,
  appendQuery,
  ConflictError,
  type ConflictErrorCode,
} from "./append.js";
export { clock } from "./clock.js";
export {
  type Cortex,
  type CortexOptions,
  drifted,
  type Mutation,
  openCortex,
  TraceError,
  type TraceErrorCode,
} from "./cortex.js";
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
export { type Accepted, type AcceptOptions, accept, type MissingOptions, missing } from "./federation.js";
export {
  type Cursor,
  CursorError,
  type FeedOptions,
  feed,
  pages,
  type TailOptions,
  tail,
} from "./feed.js";
export { type AsOf, type FoldOptions, fold, type Reducer, stateAt, type Upcasters } from "./fold.js";
export { type Divergence, type DivergenceOptions, divergences, heads } from "./heads.js";
export {
  type HandlerOptions,
  type HttpPeerOptions,
  handler,
  httpPeer,
  PeerError,
  type PeerErrorCode,
} from "./http.js";
export { InputError, type InputErrorCode } from "./input-error.js";
export { migrationsFolder, migrationsTable } from "./migrations.js";
export {
  databasePeer,
  type Peer,
  type PullOptions,
  type PullProgress,
  type PullReport,
  pull,
  type Refusal,
} from "./pull.js";
export { forTrace, get, latest, type ReadOptions, since, type TraceOptions } from "./read.js";
export { createEventsTable, type EventsTable, events } from "./schema.js";
export type { StandardSchema } from "./standard-schema.js";
export { isULID, newULID, type ULIDSource, ulidFactory, ulidTime } from "./ulid.js";
export { type Causality, compare, increment, merge, type VectorClock } from "./vector-clock.js";
