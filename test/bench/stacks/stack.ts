import type { BenchEvent } from "../content.js";

export type Synchronous = "FULL" | "NORMAL";
/** Whose table is in a file: this package's, a bare one made by hand, or Emmett's. */
export type Schema = "events" | "bare" | "emmett";
type Read = BenchEvent[] | Promise<BenchEvent[]>;

/** A log as one stack reads and writes it. What a stack has no equivalent of is absent. */
export interface Log {
  synchronous(mode: Synchronous): unknown;
  /** One event in a transaction of its own. */
  appendOne(event: BenchEvent): unknown;
  /** Like `appendOne`, without asking for a transaction. */
  appendBare?(event: BenchEvent): unknown;
  /** All in one transaction. */
  appendBatch(events: readonly BenchEvent[]): unknown;
  /** Like `appendOne`; a stack with a writer that stamps events makes the given stamps itself. */
  appendStamped(event: BenchEvent): unknown;
  /** Like `appendBatch`, each with its clock. */
  appendClocked?(events: readonly BenchEvent[]): unknown;
  /** Takes all that its peer has been given and this log lacks. */
  appendPulled?(): unknown;
  /** Gives events to the log's peer, which stamps them as a cortex of its own. */
  offer?(events: readonly BenchEvent[]): unknown;
  /** Like `appendOne`, waiting for its turn among the process's writers. */
  appendInTurn?(event: BenchEvent): unknown;
  /** Like `appendInTurn`, in a transaction that it may share. */
  appendTogether?(event: BenchEvent): unknown;
  feed?(after: number, limit: number): Read;
  since?(afterId: string, limit: number): Read;
  forTrace?(traceId: string, limit: number): Read;
  latest?(limit: number): Read;
  byId?(id: string): Read;
  close(): unknown;
}

export interface Stack {
  name: string;
  schema: Schema;
  open(file: string): Promise<Log>;
}

/** A package that need not be there. */
export async function optional<T>(name: string): Promise<T | undefined> {
  try {
    return (await import(name)) as T;
  } catch {
    return undefined;
  }
}
