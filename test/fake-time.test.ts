// An app's own tests fake time to have their dates: nobody turns the clock on while they await the database.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { append, consume, feed, openCortex, pages, type StoredEvent, tail } from "drizzle-event-log";
import { databasePeer, pull } from "drizzle-event-log/federation";
import { openLibsql as open, writeTogether, writeTransaction } from "drizzle-event-log/libsql";
import { migrateEvents } from "drizzle-event-log/migrations";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ALPHA, event } from "./fixture.js";

type Libsql = Awaited<ReturnType<typeof open>>;

const directory = mkdtempSync(join(tmpdir(), "event-log-fake-time-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const count = (n: number) => Array.from({ length: n }, (_, i) => i);
const addTo = (db: Libsql, events: unknown[]) => db.transaction((tx) => append(tx, events as never));
const add = (data: number) => (tx: Parameters<typeof append>[0]) =>
  append(tx, event({ data })) as Promise<unknown>;

const USES: Record<string, (db: Libsql, other: Libsql) => Promise<unknown>> = {
  "one append after another, for longer than a turn of the event loop": async (db) => {
    for (const i of count(100)) await addTo(db, [event({ data: i })]);
  },
  "fifty writeTransactions at once": (db) => Promise.all(count(50).map((i) => writeTransaction(db, add(i)))),
  "fifty writeTogether at once": (db) => Promise.all(count(50).map((i) => writeTogether(db, add(i)))),
  "a history that is read a piece at a time": async (db) => {
    for (const _ of count(3))
      await addTo(
        db,
        count(1000).map((data) => event({ data })),
      );
    const read: StoredEvent[] = [];
    for await (const page of pages(db)) read.push(...page);
    expect(read).toHaveLength(3000);
  },
  "a pull of several pages": async (db, other) => {
    const cortex = openCortex({ id: ALPHA, origin: "other" });
    const mutations = count(60).map((data) => ({ action: "create" as const, traceId: "t", data }));
    await writeTransaction(other, (tx) => cortex.append(tx, mutations));
    expect(await pull(db, databasePeer(other), { limit: 20 })).toMatchObject({ stored: 60 });
  },
};

async function waitForEvent(db: Libsql): Promise<void> {
  const stop = new AbortController();
  const following = tail(db, { signal: stop.signal }).next();
  const consumed = new Promise((resolve) => {
    void consume(db, "c", (_tx, events) => resolve(events), { signal: stop.signal });
  });
  await addTo(db, [event()]);
  expect(await following).toMatchObject({ value: [{ seq: 1 }] });
  expect(await consumed).toMatchObject([{ seq: 1 }]);
  stop.abort();
}

const FAKED = ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate", "Date"] as const;
const FAKES = { "all timers": undefined, "timers but not performance.now": { toFake: [...FAKED] } };

describe.each(Object.entries(FAKES))("with %s faked", (_name, fakes) => {
  // In memory nothing can be read beside an open transaction.
  const uses = {
    memory: USES,
    file: { ...USES, "a tail and a consumer that wait for an event": waitForEvent },
  };

  describe.each(Object.entries(uses))("in %s", (place, uses) => {
    let opened: Libsql[];
    beforeEach(async () => {
      vi.useFakeTimers({ ...fakes, now: Date.UTC(2030, 0, 1) });
      opened = await Promise.all(
        count(2).map((i) =>
          open(place === "file" ? `file:${join(directory, `${newName()}-${i}.db`)}` : ":memory:"),
        ),
      );
      for (const db of opened) await migrateEvents(db);
    });
    afterEach(() => {
      vi.useRealTimers();
      for (const db of opened) db.$client.close();
    });

    test.each(Object.entries(uses))("%s", async (_use, run) => {
      const [db, other] = opened as [Libsql, Libsql];
      await run(db, other);
      const [first] = await feed(db, { limit: 1 });
      expect(first!.timestamp).toMatch(/^2030-01-01T00:00:00/);
    });
  });
});

let names = 0;
const newName = () => `log-${names++}`;
