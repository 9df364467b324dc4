import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { createClient } from "@libsql/client";
import { feed, openCortex } from "drizzle-event-log";
import { DeadlineError, writeTogether } from "drizzle-event-log/libsql";
import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/libsql";
import { describe, expect, expectTypeOf, test, vi } from "vitest";
import { ALPHA, errorOf } from "../fixture.js";
import { add, bodies, cleanUps, gate, hold, newFile, notes, opened, seenBy } from "./local-file.js";

vi.mock("../../src/real-time.js", () => import("../fakeable-time.js"));

describe("writeTogether", () => {
  /** Makes the time what `at` says: how long a transaction has run must not depend on the machine. */
  const setTime = (at: () => number) => vi.spyOn(performance, "now").mockImplementation(at);
  const count = (n: number) => Array.from({ length: n }, (_, i) => i);

  test("writes that wait share a transaction, and run in it one after another in their order", async () => {
    const { db, file } = await opened();
    setTime(() => 0);
    const transactions = new Set<unknown>();
    const log: string[] = [];
    await Promise.all(
      count(100).map((i) =>
        writeTogether(db, async (tx) => {
          transactions.add(tx);
          log.push(`${i} begins`);
          for (let pause = 0; pause < (100 - i) % 4; pause++) await turn();
          await add(`${i}`)(tx);
          log.push(`${i} ends`);
        }),
      ),
    );
    expect(transactions.size).toBe(1);
    expect(log).toEqual(count(100).flatMap((i) => [`${i} begins`, `${i} ends`]));
    expect(await seenBy(file)).toEqual(count(100).map(String));
  });

  test("what comes while a transaction runs shares the next one", async () => {
    const { db } = await opened();
    setTime(() => 0);
    const { open, opened: begun } = gate();
    const { open: letGo, opened: released } = gate();
    const transactions: unknown[] = [];
    const first = writeTogether(db, async (tx) => {
      transactions.push(tx);
      open();
      await released;
    });
    await begun;
    const later = count(5).map(() => writeTogether(db, async (tx) => void transactions.push(tx)));
    letGo();
    await Promise.all([first, ...later]);
    expect(transactions).toHaveLength(6);
    expect(new Set(transactions.slice(1)).size).toBe(1);
    expect(transactions[1]).not.toBe(transactions[0]);
  });

  test("a transaction that has run for more than 10 ms takes no other write in", async () => {
    const { db, file } = await opened();
    let time = 0;
    setTime(() => time);
    const transactions: unknown[] = [];
    await Promise.all(
      [4, 4, 4, 50, 0, 0].map((milliseconds, i) =>
        writeTogether(db, async (tx) => {
          time += milliseconds;
          transactions.push(tx);
          await add(`${i}`)(tx);
        }),
      ),
    );
    const numbers = transactions.map((tx) => [...new Set(transactions)].indexOf(tx));
    expect(numbers).toEqual([0, 0, 0, 1, 2, 2]);
    expect(await seenBy(file)).toEqual(count(6).map(String));
  });

  test("a write is answered when it is committed, not before", async () => {
    const { db, file } = await opened();
    setTime(() => 0);
    const { open, opened: reached } = gate();
    const { open: letGo, opened: released } = gate();
    let answered = false;
    const first = writeTogether(db, add("first")).then(() => {
      answered = true;
      return seenBy(file);
    });
    const second = writeTogether(db, async (tx) => {
      expect(await tx.select().from(notes)).toEqual([{ id: 1, body: "first" }]);
      open();
      await released;
      await add("second")(tx);
    });
    await reached;
    for (let i = 0; i < 20; i++) await turn();
    expect([answered, await seenBy(file)]).toEqual([false, []]);
    letGo();
    expect(await first).toEqual(["first", "second"]);
    await second;
  });

  test("answers with what the function answers", async () => {
    const { db } = await opened();
    const answer = { any: Symbol("thing") };
    const typed = writeTogether(db, async () => 7 as const);
    expectTypeOf(typed).toEqualTypeOf<Promise<7>>();
    const all = [writeTogether(db, async () => answer), typed, writeTogether(db, async () => {})];
    expect(await Promise.all(all)).toEqual([answer, 7, undefined]);
    expect(await all[0]).toBe(answer);
  });

  test("what throws takes back its own writes and no others, and is thrown on", async () => {
    const { db, file } = await opened();
    const stop = new Error("stop");
    const outcomes = await Promise.allSettled(
      count(40).map((i) =>
        writeTogether(db, async (tx) => {
          await add(`${i}`)(tx);
          if (i % 10 === 1) throw stop;
          if (i % 10 === 2) tx.rollback();
          return i;
        }),
      ),
    );
    const kept = count(40).filter((i) => i % 10 !== 1 && i % 10 !== 2);
    expect(outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value : []))).toEqual(
      kept,
    );
    expect((outcomes[1] as PromiseRejectedResult).reason).toBe(stop);
    expect((await seenBy(file)).sort()).toEqual(kept.map(String).sort());
  });

  test("a commit that fails is the failure of the write that is at fault, and of no other", async () => {
    const { db, file } = await opened();
    await db.run(
      sql`create table replies (note integer references notes (id) deferrable initially deferred)`,
    );
    const outcomes = await Promise.allSettled(
      count(20).map((i) =>
        writeTogether(db, async (tx) => {
          await add(`${i}`)(tx);
          if (i === 13) await tx.run(sql`insert into replies values (999)`);
        }),
      ),
    );
    const failed = count(20).filter((i) => outcomes[i]!.status === "rejected");
    expect(failed).toEqual([13]);
    expect((outcomes[13] as PromiseRejectedResult).reason).toMatchObject({ code: "SQLITE_CONSTRAINT" });
    expect(await seenBy(file)).toHaveLength(19);
  });

  // Whether it was written cannot be told for sure, as with a disk that fails: to run again might write twice.
  test("a commit that fails on a full disk fails all that share it, and none is run again", async () => {
    const { db, file } = await opened();
    await db.run("pragma wal_checkpoint(truncate)");
    const kilobytes = Math.ceil(statSync(file).size / 1024) + 100;
    const node = [process.execPath, "--import", "tsx", join(import.meta.dirname, "full-disk.ts")];
    const { stdout, stderr } = spawnSync(
      "bash",
      ["-c", `trap '' XFSZ; ulimit -f ${kilobytes}; exec "$@"`, "bash", ...node, `file:${file}`],
      { encoding: "utf8" },
    );
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual({ runs: [1, 1, 1, 1], codes: Array(4).fill("SQLITE_IOERR") });
    expect(await seenBy(file)).toEqual([]);
  });

  test("the events of a cortex are dense, also where one that appended throws", async () => {
    const { db } = await opened();
    const cortex = openCortex({ id: ALPHA, origin: "alpha" });
    const outcomes = await Promise.allSettled(
      count(60).map((i) =>
        writeTogether(db, async (tx) => {
          const stored = await cortex.append(tx, { action: "create", traceId: `t${i}` });
          if (i % 20 === 7) throw new Error("stop");
          return stored;
        }),
      ),
    );
    const stored = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value : []));
    const log = await feed(db);
    expect(stored.toSorted((a, b) => a.seq - b.seq)).toEqual(log);
    expect(log.map(({ seq, vclock }) => [seq, vclock![ALPHA]])).toEqual(count(57).map((i) => [i + 1, i + 1]));
  });

  test("while another process holds the file all wait, and are stored once each", async () => {
    const { db, file } = await opened();
    const release = await hold(file);
    const all = count(20).map((i) => writeTogether(db, add(`${i}`)));
    await sleep(150);
    expect(await seenBy(file)).toEqual([]);
    await release();
    await Promise.all(all);
    expect(await seenBy(file)).toEqual(count(20).map(String));
  });

  test("the deadline is an error for all that share, and those that come later go on", async () => {
    const { db, file } = await opened(undefined, { deadline: 50 });
    const release = await hold(file);
    const all = count(3).map((i) => errorOf(() => writeTogether(db, add(`${i}`))));
    for (const refused of await Promise.all(all)) expect(refused).toBeInstanceOf(DeadlineError);
    await release();
    await writeTogether(db, add("after"));
    expect(await seenBy(file)).toEqual(["after"]);
  });

  test("in memory, and on a database opened otherwise, each has a transaction of its own", async () => {
    const client = createClient({ url: `file:${newFile()}` });
    cleanUps.push(() => client.close());
    const plain = drizzle(client);
    await plain.run(sql`create table notes (id integer primary key, body text not null)`);
    for (const db of [(await opened(":memory:")).db, plain]) {
      const transactions = new Set<unknown>();
      await Promise.all(
        count(5).map((i) =>
          writeTogether(db, async (tx) => {
            transactions.add(tx);
            await add(`${i}`)(tx);
          }),
        ),
      );
      expect(transactions.size).toBe(5);
      expect(await bodies(db)).toEqual(count(5).map(String));
    }
  });
});

describe("writeTogether decides by whose function it was", () => {
  const count = (n: number) => Array.from({ length: n }, (_, i) => i);
  const outcomesOf = (all: Promise<unknown>[]) =>
    Promise.allSettled(all).then((outcomes) =>
      outcomes.map((it) => (it.status === "fulfilled" ? "stored" : it.reason)),
    );

  test.each<[string, unknown]>([
    ["an error that says SQLITE_BUSY", Object.assign(new Error("no"), { code: "SQLITE_BUSY" })],
    ["an error that says SQLITE_CONSTRAINT", Object.assign(new Error("no"), { code: "SQLITE_CONSTRAINT" })],
    ["a DeadlineError", new DeadlineError(1)],
    ["NaN", Number.NaN],
    ["nothing", undefined],
  ])("%s harms nobody else, and its function runs once", async (_, thrown) => {
    const { db, file } = await opened();
    let runs = 0;
    const outcomes = await outcomesOf(
      count(5).map((i) =>
        writeTogether(db, async (tx) => {
          runs++;
          await add(`${i}`)(tx);
          if (i === 2) throw thrown;
        }),
      ),
    );
    expect(outcomes).toEqual(["stored", "stored", thrown, "stored", "stored"]);
    expect([runs, await seenBy(file)]).toEqual([5, ["0", "1", "3", "4"]]);
  });

  test("an error that is its own cause hangs nothing", async () => {
    const { db } = await opened();
    const loop = new Error("loop");
    loop.cause = loop;
    for (const database of [db, (await opened(":memory:")).db])
      expect(await errorOf(() => writeTogether(database, () => Promise.reject(loop)))).toBe(loop);
  });

  test.each([
    ["swallows a rollback by SQLITE", "insert or rollback into notes values (1, 'x')"],
    ["rolls the transaction back", "rollback"],
  ])("one that %s fails, and the others are stored", async (_, text) => {
    const { db, file } = await opened();
    await db.insert(notes).values({ id: 1, body: "before" });
    const outcomes = await outcomesOf(
      count(4).map((i) =>
        writeTogether(db, async (tx) => {
          await add(`${i}`)(tx);
          if (i === 1) await errorOf(() => tx.run(sql.raw(text)));
        }),
      ),
    );
    expect(outcomes.map((it) => it === "stored")).toEqual([true, false, true, true]);
    expect(outcomes[1]).toMatchObject({ code: "TRANSACTION_CLOSED" });
    expect((await seenBy(file)).sort()).toEqual(["0", "2", "3", "before"]);
  });

  test.each(["commit", "; ; commit", "-- all of it\n/* now */ end transaction"])(
    "one that commits for all is refused to: %j",
    async (commit) => {
      const { db, file } = await opened();
      const outcomes = await outcomesOf(
        count(3).map((i) =>
          writeTogether(db, async (tx) => {
            await add(`${i}`)(tx);
            if (i === 1) await tx.run(sql.raw(commit));
          }),
        ),
      );
      expect(outcomes[1]).toMatchObject({ cause: { code: "COMMIT_IN_SHARED" } });
      expect([outcomes[0], outcomes[2], await seenBy(file)]).toEqual(["stored", "stored", ["0", "2"]]);
    },
  );

  test("one that never settles is cut off, and the others are stored", async () => {
    const { db, file } = await opened();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    cleanUps.push(() => vi.useRealTimers());
    const { open: reach, opened: reached } = gate();
    let late: unknown;
    const all = count(3).map((i) =>
      writeTogether(db, async (tx) => {
        await add(`${i}`)(tx);
        if (i !== 1) return;
        reach();
        await new Promise((resolve) => setTimeout(resolve, 6_000));
        late = await errorOf(() => add("late")(tx));
      }),
    );
    const outcomes = outcomesOf(all);
    await reached;
    vi.advanceTimersByTime(5_000);
    vi.useRealTimers();
    expect(await outcomes).toMatchObject(["stored", { code: "WRITE_UNSETTLED" }, "stored"]);
    expect([late, await seenBy(file)]).toEqual([undefined, ["0", "2"]]);
  });

  test("the deadline counts from each call", async () => {
    const { db, file } = await opened(undefined, { deadline: 150 });
    const release = await hold(file);
    const early = errorOf(() => writeTogether(db, add("early")));
    await sleep(100);
    const later = writeTogether(db, add("later"));
    expect(await early).toBeInstanceOf(DeadlineError);
    await release();
    await later;
    expect(await seenBy(file)).toEqual(["later"]);
  });
});
