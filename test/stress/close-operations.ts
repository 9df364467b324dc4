// What is under way when a client is closed, and how it ends.
import type { Log } from "./log.js";
import { FORMS, mark, marks } from "./marks.js";

export interface CloseTally {
  closed: number;
  stored: number;
  refused: number;
  wrong: string[];
  /** Calls after a close that were refused. */
  after: number;
  /** Descriptors of the file at the end. */
  open: number;
  /** The control's writes that came after its close. */
  reopened: number;
}

export interface Operation {
  name: string;
  isWrite: boolean;
  /** How many it leaves of what it writes. */
  parts: number;
  run(db: Log, n: number): Promise<unknown>;
}

export const operations: readonly Operation[] = [
  ...FORMS.map((form) => ({
    ...{ name: form, isWrite: true, parts: 2 },
    run: (db: Log, n: number) => mark(db, n, form),
  })),
  {
    ...{ name: "script", isWrite: true, parts: 2 },
    run: (db, n) =>
      db.$client.executeMultiple(`insert into marks values (${n}, 1); insert into marks values (${n}, 2);`),
  },
  {
    ...{ name: "migrate", isWrite: true, parts: 2 },
    run: (db, n) => db.$client.migrate([1, 2].map((part) => `insert into marks values (${n}, ${part})`)),
  },
  {
    ...{ name: "read", isWrite: false, parts: 0 },
    run: (db) => db.select().from(marks).limit(10),
  },
  {
    ...{ name: "snapshot", isWrite: false, parts: 0 },
    run: (db) => readTwice(db),
  },
];

async function readTwice(db: Log): Promise<void> {
  const transaction = await db.$client.transaction("read");
  await transaction.execute("select count(*) from marks");
  await new Promise(setImmediate);
  await transaction.execute("select count(*) from marks");
  await transaction.commit();
}

const HANG = 20_000;

/** `stored`, or the code of its error; `hangs` if it has not ended for long. */
export function outcomeOf(run: () => Promise<unknown>) {
  const outcome = { isSettled: false, promise: Promise.resolve("") };
  const ended = run().then(
    () => "stored",
    (error) => codeOf(error),
  );
  outcome.promise = new Promise((resolve) => {
    const timer = setTimeout(() => resolve("hangs"), HANG);
    ended.then((it) => {
      outcome.isSettled = true;
      clearTimeout(timer);
      resolve(it);
    });
  });
  return outcome;
}

/** The code of the client's error: Drizzle wraps those of its queries. */
export function codeOf(error: unknown): string {
  for (let e = error; e instanceof Error; e = e.cause) {
    if ("code" in e && typeof e.code === "string") return e.code;
  }
  return `untyped: ${error}`;
}
