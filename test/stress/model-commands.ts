import { deepStrictEqual } from "node:assert";
import {
  append,
  clock,
  drifted,
  type Event,
  feed,
  forTrace,
  getEvent,
  isULID,
  latest,
  type NewEvent,
  openCortex,
  pages,
  type StoredEvent,
  since,
} from "drizzle-event-log";
import { writeTransaction } from "drizzle-event-log/libsql";
import fc from "fast-check";
import type { Log as Database, Tx } from "./log.js";
import {
  byId,
  type Change,
  clockOf,
  encode,
  type Log,
  MAX_DRIFT,
  type Outcomes,
  type Prediction,
  predictAppend,
  predictCortex,
  timeOf,
  type Writer,
} from "./model-reference.js";

export interface Model {
  log: Log;
  outcomes: Outcomes;
  /** The control: a reference that is wrong. */
  forgetsRollbacks: boolean;
}

export interface System {
  db: Database;
  /** The wall clock, in milliseconds. */
  now: number;
  randomness: () => number;
}

type Reader = Database | Tx;
type Step = (context: { tx: Tx; log: Log; model: Model; system: System }) => Promise<void>;
type Named<T> = T & { toString(): string };

export const START = 1_800_000_000_000;
const ALPHA = "01BX5ZZKBKACTAV9WEVGEMMVS0";
const BETA = "01BX5ZZKBKACTAV9WEVGEMMVS1";
const PEER = "01BX5ZZKBKACTAV9WEVGEMMVS2";
const WRITERS: readonly Writer[] = [
  { id: ALPHA, origin: "alpha", skew: 0, lifecycle: false },
  { id: ALPHA, origin: "alpha too", skew: -2_000, lifecycle: true },
  { id: BETA, origin: "beta", skew: 60_000, lifecycle: false },
];
// Early, about now, at the bound of what is followed, and far beyond it; one has no successor in its millisecond.
const IDS = [
  ...[0, START - 1, START, START + 50_000, START + MAX_DRIFT, START + MAX_DRIFT + 1, 2 * START],
].flatMap((time) => [encode((BigInt(time) << 80n) + 7n), encode((BigInt(time) << 80n) + ((1n << 80n) - 1n))]);
const WITHDRAWN = new Error("the app withdraws");

const traceId = fc.constantFrom("a", "b", "c");
const action = fc.constantFrom(
  "create",
  "update",
  "archive",
  "unarchive",
  "trash",
  "recover",
  "purge",
  "note",
);
const data = fc.constantFrom(undefined, null, 1, "text", { a: [1, { b: null }] });
const actor = fc.constantFrom(undefined, undefined, "user-1", "user-2");
const givenId = fc.constantFrom(...IDS);
const position = fc.nat({ max: 1000 });
const rarely = <T, U>(usual: fc.Arbitrary<T>, rare: fc.Arbitrary<U>) =>
  fc.oneof({ weight: 14, arbitrary: usual }, { weight: 1, arbitrary: rare });
const idempotencyKey = rarely(
  fc.constantFrom(undefined, undefined, undefined, "key-1", "key-2", "key-3"),
  fc.constant(""),
);
const at = <T>(list: readonly T[], n: number): T | undefined => list[n % Math.max(1, list.length)];
const batchOf = <T>(one: fc.Arbitrary<T>) => fc.array(one, { minLength: 1, maxLength: 4 });

export function newModel(outcomes: Outcomes, forgetsRollbacks: boolean): Model {
  return { log: [], outcomes, forgetsRollbacks };
}

function hit({ outcomes }: Model, outcome: string): void {
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
}

function named<T extends object>(run: T, what: unknown): Named<T> {
  return Object.assign(run, { toString: () => fc.stringify(what) });
}

// --- Steps inside a transaction ---------------------------------------------------------------------------

/** A peer's event; or one that is in the log already (`again`), as it is or changed. */
const plainEvent = fc.record({
  again: fc.option(position, { freq: 3 }),
  changed: fc.constantFrom("nothing", "origin", "id", "id and clock"),
  id: rarely(fc.option(givenId, { nil: undefined, freq: 2 }), fc.constant("01bx5zzkbkactav9wevgemmvs0")),
  traceId: rarely(traceId, fc.constant("")),
  action: rarely(action, fc.constant("bad action")),
  cortexId: fc.constantFrom(ALPHA, BETA, PEER),
  data: rarely(data, fc.constant(Number.NaN)),
  actor,
  idempotencyKey,
  counter: fc.option(fc.integer({ min: 1, max: 3 }), { freq: 3 }),
  badClock: rarely(fc.constant(false), fc.constant(true)),
});

function plainOf(log: Log, spec: typeof plainEvent extends fc.Arbitrary<infer T> ? T : never): NewEvent {
  const { again, changed, counter, badClock, data, actor, idempotencyKey, ...rest } = spec;
  const old = again === null ? undefined : at(log, again);
  if (old) {
    const { seq: _, id, ...event } = old;
    if (changed === "id") return event;
    // With a key, a retry; else a new event.
    if (changed === "id and clock") {
      const { vclock: _, ...without } = event;
      return without;
    }
    return { ...event, id, ...(changed === "origin" && { origin: "another" }) };
  }
  // Mostly its cortex's next.
  const own = counter === 3 ? counter : (clockOf(log)[rest.cortexId] ?? 0) + 1;
  const vclock = badClock ? { [ALPHA]: 0 } : counter === null ? undefined : { [rest.cortexId]: own };
  const { id, ...fields } = rest;
  return {
    ...{ ...fields, origin: "peer" },
    ...(id !== undefined && { id }),
    ...optional({ data, actor, idempotencyKey, vclock }),
  } as NewEvent;
}

/** Without the entries that are undefined. */
function optional<T extends object>(fields: T) {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

const appendStep = fc
  .record({ events: batchOf(plainEvent), single: fc.boolean() })
  .map((spec): Named<Step> => {
    const step: Step = async ({ tx, log, model }) => {
      const events = spec.events.map((event) => plainOf(log, event));
      const input = spec.single ? events.slice(0, 1) : events;
      const run = () => (spec.single ? append(tx, input[0]!) : append(tx, input));
      await appended(model, log, run, (ids) =>
        predictAppend(
          log,
          input.map((event, i) => ({ ...event, id: event.id ?? madeFor(i, ids, log) })),
        ),
      );
    };
    return named(step, { append: spec });
  });

/** The id that was made for an event; one that answers a retry was made for another. */
function madeFor(i: number, ids: readonly string[], log: Log): string {
  const id = ids[i];
  const isAnswer = id === undefined || ids.indexOf(id) < i || log.some((event) => event.id === id);
  return isAnswer ? unused(i) : id;
}

/** Stands for an id of the log's own making, where it makes none. */
const unused = (i: number) => encode((1n << 120n) + BigInt(i));

const change = fc.record({
  again: fc.option(position, { freq: 3 }),
  changed: fc.boolean(),
  traceId: rarely(traceId, fc.constant("")),
  action: rarely(action, fc.constant("bad action")),
  data: rarely(data, fc.constant(Number.NaN)),
  actor,
  idempotencyKey,
  expect: rarely(fc.constantFrom(undefined, undefined, "head", "none", "other"), fc.constant("bad")),
});

function changeOf(log: Log, spec: typeof change extends fc.Arbitrary<infer T> ? T : never): Change {
  // A retry of any cortex's request.
  const keyed = log.filter((event) => event.idempotencyKey !== undefined);
  const old = spec.again === null ? undefined : at(keyed, spec.again);
  if (old) {
    const { action, traceId, data, actor, idempotencyKey } = old;
    return { action: spec.changed ? "note" : action, traceId, ...optional({ data, actor, idempotencyKey }) };
  }
  const { traceId, action, data, actor, idempotencyKey } = spec;
  const heads: Record<string, number | string> = {
    head: log.findLast((event) => event.traceId === traceId)?.seq ?? "none",
    other: 1,
    none: "none",
    bad: "bad",
  };
  const expect = spec.expect && heads[spec.expect];
  return {
    ...{ action, traceId },
    ...optional({ data, actor, idempotencyKey, expect }),
  };
}

const cortexStep = fc
  .record({ writer: fc.constantFrom(...WRITERS), changes: batchOf(change), single: fc.boolean() })
  .map((spec): Named<Step> => {
    const step: Step = async ({ tx, log, model, system }) => {
      const { writer, single } = spec;
      const { id, origin, lifecycle } = writer;
      const cortex = openCortex({
        id,
        origin,
        lifecycle,
        now: () => system.now + writer.skew,
        randomness: system.randomness,
      });
      const changes = spec.changes.map((one) => changeOf(log, one));
      const input = single ? changes.slice(0, 1) : changes;
      // Wrong values are part of what is sent.
      const run = () => cortex.append(tx, (single ? input[0] : input) as never);
      await appended(model, log, run, (ids) => predictCortex(log, writer, input, system.now, ids));
    };
    return named(step, { cortex: spec });
  });

/** Runs an append, holds it against the prediction, and brings the reference up to date. */
async function appended(
  model: Model,
  log: Log,
  run: () => Promise<StoredEvent | StoredEvent[]>,
  predict: (ids: readonly string[]) => Prediction,
): Promise<void> {
  const { answer, error } = await settled(run);
  const events = answer === undefined ? [] : [answer].flat();
  const prediction = predict(events.map(({ id }) => id));
  if ("error" in prediction) {
    deepStrictEqual(codeOf(error), prediction.error);
    hit(model, prediction.error.startsWith("INVALID_") ? "InputError" : prediction.error);
    throw error;
  }
  if (error) throw error;
  deepStrictEqual(events, prediction.answer);
  deepStrictEqual(
    events.every(({ id }) => isULID(id)),
    true,
  );
  for (const _ of prediction.fresh) hit(model, "stored");
  if (prediction.fresh.length < events.length) hit(model, "duplicate");
  if (events.length > 1) hit(model, "batch");
  log.push(...prediction.fresh);
}

async function settled<T>(run: () => Promise<T>): Promise<{ answer?: T; error?: unknown }> {
  try {
    return { answer: await run() };
  } catch (error) {
    return { error };
  }
}

const codeOf = (error: unknown) => (error as { code?: unknown } | undefined)?.code;
const isRefusal = (error: unknown) =>
  ["InputError", "ConflictError", "TraceError"].includes((error as Error | undefined)?.name ?? "");

const simpleStep = fc.oneof(
  { weight: 3, arbitrary: appendStep },
  { weight: 4, arbitrary: cortexStep },
  { weight: 2, arbitrary: readStep() },
);

const nestedStep = fc
  .record({ steps: fc.array(simpleStep, { maxLength: 3 }), rollsBack: fc.boolean() })
  .map(({ steps, rollsBack }): Named<Step> => {
    const step: Step = async ({ tx, log, model, system }) => {
      const inner = [...log];
      const { error } = await settled(() =>
        tx.transaction(async (innerTx) => {
          for (const one of steps) await one({ tx: innerTx as Tx, log: inner, model, system });
          if (rollsBack) throw WITHDRAWN;
        }),
      );
      if (error && error !== WITHDRAWN && !isRefusal(error)) throw error;
      hit(model, error ? "nested rolled back" : "nested kept");
      if (!error || model.forgetsRollbacks) log.splice(0, log.length, ...inner);
    };
    return named(step, { nested: { steps: steps.map(String), rollsBack } });
  });

const step = fc.oneof({ weight: 6, arbitrary: simpleStep }, { weight: 1, arbitrary: nestedStep });

// --- Reads, in a transaction or outside -------------------------------------------------------------------

function readStep(): fc.Arbitrary<Named<Step>> {
  return readArbitrary().map((read) =>
    named<Step>(({ tx, log, model, system }) => read(tx, log, model, system), { read: String(read) }),
  );
}

type Read = (db: Reader, log: Log, model: Model, system: System) => Promise<void>;

function readArbitrary(): fc.Arbitrary<Named<Read>> {
  const spec = fc.record({
    what: fc.constantFrom(
      "feed",
      "cursor",
      "pages",
      "forTrace",
      "since",
      "latest",
      "get",
      "clock",
      "drifted",
      "bad limit",
    ),
    place: position,
    limit: fc.integer({ min: 1, max: 8 }),
    order: fc.constantFrom("asc" as const, "desc" as const),
    traceId: fc.option(traceId),
    cortexId: fc.option(fc.constantFrom(ALPHA, BETA, PEER)),
    actions: fc.option(fc.uniqueArray(action, { maxLength: 4 })),
    actor,
  });
  return spec.map((spec) => {
    const { what, place, limit, order, traceId } = spec;
    const filters = {
      ...(traceId && { traceId }),
      ...(spec.cortexId && { cortexId: spec.cortexId }),
      ...(spec.actor && { actor: spec.actor }),
      ...(spec.actions && { actions: spec.actions as Event["action"][] }),
    };
    const passes = (event: StoredEvent) =>
      (!traceId || event.traceId === traceId) &&
      (!spec.cortexId || event.cortexId === spec.cortexId) &&
      (!spec.actor || event.actor === spec.actor) &&
      (!spec.actions || spec.actions.includes(event.action));
    const read: Read = async (db, log, model, system) => {
      const old = at(log, place);
      const seq = old?.seq ?? 0;
      const wanted = log.filter((event) => event.seq > seq && passes(event));
      let outcome: string = what;
      if (what === "feed") {
        deepStrictEqual(await feed(db, { after: seq, limit, ...filters }), wanted.slice(0, limit));
      } else if (what === "cursor") {
        const moved = place % 3 === 0;
        const after = { seq: moved ? seq + 1 : Math.max(1, seq), id: old?.id ?? IDS[0]! };
        const { answer, error } = await settled(() => feed(db, { after, limit, ...filters }));
        if (old && !moved) deepStrictEqual(answer, wanted.slice(0, limit));
        else {
          deepStrictEqual(codeOf(error), "LOG_REPLACED");
          outcome = "LOG_REPLACED";
        }
      } else if (what === "pages") {
        const all: StoredEvent[][] = [];
        for await (const page of pages(db, { after: seq, limit, ...filters })) all.push(page);
        deepStrictEqual(all.flat(), wanted);
        deepStrictEqual(
          all.slice(0, -1).every((page) => page.length === limit),
          true,
        );
      } else if (what === "forTrace") {
        const trace = byId(log.filter((event) => event.traceId === (traceId ?? "a")));
        if (order === "desc") trace.reverse();
        const from = old?.id ?? "";
        const on = old ? { [order === "asc" ? "after" : "before"]: from } : {};
        const rest = trace.filter(({ id }) => !old || (order === "asc" ? id > from : id < from));
        deepStrictEqual(await forTrace(db, traceId ?? "a", { order, limit, ...on }), rest.slice(0, limit));
        deepStrictEqual(await forTrace(db, traceId ?? "a", { order }), trace);
      } else if (what === "since") {
        const after = old?.id ?? "";
        const rest = byId(log).filter(({ id }) => id > after);
        deepStrictEqual(await since(db, after, limit), rest.slice(0, limit));
      } else if (what === "latest") {
        deepStrictEqual(await latest(db, { limit }), log.slice(-limit).reverse());
        const before = log.filter((event) => event.seq < seq);
        if (old) deepStrictEqual(await latest(db, { limit, before: seq }), before.slice(-limit).reverse());
      } else if (what === "get") {
        deepStrictEqual(await getEvent(db, old?.id ?? IDS[0]!), old);
        const id = IDS[place % IDS.length]!;
        deepStrictEqual(
          await getEvent(db, id),
          log.find((event) => event.id === id),
        );
      } else if (what === "clock") {
        deepStrictEqual(await clock(db), clockOf(log));
      } else if (what === "drifted") {
        const far = byId(log).filter(({ id }) => timeOf(id) > system.now + MAX_DRIFT);
        deepStrictEqual(await drifted(db, { now: () => system.now, limit }), far.slice(0, limit));
      } else {
        const { error } = await settled(async () => latest(db, { limit: 0 }));
        deepStrictEqual(codeOf(error), "INVALID_LIMIT");
        outcome = "InputError";
      }
      hit(model, outcome);
    };
    return named(read, spec);
  });
}

// --- Commands ---------------------------------------------------------------------------------------------

type Command = fc.AsyncCommand<Model, System>;

function command(run: (model: Model, system: System) => Promise<void>, what: unknown): Command {
  return { check: () => true, run, toString: () => fc.stringify(what) };
}

const transactionCommand = fc
  .record({
    steps: fc.array(step, { minLength: 1, maxLength: 4 }),
    ending: fc.constantFrom("commit", "commit", "roll back"),
    // Whether the app goes on after a refusal: nothing was written by it.
    goesOn: fc.boolean(),
  })
  .map(({ steps, ending, goesOn }) =>
    command(
      async (model, system) => {
        const log = [...model.log];
        const { error } = await settled(() =>
          writeTransaction(system.db, async (tx) => {
            for (const one of steps) {
              const { error } = await settled(() => one({ tx, log, model, system }));
              if (error && !(goesOn && isRefusal(error))) throw error;
            }
            if (ending === "roll back") throw WITHDRAWN;
          }),
        );
        if (error && error !== WITHDRAWN && !isRefusal(error)) throw error;
        hit(model, error ? "rolled back" : "committed");
        if (!error || model.forgetsRollbacks) model.log = log;
        deepStrictEqual(await feed(system.db), model.log);
      },
      { transaction: { steps: steps.map(String), ending, goesOn } },
    ),
  );

const readCommand = readArbitrary().map((read) =>
  command((model, system) => read(system.db, model.log, model, system), { read: String(read) }),
);

const tickCommand = fc.constantFrom(0, 1, 1, 1_000, -1, -5_000, MAX_DRIFT, 400_000, -400_000).map((by) =>
  command(
    async (_, system) => {
      system.now += by;
    },
    { tick: by },
  ),
);

const outsideCommand = fc.constant(
  command(async (model, { db }) => {
    const event = { action: "update" as const, traceId: "a", cortexId: ALPHA, origin: "alpha" };
    const { error } = await settled(async () => append(db as never, event));
    deepStrictEqual(codeOf(error), "NOT_A_TRANSACTION");
    hit(model, "NOT_A_TRANSACTION");
  }, "append outside a transaction"),
);

export const arbitraryCommands = fc.commands(
  [transactionCommand, transactionCommand, transactionCommand, readCommand, tickCommand, outsideCommand],
  { maxCommands: 30, size: "max" },
);
