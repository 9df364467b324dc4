import { clock, drifted, openCortex, ulidFactory } from "drizzle-event-log";
import { beforeAll, describe, expect, test } from "vitest";
import { ALPHA, BETA, drivers, event, type Libsql, seeded } from "./fixture.js";
import { capture, ID, indexesIn, KEY, PLACE, PRIMARY, TRACE } from "./plan.js";

const SIZE = 3000;
const makeId = ulidFactory({ now: () => Date.UTC(2026, 0), randomness: seeded(1) });
const cortexIds = [ALPHA, BETA, ...Array.from({ length: 20 }, makeId)];
const counters = new Map<string, number>();
const log = Array.from({ length: SIZE }, (_, i) => {
  const cortexId = cortexIds[i % cortexIds.length]!;
  counters.set(cortexId, (counters.get(cortexId) ?? 0) + 1);
  const vclock = { [cortexId]: counters.get(cortexId)! };
  return event({
    id: makeId(),
    action: i < 50 ? "create" : "update",
    traceId: `t${i % 50}`,
    cortexId,
    vclock,
    idempotencyKey: `key-${i}`,
  });
});

// Opened anew by each query: a cortex that has written has less to look up.
const plain = () => openCortex({ id: ALPHA, origin: "alpha" });
const strict = () => openCortex({ id: ALPHA, origin: "alpha", lifecycle: true });
const early = () => openCortex({ id: ALPHA, origin: "alpha", now: () => 0, maxDrift: 0 });
const update = { action: "update", traceId: "t1" } as const;
const request = { ...update, idempotencyKey: "new" };
const retry = { ...update, idempotencyKey: `key-${51}` };
const stamping = [PLACE, ID, TRACE];

/** Each query, the number of its statements, and the indexes its plans must name, in any order. */
const queries: [name: string, run: (db: Libsql) => unknown, statements: number, ...uses: string[]][] = [
  ["append", (db) => db.transaction((tx) => plain().append(tx, update)), 2, PLACE, ID],
  [
    "two appends",
    (db) => {
      const cortex = plain();
      return db.transaction((tx) => {
        cortex.append(tx, update);
        return cortex.append(tx, update);
      });
    },
    3,
    ...[PLACE, ID, "INTEGER PRIMARY KEY"],
  ],
  [
    "append of a batch",
    (db) => db.transaction((tx) => plain().append(tx, Array(500).fill(update))),
    2,
    ...[PLACE, ID],
  ],
  [
    "append with expect",
    (db) => db.transaction((tx) => plain().append(tx, { ...update, traceId: "new", expect: "none" })),
    3,
    ...stamping,
  ],
  ["append with lifecycle", (db) => db.transaction((tx) => strict().append(tx, update)), 3, ...stamping],
  [
    "append with a key",
    (db) => db.transaction((tx) => plain().append(tx, request)),
    3,
    KEY,
    PRIMARY,
    PLACE,
    ID,
  ],
  ["append of a retry", (db) => db.transaction((tx) => plain().append(tx, retry)), 1, KEY, PRIMARY],
  [
    "append with a key, and one more",
    (db) => {
      const cortex = plain();
      return db.transaction((tx) => {
        cortex.append(tx, { ...update, idempotencyKey: "one" });
        return cortex.append(tx, { ...update, idempotencyKey: "other" });
      });
    },
    4,
    ...[KEY, PRIMARY, PLACE, ID],
  ],
  [
    "append of a batch with keys, expect and lifecycle",
    (db) =>
      db.transaction((tx) =>
        strict().append(tx, [
          { idempotencyKey: "x", action: "create", traceId: "x", expect: "none" },
          { idempotencyKey: "y", ...update },
        ]),
      ),
    4,
    ...[KEY, PRIMARY, ...stamping],
  ],
  [
    "append under ids too far ahead",
    (db) => db.transaction((tx) => early().append(tx, update)),
    3,
    ...[PLACE, ID],
  ],
  ["clock", (db) => clock(db), 1, PLACE],
  ["drifted", (db) => drifted(db), 1, ID],
];

describe.each(drivers)("on %s", (_, open) => {
  describe.each(["fresh", "analyzed"])("a %s log", (state) => {
    let captured: Awaited<ReturnType<typeof capture>>["captured"];
    let explain: Awaited<ReturnType<typeof capture>>["explain"];
    beforeAll(async () => {
      ({ captured, explain } = await capture(open, state, log, queries));
    });

    test.each(queries)("%s neither scans nor sorts", async (name, _run, count, ...uses) => {
      const statements = captured.get(name)!;
      expect(statements.map(({ sql }) => sql)).toHaveLength(count);
      const plan = (await Promise.all(statements.map(explain))).flat();
      const text = plan.join("\n");
      // A scan of json_each, of a subquery or of the recursion passes over what the query made itself.
      const scans = plan.filter((step) =>
        /^SCAN (?!\S+ VIRTUAL TABLE|\(subquery|cortex$|CONSTANT ROW$)/.test(step),
      );
      expect(scans, text).toEqual([]);
      expect(text).not.toContain("USE TEMP B-TREE");
      // Where min() or max() reads an index from its end SQLite says SEARCH also without a bound to seek to.
      const searches = plan.filter((step) => step.startsWith("SEARCH events"));
      expect(
        searches.filter((step) => !/ \(.*[=<>]\?\)$/.test(step)),
        text,
      ).toEqual([]);
      expect(indexesIn(plan), text).toEqual(new Set(uses));
    });

    test("the clock is read from its covering index alone", async () => {
      const [statement] = captured.get("clock")!;
      const plan = await explain(statement!);
      const bounds = ["(cortex_id>?)", "(cortex_id>?)", "(cortex_id=?)"];
      expect(plan.filter((step) => step.includes("events"))).toEqual(
        bounds.map((bound) => `SEARCH events USING COVERING INDEX ${PLACE} ${bound}`),
      );
    });

    test("what an append looks up of the log is in indexes alone, but for its cortex's last hash", async () => {
      const plan = await explain(captured.get("append")![0]!);
      const rows = plan.filter((step) => /^SEARCH events USING INDEX/.test(step));
      expect(rows, plan.join("\n")).toEqual([`SEARCH events USING INDEX ${PLACE} (cortex_id=?)`]);
    });
  });
});
