export type { BatchDatabase, BatchQuery } from "../atomic-batch.js";
export { DeadlineError, type DeadlineErrorCode, deadlineErrorCodes } from "../deadline-error.js";
export type { BatchOptions } from "../retry.js";
export { type Cortex, openCortex } from "./cortex.js";
export type { Mutation } from "./mutation.js";
export type { StandardSchema } from "./standard-schema.js";
export { TraceError, type TraceErrorCode, traceErrorCodes } from "./trace-error.js";
export type { CortexOptions } from "./writer.js";
