import type { Synchronous } from "./stacks/stack.js";

export type Operation =
  | "appendOne"
  | "appendBare"
  | "appendBatch"
  | "appendStamped"
  | "appendClocked"
  | "appendPulled"
  | "appendInTurn"
  | "appendTogether"
  | ReadOperation;
type ReadOperation = "feed" | "since" | "forTrace" | "latest" | "byId";

export interface Contender {
  stack: string;
  operation: Operation;
  /** How many writers append at once. */
  lanes?: number;
}

export interface Row {
  name: string;
  /** Events per call of the operation: a batch or a page. */
  width: number;
  /** Calls in one sample. */
  calls: number;
  synchronous: Synchronous;
  /** The first is what the others are compared with. */
  contenders: readonly Contender[];
  /** The greatest ratio of `drizzle-event-log` that is a pass; for lanes the least gain. */
  target?: number;
  /** The same to `by hand`. */
  handTarget?: number;
  /** The greatest growth of the package's time from the smallest to the largest log. */
  growth?: number;
}

export const OURS = "drizzle-event-log";
export const BY_HAND = "by hand";
export const PLAIN = "openLibsql";
/** Before the name of a stack: the same on the package without the proof. */
export const WITHOUT = "without proof ";
const READERS = ["libsql", OURS, "@libsql/client", "Drizzle", "better-sqlite3", "Emmett"];
const WRITERS = ["libsql", OURS, BY_HAND, "@libsql/client", "Drizzle", "better-sqlite3", "Emmett"];

/**
 * SQLite writes its log back into the file after every 1,000 pages. A sample of appends holds that at least once:
 * where it comes in every second sample of one stack and in the others of the next, it decides the ratio.
 *
 * From fewest to most milliseconds per sample: the first rows warm up the machine code for the later ones.
 */
export const rows: readonly Row[] = [
  read("latest 100", "latest", 100, 50, { target: 1, growth: 1.2 }),
  read("feed 100", "feed", 100, 50, { target: 1.2, growth: 1.2 }),
  read("feed 1000", "feed", 1000, 8, { target: 1.1 }),
  read("since 100", "since", 100, 50, { target: 1.2 }),
  read("since 1000", "since", 1000, 8, { target: 1.1 }),
  read("forTrace 20", "forTrace", 20, 200, { target: 1.5 }),
  read("forTrace 1000", "forTrace", 1000, 8, { target: 1.1 }),
  read("plain Drizzle: select one by key", "byId", 1, 200, plain("byId")),
  read("plain Drizzle: select 100", "latest", 100, 30, plain("latest")),
  append("plain Drizzle: insert, FULL", "FULL", 250, plain("appendBare")),
  append("plain Drizzle: insert in a transaction, FULL", "FULL", 250, plain("appendOne")),
  append("append one per transaction, NORMAL", "NORMAL", 400, { target: 2.4, handTarget: 1, growth: 1.2 }),
  append("append one per transaction, FULL", "FULL", 250, { target: 1.5, handTarget: 1, growth: 1.2 }),
  append("append through a cortex, one per transaction, FULL", "FULL", 250, {
    ...{ target: 1.8, handTarget: 1 },
    contenders: among(WRITERS, "appendStamped"),
  }),
  append("append one through writeTransaction, FULL", "FULL", 250, {
    ...{ target: 1.7, handTarget: 1 },
    contenders: [...among(["libsql", BY_HAND], "appendOne"), ...among([OURS], "appendInTurn")],
  }),
  append("100 concurrent writers, FULL", "FULL", 1000, {
    contenders: [
      ...among([OURS], "appendInTurn"),
      { stack: "100 writers", operation: "appendTogether", lanes: 100 },
    ],
    target: 5,
  }),
  append("append 1,000 as a batch, FULL", "FULL", 8, {
    ...{ width: 1000, target: 1.1, handTarget: 0.8 },
    contenders: among(WRITERS, "appendBatch"),
  }),
  append("bulk 10,000, FULL", "FULL", 1, {
    ...{ width: 10_000, target: 1.15, handTarget: 0.8 },
    contenders: among(WRITERS, "appendBatch"),
  }),
  append("proof: append one through a cortex, FULL", "FULL", 250, proof("appendStamped", 1.05)),
  append("proof: append 1,000 with clocks as a batch, FULL", "FULL", 4, {
    ...{ width: 1000, ...proof("appendClocked", 1.25) },
  }),
  append("proof: pull 5,000, FULL", "FULL", 1, { width: 5000, ...proof("appendPulled", 1.3) }),
];

/** Whether the events come with stamps of a cortex, which count on from call to call. */
export function isStamped(operation: Operation): boolean {
  return operation === "appendStamped" || operation === "appendClocked";
}

/** What of the row is this package; its many writers where there are some. */
export function oursOf({ contenders }: Row): Contender {
  return contenders.findLast(({ stack, lanes }) => stack === OURS || stack === PLAIN || lanes)!;
}

function read(name: string, operation: ReadOperation, width: number, calls: number, rest: Partial<Row>): Row {
  return { name, width, calls, synchronous: "FULL", contenders: among(READERS, operation), ...rest };
}

function append(name: string, synchronous: Synchronous, calls: number, rest: Partial<Row>): Row {
  return { name, width: 1, calls, synchronous, contenders: among(WRITERS, "appendOne"), ...rest };
}

/** What an app does with its own tables, on the database from this package and on one without it. */
function plain(operation: Operation): Partial<Row> {
  return { target: 1, contenders: among([BY_HAND, PLAIN], operation) };
}

/** The package beside itself without the proof. */
function proof(operation: Operation, target: number): Partial<Row> {
  return { target, contenders: among([WITHOUT + OURS, OURS], operation) };
}

function among(stacks: readonly string[], operation: Operation): Contender[] {
  return stacks.map((stack) => ({ stack, operation }));
}
