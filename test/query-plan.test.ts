import {
  append,
  appendQuery,
  divergences,
  events,
  feed,
  forTrace,
  getEvent,
  heads,
  latest,
  newULID,
  pages,
  since,
  ulidFactory,
} from "drizzle-event-log";
import { and, eq, gt } from "drizzle-orm";
import { beforeAll, describe, expect, test } from "vitest";
import { ALPHA, BETA, drivers, event, type Libsql, seeded } from "./fixture.js";
import { ACTOR, capture, ID, indexesIn, KEY, PLACE, PRIMARY, TRACE } from "./plan.js";

const SIZE = 4000;
const makeId = ulidFactory({ now: () => Date.UTC(2026, 0), randomness: seeded(1) });
const counters = { [ALPHA]: 0, [BETA]: 0 };
const log = Array.from({ length: SIZE }, (_, i) => {
  const cortexId = i % 3 === 0 ? BETA : ALPHA;
  const counter = ++counters[cortexId]!;
  const action = i % 10 === 0 ? ("create" as const) : ("update" as const);
  const traceId = `trace-${i % 50}`;
  const told = { actor: `user-${i % 7}`, ...(i >= SIZE / 2 && { idempotencyKey: `key-${i}` }) };
  return event({ id: makeId(), action, traceId, cortexId, vclock: { [cortexId]: counter }, ...told });
});
/** A request that the log has answered, again. */
const retry = (i: number) => event({ ...log[SIZE / 2 + i], id: newULID(), vclock: undefined });
const middle = log[SIZE / 2]!.id!;

/** Each query, and the indexes its plan must name, in any order. */
const queries: [name: string, run: (db: Libsql) => unknown, ...uses: string[]][] = [
  ["forTrace", (db) => forTrace(db, "trace-1"), TRACE],
  ["forTrace with a limit", (db) => forTrace(db, "trace-1", { limit: 5 }), TRACE],
  ["forTrace newest first", (db) => forTrace(db, "trace-1", { order: "desc", limit: 5 }), TRACE],
  ["forTrace after", (db) => forTrace(db, "trace-1", { after: middle }), TRACE],
  ["forTrace before", (db) => forTrace(db, "trace-1", { before: middle, order: "desc" }), TRACE],
  ["forTrace between", (db) => forTrace(db, "trace-1", { after: middle, before: newULID() }), TRACE],
  ["since the beginning", (db) => since(db, "", 100), ID],
  ["since", (db) => since(db, middle, 100), ID],
  ["feed", (db) => feed(db), PRIMARY],
  ["feed after", (db) => feed(db, { after: 10, limit: 100 }), PRIMARY],
  ["feed of actions", (db) => feed(db, { actions: ["create", "trash"] }), PRIMARY],
  ["feed of a trace", (db) => feed(db, { traceId: "trace-1" }), PRIMARY],
  ["feed of a cortex", (db) => feed(db, { cortexId: BETA }), PRIMARY],
  [
    "feed with every filter",
    (db) => feed(db, { after: 10, actions: ["create"], traceId: "trace-1", cortexId: BETA }),
    PRIMARY,
  ],
  ["feed after an event", (db) => feed(db, { after: { seq: 1, id: log[0]!.id! } }), PRIMARY],
  [
    "feed after an event with every filter",
    (db) =>
      feed(db, {
        ...{ after: { seq: 1, id: log[0]!.id! }, actions: ["create"], traceId: "trace-1", cortexId: BETA },
      }),
    PRIMARY,
  ],
  ["pages", (db) => pages(db, { limit: SIZE + 1 }).next(), PRIMARY],
  ["feed of an actor", (db) => feed(db, { actor: "user-1" }), ACTOR],
  ["feed of an actor after", (db) => feed(db, { actor: "user-1", after: 10, limit: 100 }), ACTOR],
  [
    "feed of an actor after an event",
    (db) => feed(db, { actor: "user-1", after: { seq: 1, id: log[0]!.id! } }),
    ...[ACTOR, PRIMARY],
  ],
  [
    "feed of an actor with every filter",
    (db) => feed(db, { after: 10, actor: "user-1", actions: ["create"], traceId: "trace-1", cortexId: BETA }),
    ACTOR,
  ],
  ["pages of an actor", (db) => pages(db, { actor: "user-1", limit: SIZE + 1 }).next(), ACTOR],
  ["latest before", (db) => latest(db, { before: 100 }), PRIMARY],
  ["heads", (db) => heads(db, "trace-1"), TRACE, ID],
  ["divergences", (db) => divergences(db), "events_branched_index", TRACE, ID],
  [
    "divergences, one page of many",
    (db) => divergences(db, { limit: 3, after: "trace-2" }),
    "events_branched_index",
    TRACE,
    ID,
  ],
  ["latest", (db) => latest(db), PRIMARY],
  ["get", (db) => getEvent(db, middle), ID],
  [
    "append of a new event",
    (db) =>
      db.transaction((tx) => append(tx, event({ id: newULID(), vclock: { [ALPHA]: counters[ALPHA]! + 1 } }))),
    ...[PLACE, TRACE],
  ],
  ["append of an event whose id is yet to be made", (db) => db.transaction((tx) => append(tx, event()))],
  [
    "append of a stored batch",
    (db) => db.transaction((tx) => append(tx, log.slice(0, 500))),
    ...[ID, PLACE, PRIMARY],
  ],
  [
    "append of a stored batch with keys",
    (db) => db.transaction((tx) => append(tx, log.slice(-500))),
    ...[ID, PLACE, KEY, PRIMARY],
  ],
  ["appendQuery", (db) => appendQuery(db, [event(), event({ data: 1 })]), ID, KEY],
  ["appendQuery of a retry", (db) => appendQuery(db, retry(1)), ID, KEY],
  [
    "append of a new request",
    (db) => db.transaction((tx) => append(tx, event({ idempotencyKey: newULID() }))),
    KEY,
  ],
  ["append of a retry", (db) => db.transaction((tx) => append(tx, retry(1))), ID, KEY, PRIMARY],
  [
    "append of a batch of retries",
    (db) =>
      db.transaction((tx) =>
        append(
          tx,
          Array.from({ length: 500 }, (_, i) => retry(i)),
        ),
      ),
    ...[ID, KEY, PRIMARY],
  ],
  [
    "the app's own query: events of a cortex after a counter",
    (db) =>
      db
        .select()
        .from(events)
        .where(and(eq(events.cortexId, ALPHA), gt(events.counter, 10)))
        .orderBy(events.counter)
        .limit(100),
    PLACE,
  ],
  [
    "the app's own query: a trace's events",
    (db) => db.select().from(events).where(eq(events.traceId, "trace-1")).orderBy(events.id),
    TRACE,
  ],
];

describe.each(drivers)("on %s", (_, open) => {
  describe.each(["fresh", "analyzed"])("a %s log", (state) => {
    let captured: Awaited<ReturnType<typeof capture>>["captured"];
    let explain: Awaited<ReturnType<typeof capture>>["explain"];
    beforeAll(async () => {
      ({ captured, explain } = await capture(open, state, log, queries));
    });

    test.each(queries)("%s neither scans nor sorts", async (name, _run, ...uses) => {
      const statements = captured.get(name)!;
      expect(statements.length).toBeGreaterThan(0);
      const plan = (await Promise.all(statements.map(explain))).flat();
      const text = plan.join("\n");
      // A scan of json_each or of a subquery passes over what the query made itself, not over the log.
      const scans = plan.filter((step) =>
        /^SCAN (?!\S+ VIRTUAL TABLE|\(subquery|cortex$|CONSTANT ROW$)/.test(step),
      );
      expect(scans, text).toEqual([]);
      expect(text).not.toContain("USE TEMP B-TREE");
      expect(indexesIn(plan), text).toEqual(new Set(uses));
    });
  });
});
