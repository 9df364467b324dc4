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
import { capture, indexesIn } from "./plan.js";

const PRIMARY = "INTEGER PRIMARY KEY";
const ID = "events_id_unique";
const TRACE = "events_trace_id_id_index";
const PLACE = "events_cortex_id_counter_unique";

const SIZE = 4000;
const makeId = ulidFactory({ now: () => Date.UTC(2026, 0), randomness: seeded(1) });
const log = Array.from({ length: SIZE }, (_, i) => {
  const cortexId = i % 3 === 0 ? BETA : ALPHA;
  const action = i % 10 === 0 ? ("create" as const) : ("update" as const);
  return event({ id: makeId(), action, traceId: `trace-${i % 50}`, cortexId, vclock: { [cortexId]: i + 1 } });
});
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
  ["heads", (db) => heads(db, "trace-1"), TRACE],
  ["divergences", (db) => divergences(db), "events_branched_index", TRACE],
  ["latest", (db) => latest(db), PRIMARY],
  ["get", (db) => getEvent(db, middle), ID],
  [
    "append of a new event",
    (db) => db.transaction((tx) => append(tx, event({ id: newULID(), vclock: { [ALPHA]: SIZE + 1 } }))),
    TRACE,
  ],
  ["append of an event whose id is yet to be made", (db) => db.transaction((tx) => append(tx, event()))],
  [
    "append of a stored batch",
    (db) => db.transaction((tx) => append(tx, log.slice(0, 500))),
    ID,
    PLACE,
    PRIMARY,
    TRACE,
  ],
  ["appendQuery", (db) => appendQuery(db, [event(), event({ vclock: { [ALPHA]: SIZE + 9 } })]), ID],
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
      const scans = plan.filter((step) => /^SCAN (?!\S+ VIRTUAL TABLE|\(subquery|CONSTANT ROW$)/.test(step));
      expect(scans, text).toEqual([]);
      expect(text).not.toContain("USE TEMP B-TREE");
      expect(indexesIn(plan), text).toEqual(new Set(uses));
    });
  });
});
