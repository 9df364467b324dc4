// Through the functions that Emmett exports for a connection that stays open: its event store opens and closes
// the file for every call. An event goes whole into the payload, its trace is the stream.
import type { BenchEvent } from "../content.js";
import { optional, type Stack } from "./stack.js";

interface Connection {
  close(): void;
  command(sql: string, values?: unknown[]): Promise<unknown>;
  withTransaction<T>(run: () => Promise<T>): Promise<T>;
}

/** Of `@event-driven-io/emmett-sqlite` 0.38 to 0.42. */
export interface Emmett {
  sqliteConnection(options: { fileName: string }): Connection;
  createEventStoreSchema(connection: Connection): Promise<void>;
  appendToStream(
    connection: Connection,
    streamName: string,
    streamType: string,
    events: { type: string; data: unknown }[],
  ): Promise<{ success: boolean }>;
  readStream(connection: Connection, streamName: string, range: { from: bigint; to: bigint }): Promise<Page>;
  readMessagesBatch(connection: Connection, range: { after: bigint; batchSize: number }): Promise<Page>;
}

interface Page {
  events?: { data: BenchEvent }[];
  messages?: { data: BenchEvent }[];
}

export const loadEmmett = () => optional<Emmett>("@event-driven-io/emmett-sqlite");

export const emmett: Stack = {
  name: "Emmett",
  schema: "emmett",
  open: async (file) => {
    const library = await loadEmmett();
    if (!library) throw new Error("not installed");
    const connection = library.sqliteConnection({ fileName: file });
    const append = async (events: readonly BenchEvent[]) => {
      const messages = events.map((event) => ({ type: event.action, data: event }));
      const { success } = await library.appendToStream(connection, events[0]!.traceId, "note", messages);
      if (!success) throw new Error("not appended");
    };
    const appendOne = (event: BenchEvent) => append([event]);
    return {
      synchronous: (mode) => connection.command(`pragma synchronous = ${mode}`),
      appendOne,
      appendStamped: appendOne,
      appendBatch: (events) =>
        connection.withTransaction(async () => {
          for (const run of runsOfOneTrace(events)) await append(run);
        }),
      feed: async (after, limit) => {
        const page = await library.readMessagesBatch(connection, { after: BigInt(after), batchSize: limit });
        return page.messages!.map(({ data }) => data);
      },
      forTrace: async (traceId, limit) => {
        const page = await library.readStream(connection, traceId, { from: 1n, to: BigInt(limit) });
        return page.events!.map(({ data }) => data);
      },
      close: () => connection.close(),
    };
  },
};

function runsOfOneTrace(events: readonly BenchEvent[]): BenchEvent[][] {
  const runs: BenchEvent[][] = [];
  for (const event of events) {
    const run = runs.at(-1);
    if (run?.[0]?.traceId === event.traceId) run.push(event);
    else runs.push([event]);
  }
  return runs;
}
