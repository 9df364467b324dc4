import {
  append,
  appendQuery,
  type Event,
  events,
  feed,
  type NewEvent,
  newULID,
  type StoredEvent,
  type Transaction,
  ulidTime,
} from "drizzle-event-log";

/** A log on some driver, as the promises need it. */
export interface Log {
  // Of either major: what it may be is a matter of types.ts.
  db: any;
  /** Runs the work in one transaction; undefined where the driver has none that is interactive. */
  transaction?: <T>(work: (tx: any) => T | PromiseLike<T>) => Promise<T>;
  /** Runs one statement. */
  run(statement: string): Promise<unknown>;
  close(): void | Promise<void>;
  /** How many requests went over the wire, where they are counted. */
  trips?(): number;
}

export type TransactionalLog = Log & Required<Pick<Log, "transaction">>;

export const ALPHA = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
export const BETA = "01BX5ZZKBKACTAV9WEVGEMMVS0";

export function event(over: Partial<Event> | Record<string, unknown> = {}): NewEvent {
  return { action: "update", traceId: "trace", cortexId: ALPHA, origin: "alpha", ...over } as NewEvent;
}

/** An id of the n-th second of 2026. */
export const idAt = (second: number, random = "0000000000000000"): string =>
  `${timeText(1767225600000 + second * 1000)}${random}`;

function timeText(milliseconds: number): string {
  const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  let [rest, text] = [milliseconds, ""];
  for (; text.length < 10; rest = Math.floor(rest / 32)) text = digits[rest % 32] + text;
  return text;
}

/** Appends by `append`, or where there are no transactions by a batch of `appendQuery`. */
export async function addAll(
  { db, transaction }: Log,
  inputs: readonly NewEvent[],
  options?: any,
): Promise<StoredEvent[]> {
  if (transaction) return transaction((tx: Transaction) => append(tx, inputs, options));
  const clocked = inputs.filter(({ vclock }) => vclock);
  const { table = events } = options ?? {};
  const insert =
    clocked.length > 0
      ? db.insert(table).values(clocked.map(rowOf)).returning({ seq: table.seq })
      : appendQuery(db, inputs, options);
  const [stored] = await db.batch([insert]);
  const [first] = stored as { seq: number; id: string }[];
  return first ? feed<any, any>(db, { ...options, after: Number(first.seq) - 1 }) : [];
}

/** A clock of the test's own, with a proof that is none but in form: only a cortex could make it here. */
function rowOf(input: NewEvent) {
  const { id = newULID(), cortexId, vclock } = input;
  const timestamp = new Date(ulidTime(id)).toISOString();
  const proof = `${"0".repeat(64)}.${"0".repeat(32)}`;
  return { id, timestamp, ...input, counter: vclock![cortexId], branched: 1, proof };
}

export async function add(log: Log, input: NewEvent, options?: any): Promise<StoredEvent> {
  const [stored] = await addAll(log, [input], options);
  return stored!;
}

/** The next step when the outcome is there: at once on a synchronous driver, whose transactions cannot wait. */
export function then<T, U>(outcome: T | PromiseLike<T>, next: (value: T) => U): U | PromiseLike<U> {
  const pending = outcome as PromiseLike<T> | undefined;
  return typeof pending?.then === "function" ? (pending.then(next) as PromiseLike<U>) : next(outcome as T);
}

/** Goes on as if it had answered with nothing when the work fails. */
export function caught<T>(work: () => T | PromiseLike<T>): T | PromiseLike<T | undefined> | undefined {
  try {
    const outcome = work();
    const isPending = typeof (outcome as any)?.then === "function";
    return isPending ? (outcome as PromiseLike<T>).then(undefined, () => undefined) : outcome;
  } catch {
    return undefined;
  }
}

export const ids = (list: readonly { id: string }[]) => list.map(({ id }) => id);
export const seqs = (list: readonly { seq: number }[]) => list.map(({ seq }) => seq);

/** What the work throws, or rejects with. */
export async function errorOf(work: () => unknown): Promise<any> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

/** The messages of an error and of all that caused it. */
export function messagesOf(error: unknown): string {
  const messages: string[] = [];
  for (let e = error; e instanceof Error && messages.length < 8; e = e.cause) messages.push(e.message);
  return messages.join(" / ");
}

/** Takes away what a log before has left. */
export const DROPS = [
  ...["notes", "events", "consumers", "other", "other_consumers"],
  ...["made", "made_consumers", "__event_log_migrations_made"],
].map((table) => `drop table if exists ${table}`);

const consumersOf = (table: string) => (table === "events" ? "consumers" : `${table}_consumers`);

/** The package's migrations for a log of any name. */
export function migrationFor(sql: readonly string[], table: string): string[] {
  return sql
    .flatMap((text) => text.split("--> statement-breakpoint"))
    .map((statement) => statement.replaceAll(/([`"])events/g, `$1${table}`))
    .map((statement) => statement.replaceAll(/([`"])consumers/g, `$1${consumersOf(table)}`));
}
