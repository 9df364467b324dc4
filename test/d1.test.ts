import { openCortex } from "drizzle-event-log";
import { httpPeer, pull } from "drizzle-event-log/federation";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startWorkers, type Workers } from "./d1/workers.js";
import { writeTogether } from "./d1/writers.js";
import { BETA, everything, openLibsql } from "./fixture.js";

const WRITERS = 8;
let workers: Workers;
beforeAll(async () => {
  workers = await startWorkers(WRITERS, ["served", "pulled", "append", "naive"]);
}, 60_000);
afterAll(() => workers.close());

test("a Worker migrates, appends through a cortex and serves the log", async () => {
  expect(await workers.ask(0, "/served/migrate")).toEqual({ ok: true, problems: [] });
  for (const writer of [0, 1, 2]) {
    await workers.ask(writer, "/served/append", {
      writer,
      mutation: { action: "create", traceId: `trace-${writer}` },
    });
  }
  const { db } = await openLibsql();
  const peer = httpPeer("http://worker/served/log", { fetch: workers.fetch(3) });
  expect(await pull(db, peer)).toMatchObject({ stored: 3, refused: [] });
  const { events, tally } = await workers.ask(4, "/served/audit");
  expect([await everything(db), tally]).toEqual([events, 3]);
  const { vclock } = await db.transaction((tx) =>
    openCortex({ id: BETA, origin: "here" }).append(tx, { action: "update", traceId: "trace-0" }),
  );
  expect(Object.values(vclock!)).toEqual([2, 2]);
});

test("a Worker pulls over HTTP", async () => {
  await workers.ask(0, "/pulled/migrate");
  expect(await workers.ask(1, "/served/pull/pulled")).toMatchObject({ stored: 3, refused: [] });
  const [pulled, served] = [await workers.ask(2, "/pulled/audit"), await workers.ask(3, "/served/audit")];
  expect(pulled.events).toEqual(served.events);
});

test("eight Workers at one log lose nothing and double nothing, and their own queries run as often", async () => {
  const twice = (n: number) => n % 5 === 0;
  const audit = await writeTogether(workers, { route: "append", writers: WRITERS, each: 15, twice });
  expect(audit).toEqual({
    ...{ acknowledged: 120, refused: 0, lost: 0, doubled: 0, miscounted: 0, strays: 0 },
    longest: expect.any(Number),
  });
});

test("the naive way is refused or counts wrongly: the control", async () => {
  const { refused, miscounted } = await writeTogether(workers, {
    route: "naive",
    writers: WRITERS,
    each: 15,
  });
  expect(refused + miscounted).toBeGreaterThan(0);
});
