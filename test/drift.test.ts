// What `expect` and `lifecycle` promise where ids come from the future, or events come late.
import {
  type Action,
  append,
  forTrace,
  newULID,
  openCortex,
  TraceError,
  ulidFactory,
} from "drizzle-event-log";
import { databasePeer, pull } from "drizzle-event-log/federation";
import { sql } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { ALPHA, BETA, errorOf, event, openSqlite, seeded } from "./fixture.js";

const NOW = Date.UTC(2026, 0);
const DAY = 86_400_000;
const GAMMA = "01BX5ZZKBKACTAV9WEVGEMMVSC";

/** A log, and a cortex whose clock is so far ahead. */
function openNode(id: string, ahead = 0, lifecycle = false) {
  const { db } = openSqlite();
  const node = { time: NOW + ahead };
  const cortex = openCortex<Action>({ id, origin: "node", lifecycle, now: () => node.time });
  const add = (action: Action, expected?: number | "none") =>
    db.transaction((tx) =>
      cortex.append(tx, {
        ...{ action, traceId: "trace" },
        ...(expected !== undefined && { expect: expected }),
      }),
    );
  return { db, node, add };
}

type Node = ReturnType<typeof openNode>;

const take = async (to: Node, from: Node) => {
  expect((await pull(to.db, databasePeer(from.db))).refused).toEqual([]);
};
const actions = ({ db }: Node) => db.values<[string]>(sql`select action from events order by seq`).flat();

describe("expect", () => {
  test("of two writers with the same expectation one fails, also under a head beyond maxDrift", async () => {
    const [here, ahead] = [openNode(ALPHA), openNode(BETA, DAY)];
    ahead.add("create");
    await take(here, ahead);
    const { seq } = forTrace(here.db, "trace")[0]!;
    const first = here.add("update", seq);
    expect(await errorOf(() => here.add("update", seq))).toMatchObject({
      ...{ name: "TraceError", code: "STALE_HEAD", expected: seq, actual: first.seq },
    });
    here.add("update", first.seq);
    expect(actions(here)).toEqual(["create", "update", "update"]);
  });

  test("an event that comes late, with a lower id than the trace's others, is noticed", async () => {
    const [here, behind] = [openNode(ALPHA), openNode(BETA, -DAY)];
    const { seq } = here.add("create", "none");
    behind.add("create");
    await take(here, behind);
    const late = forTrace(here.db, "trace")[0]!;
    expect([late.cortexId, late.seq]).toEqual([BETA, 2]);
    expect(await errorOf(() => here.add("update", seq))).toMatchObject({ code: "STALE_HEAD", actual: 2 });
    here.add("update", late.seq);
  });

  test("so is one without a clock", async () => {
    const { db, add } = openNode(ALPHA);
    const { seq } = add("create", "none");
    const id = ulidFactory({ now: () => NOW - DAY })();
    const local = db.transaction((tx) => append(tx, event({ id })));
    expect(await errorOf(() => add("update", seq))).toMatchObject({ actual: local.seq });
    add("update", local.seq);
  });
});

describe("lifecycle", () => {
  test("after a drifted trash, recover works once", async () => {
    const [here, ahead] = [openNode(ALPHA, 0, true), openNode(BETA, DAY)];
    here.add("create");
    await take(ahead, here);
    ahead.add("trash");
    await take(here, ahead);
    expect(await errorOf(() => here.add("update"))).toBe(undefined);
    here.add("recover");
    expect(await errorOf(() => here.add("recover"))).toMatchObject({
      ...{ name: "TraceError", code: "LIFECYCLE", expected: "recover", actual: "active" },
    });
    here.add("archive");
    expect(await errorOf(() => here.add("archive"))).toMatchObject({ actual: "archived" });
  });

  test("after purge nothing works, whatever was drifted before, and when its time has come", async () => {
    const [here, ahead] = [openNode(ALPHA, 0, true), openNode(BETA, DAY)];
    here.add("create");
    await take(ahead, here);
    ahead.add("trash");
    await take(here, ahead);
    here.add("purge");
    for (const now of [NOW, NOW + 2 * DAY]) {
      here.node.time = now;
      for (const action of ["update", "recover", "create", "purge"] as const) {
        expect(await errorOf(() => here.add(action))).toBeInstanceOf(TraceError);
      }
    }
    expect(actions(here)).toEqual(["create", "trash", "purge"]);
  });

  test("what comes late does not undo what was done after it", async () => {
    const [here, behind] = [openNode(ALPHA, 0, true), openNode(BETA, -DAY)];
    here.add("create");
    await take(behind, here);
    behind.node.time = NOW;
    behind.add("archive");
    here.node.time = NOW + 1000;
    here.add("trash");
    here.add("purge");
    await take(here, behind);
    expect(await errorOf(() => here.add("unarchive"))).toMatchObject({ actual: "gone" });
  });

  test("a mutation without a transition decides nothing, and each in a batch counts those before it", async () => {
    const { db, add } = openNode(ALPHA, 0, true);
    add("create");
    const cortex = openCortex<Action>({ id: ALPHA, origin: "node", lifecycle: true, now: () => NOW });
    const batch = (...list: Action[]) =>
      db.transaction((tx) =>
        cortex.append(
          tx,
          list.map((action) => ({ action, traceId: "trace" })),
        ),
      );
    batch("update", "trash", "recover", "archive");
    expect(await errorOf(() => batch("unarchive", "unarchive"))).toMatchObject({ actual: "active" });
    batch("unarchive", "update");
  });

  test("logs with the same events agree on the state, in whatever order those came", async () => {
    for (let seed = 0; seed < 12; seed++) {
      const random = seeded(seed);
      const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
      // Clocks that are up to two days apart, so that many an id is from the future.
      const nodes = [ALPHA, BETA, GAMMA].map((id) => openNode(id, Math.floor(random() * 2 * DAY), true));
      for (let i = 0; i < 25; i++) {
        const node = pick(nodes);
        if (random() < 0.4) await take(node, pick(nodes));
        else await errorOf(() => node.add(pick(["create", "archive", "unarchive", "trash", "recover"])));
      }
      for (const to of [...nodes, ...nodes]) for (const from of nodes) await take(to, from);
      const states = await Promise.all(
        nodes.map(({ db }) => {
          const probe = openCortex({ id: newULID(), origin: "probe", lifecycle: true, now: () => NOW });
          return errorOf(() =>
            db.transaction((tx) => {
              probe.append(tx, { action: "create", traceId: "trace" });
              throw new Error("new");
            }),
          );
        }),
      );
      expect(new Set(states.map((error) => (error as TraceError).actual)).size, `seed ${seed}`).toBe(1);
    }
  });
});
