import { SQL } from "drizzle-orm";
import type { EventsTable } from "./schema.js";

type Config = Parameters<SQL["toQuery"]>[0];
type Query = ReturnType<SQL["toQuery"]>;

/** A text, and the dialect that it was made for, by one of its functions. */
interface Kept {
  dialect?: unknown;
  query?: Query;
}

/**
 * A statement whose text depends on its table only: Drizzle makes it once. Making it anew took a fifth of a single
 * append's time (libsql, in memory). Its parameters are `values`, in this order.
 */
export function keptSQL(
  make: (table: EventsTable<any>, values: readonly unknown[]) => SQL,
): (table: EventsTable<any>, values: unknown[]) => SQL {
  const texts = new WeakMap<object, Kept>();
  return (table, values) => {
    let kept = texts.get(table);
    if (kept === undefined) {
      kept = {};
      texts.set(table, kept);
    }
    return new KeptSQL(kept, values, () => make(table, values));
  };
}

class KeptSQL extends SQL {
  #kept: Kept;
  #values: unknown[];

  constructor(kept: Kept, values: unknown[], getSQL: () => SQL) {
    super([{ getSQL, shouldOmitSQLParens: () => true } as never]);
    this.#kept = kept;
    this.#values = values;
  }

  override toQuery(config: Config): Query {
    const { dialect, query } = this.#kept;
    if (query !== undefined && dialect === config.escapeName) return { ...query, params: this.#values };
    const made = super.toQuery(config);
    const isAsGiven =
      made.params.length === this.#values.length &&
      made.params.every((param, i) => param === this.#values[i]);
    if (isAsGiven) Object.assign(this.#kept, { dialect: config.escapeName, query: made });
    return made;
  }
}
