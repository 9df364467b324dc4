// Where the time of a write goes: how long libsql is in each kind of call. What is left is JavaScript.
import Database from "libsql";

/** Microseconds per call of the operation. */
export interface Profile {
  row: string;
  size: number;
  total: number;
  /** SQLite runs statements, the commit among them. */
  run: number;
  /** SQLite compiles statements. */
  compile: number;
  /** @libsql/client asks each statement for rows, and catches the exception of those without. */
  exceptions: number;
}

const METHODS = { prepare: "compile", raw: "exceptions", run: "run", all: "run", exec: "run" } as const;
const spent = { compile: 0, exceptions: 0, run: 0 };
let instrumented = false;

/** What `work` takes, which answers with its milliseconds, per one of its `calls`. */
export async function profiled(
  calls: number,
  work: () => Promise<number>,
): Promise<Omit<Profile, "row" | "size">> {
  if (!instrumented) instrument();
  Object.assign(spent, { compile: 0, exceptions: 0, run: 0 });
  const total = await work();
  const each = (milliseconds: number) => (milliseconds * 1000) / calls;
  return {
    total: each(total),
    run: each(spent.run),
    compile: each(spent.compile),
    exceptions: each(spent.exceptions),
  };
}

function instrument(): void {
  instrumented = true;
  const statement = Object.getPrototypeOf(new Database(":memory:").prepare("select 1"));
  for (const [method, kind] of Object.entries(METHODS)) {
    const prototype = method in statement ? statement : Database.prototype;
    const original = prototype[method] as (...args: unknown[]) => unknown;
    prototype[method] = function (this: unknown, ...args: unknown[]) {
      const start = performance.now();
      try {
        return original.apply(this, args);
      } finally {
        spent[kind] += performance.now() - start;
      }
    };
  }
}
