import { getTableName, sql } from "drizzle-orm";
import { ConflictError } from "../conflict.js";
import type { Transaction } from "../database.js";
import { type Meta, refuseUnknownFields, type StoredEvent } from "../event.js";
import { checkName } from "../field.js";
import { checkedOptions, checkFunction, InputError, reading } from "../input-error.js";
import type { EventsTable } from "../schema.js";
import { selectAll } from "../select.js";
import { done, run, type Steps } from "../steps.js";
import { tableOf } from "../table.js";
import type { Definition } from "./definition.js";
import { isOfTable } from "./history.js";
import { allMutations } from "./mutations.js";
import type { Pair } from "./rows.js";

/** A cortex, as far as a tracked table needs it: one of `openCortex`. */
export interface Recorder {
  readonly id: string;
  readonly table: EventsTable<any>;
  /** As a cortex does, in the order of the mutations. */
  append(tx: any, mutations: any): any;
}

/** What goes with the events of a call: see `Mutation`. */
export interface ChangeOptions {
  /** Who does it. */
  actor?: string;
  /** About the change: request, reason. Each event of the call has it. */
  meta?: Meta;
  /** The same for every retry of the call. Its second event has it with `#2`, and so on. */
  idempotencyKey?: string;
  /** Where the trace must be: a seq is for a call that changes one row. */
  expect?: number | "none";
}

const FIELDS: ReadonlySet<string> = new Set(["actor", "meta", "idempotencyKey", "expect"]);

/** A copy, checked as far as it can be before any SQL runs. */
export function checkedChange(given: unknown, more: readonly string[] = []): ChangeOptions {
  const options = checkedOptions(given as ChangeOptions | undefined);
  refuseUnknownFields(options, more.length > 0 ? new Set([...FIELDS, ...more]) : FIELDS, "options");
  const { actor, idempotencyKey } = options;
  if (actor !== undefined) checkName(actor, "INVALID_ACTOR", "actor");
  if (idempotencyKey !== undefined) checkName(idempotencyKey, "INVALID_IDEMPOTENCY_KEY", "idempotencyKey");
  return options;
}

export function checkRecorder(cortex: unknown, { log }: Definition): asserts cortex is Recorder {
  reading("cortex", () => {
    const { append, table } = Object(cortex) as Partial<Recorder>;
    checkFunction(append, "INVALID_FUNCTION", "cortex.append");
    if (getTableName(tableOf({ table })) === getTableName(log)) return;
    const problem = "is of another log than the tracked table: give both the same `table`";
    throw new InputError("INVALID_TABLE", "cortex", problem);
  });
}

/** What a call is about to write, and how its events are called. */
export interface Call {
  definition: Definition;
  cortex: Recorder;
  options: ChangeOptions;
  /** The actions that its events may have: those of another call under its key are a conflict, and so are other tables'. */
  actions: readonly string[];
  write(tx: Transaction): Steps<Pair[]>;
}

/**
 * Writes the rows and appends their events, all or nothing: in a savepoint, so that a caller who catches the error and
 * commits has no row without its event either. A call that was answered before is answered again, and writes nothing.
 */
export function* recorded(tx: Transaction, call: Call): Steps<StoredEvent<any>[]> {
  const { options } = call;
  const before =
    options.idempotencyKey === undefined ? [] : yield* answered(tx, call, options.idempotencyKey);
  if (before.length > 0) return before;
  return yield* done(tx.transaction((inner) => run(inner, writeAll(inner, call)) as any) as any);
}

function* writeAll(tx: Transaction, { definition, cortex, options, write }: Call): Steps<StoredEvent<any>[]> {
  const { expect, idempotencyKey, ...about } = options;
  const each = allMutations(definition, yield* write(tx)).filter((one) => one.length > 0);
  if (each.length === 0) return [];
  if (expect !== undefined && expect !== "none" && each.length > 1) {
    throw new InputError("INVALID_EXPECT", "expect", "must not be a seq where several rows change");
  }
  const mutations = each.flatMap((one) =>
    one.map((mutation, i) => ({ ...mutation, ...about, ...(i === 0 && expect !== undefined && { expect }) })),
  );
  const keyed = mutations.map((mutation, i) => ({ ...mutation, ...keyOf(idempotencyKey, i) }));
  return yield* done(cortex.append(tx, keyed));
}

function keyOf(idempotencyKey: string | undefined, i: number): { idempotencyKey?: string } {
  if (idempotencyKey === undefined) return {};
  return { idempotencyKey: i === 0 ? idempotencyKey : `${idempotencyKey}#${i + 1}` };
}

/** The events of the call that had this key, if there was one: those of this cortex, or else of the first. */
function* answered(tx: Transaction, call: Call, key: string): Steps<StoredEvent<any>[]> {
  const { definition, cortex, options, actions } = call;
  const table = definition.log;
  // "$" comes right after "#". From the index: by seq it would go through the whole log.
  const seqs = sql`select seq from ${table} where idempotency_key = ${key} union all
    select seq from ${table} where idempotency_key > ${`${key}#`} and idempotency_key < ${`${key}$`}`;
  const filters = [sql`seq in (${seqs})`];
  const found = yield* selectAll<any>(tx, { table, filters, key: "seq", order: "asc" });
  const heads = found.filter(({ idempotencyKey }) => idempotencyKey === key);
  const first = heads.find(({ cortexId }) => cortexId === cortex.id) ?? heads[0];
  if (!first) return [];
  const isSameKind = actions.includes(first.action) && first.actor === options.actor;
  if (!isSameKind || !(yield* isOfTable(tx, definition, first))) {
    throw new ConflictError("KEY_CONFLICT", undefined, cortex.id, first.id);
  }
  const isOfCall = /^#\d+$/;
  return found.filter(({ cortexId, idempotencyKey = "" }) => {
    const rest = idempotencyKey.slice(key.length);
    return cortexId === first.cortexId && (rest === "" || isOfCall.test(rest));
  });
}
