export { type Cortex, type CortexOptions, openCortex } from "./cortex.js";
export type { Mutation } from "./mutation.js";
export type { StandardSchema } from "./standard-schema.js";
export { TraceError, type TraceErrorCode, traceErrorCodes } from "./trace-error.js";
