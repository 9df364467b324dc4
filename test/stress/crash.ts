import { join } from "node:path";
import { openCortex } from "drizzle-event-log";
import { openLibsql } from "drizzle-event-log/libsql";
import { sql } from "drizzle-orm";
import { seeded } from "../fixture.js";
import type { CrashArguments, CrashLine } from "./crash-writer.js";
import { control, type Harness, none, plural, startChild, sum, withDirectory } from "./harness.js";
import { brokenPromises, cortexId, createLog, type Log, readAll } from "./log.js";
import { type Operation, type OperationForm, perform } from "./operation.js";

const SLOTS = 3;
const LANES = 3;
/** The most operations that a writer is let do before it is killed. */
const MOST = 40;
/** Kills on one file, before a new one is begun. */
const KILLS_PER_FILE = 50;
const CONTROL_KILLS = 15;

interface Tally {
  kills: number;
  acknowledged: number;
  lost: number;
  partial: number;
  corrupt: number;
  retried: number;
  /** Retries of an operation that had been committed, its answer lost. */
  committed: number;
  notOnce: number;
  stamps: number;
}

export const crash: Harness = {
  name: "crash",
  fault: "crash",
  required:
    "0 acknowledged lost, 0 partial, integrity ok, retry with the same keys exactly once; row and event apart must leave a part",
  timeout: [900_000, 900_000],
  async run({ short, seed }) {
    const kills = short ? 100 : 500;
    const random = seeded(seed);
    const tally = newTally();
    while (tally.kills < kills) {
      await crashOneFile(Math.min(KILLS_PER_FILE, kills - tally.kills), random, tally, () =>
        random() < 0.5 ? "together" : "alone",
      );
    }
    const apart = newTally();
    await crashOneFile(CONTROL_KILLS, random, apart, () => "apart");
    return {
      ran: `${SLOTS} processes × ${LANES} lanes, half of them with shared transactions, each killed with -9 at a random point, seed ${seed}`,
      count: plural(tally.kills, "kill"),
      figures: [
        [`${tally.acknowledged} acknowledged`, tally.acknowledged > kills],
        none(tally.lost, "lost"),
        none(tally.partial, "partial"),
        none(tally.corrupt, "corrupt"),
        [`${tally.retried} retried (${tally.committed} had been committed)`, tally.retried > 0],
        none(tally.notOnce, "not exactly once"),
        none(tally.stamps, "stamps wrong"),
        control(
          `row and event apart left a part after ${apart.partial} of ${apart.kills} kills`,
          apart.partial,
        ),
      ],
    };
  },
};

const newTally = (): Tally => ({
  ...{ kills: 0, acknowledged: 0, lost: 0, partial: 0, corrupt: 0 },
  ...{ retried: 0, committed: 0, notOnce: 0, stamps: 0 },
});

async function crashOneFile(
  kills: number,
  random: () => number,
  tally: Tally,
  formOf: () => OperationForm,
): Promise<void> {
  await withDirectory(async (directory) => {
    const url = `file:${join(directory, "crash.db")}`;
    (await createLog(url)).$client.close();
    let left = kills;
    await Promise.all(
      Array.from({ length: SLOTS }, async (_, slot) => {
        while (left-- > 0) await killOne(url, slot, random, tally, formOf());
      }),
    );
    const db = await openLibsql(url);
    const { counters, clocks } = brokenPromises(await readAll(db));
    tally.stamps += counters + clocks;
    db.$client.close();
  });
}

async function killOne(
  url: string,
  slot: number,
  random: () => number,
  tally: Tally,
  form: OperationForm,
): Promise<void> {
  const traceId = `slot-${slot}`;
  const args: CrashArguments = { url, cortexId: cortexId(slot), traceId, lanes: LANES, form };
  const child = startChild("./crash-writer.ts", args);
  const open = new Map<string, Operation>();
  const acknowledged: Operation[] = [];
  const most = Math.floor(random() * MOST);
  const delay = random() * 5;
  const alone = random() < 0.5;
  for (let killed = false; ; ) {
    const line: CrashLine | undefined = await child.next();
    if (line === undefined) break;
    if ("begun" in line) open.set(line.begun.keys[0], line.begun);
    else {
      acknowledged.push(line.acknowledged);
      open.delete(line.acknowledged.keys[0]);
    }
    if (killed || acknowledged.length < most) continue;
    killed = true;
    // At once, as the next operations begin, or anywhere in them.
    if (alone) child.kill();
    else setTimeout(child.kill, delay);
  }
  if ((await child.exit) !== "SIGKILL") throw new Error("a writer ended before it was killed");
  tally.kills++;
  tally.acknowledged += acknowledged.length;

  const db = await openLibsql(url);
  const checked = [...acknowledged, ...open.values()];
  const before = await presentKeys(db, checked);
  const has = ({ keys }: Operation) => keys.filter((key) => before.has(key)).length;
  tally.lost += acknowledged.filter((operation) => has(operation) < 2).length;
  tally.partial += [...open.values()].filter((operation) => has(operation) === 1).length;
  tally.partial += (await isPartial(db, traceId)) ? 1 : 0;
  tally.corrupt += (await integrity(db)) === "ok" ? 0 : 1;

  const cortex = openCortex({ id: cortexId(slot), origin: "writer" });
  for (const operation of open.values()) {
    tally.retried++;
    if (has(operation) === 2) tally.committed++;
    const first = await perform(db, cortex, operation);
    const second = await perform(db, cortex, operation);
    if (String(first) !== String(second)) tally.notOnce++;
  }
  const after = await presentKeys(db, checked);
  tally.notOnce += checked.length * 2 - sum(after.values());
  tally.notOnce += (await isPartial(db, traceId)) ? 1 : 0;
  db.$client.close();
}

/** How often each key is in the log. */
async function presentKeys(db: Log, operations: readonly Operation[]): Promise<Map<string, number>> {
  const keys = JSON.stringify(operations.flatMap((operation) => operation.keys));
  const rows = await db.values<[string, number]>(
    sql`select idempotency_key, count(*) from events
      where idempotency_key in (select value from json_each(${keys})) group by idempotency_key`,
  );
  return new Map(rows.map((row) => [row[0], row[1]]));
}

/** Whether the app's row and the events tell of different numbers of operations. */
async function isPartial(db: Log, traceId: string): Promise<boolean> {
  const [row] = await db.values<[number, number | null]>(
    sql`select (select count(*) from events where trace_id = ${traceId}), (select n from tallies where trace_id = ${traceId})`,
  );
  return row![0] !== 2 * (row![1] ?? 0);
}

async function integrity(db: Log): Promise<unknown> {
  const [row] = await db.values(sql`pragma integrity_check`);
  return (row as unknown[])[0];
}
