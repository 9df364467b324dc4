import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import { append, openCortex, type StoredEvent, ulidFactory } from "drizzle-event-log";
import { openLibsql, writeTransaction } from "drizzle-event-log/libsql";
import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/libsql";
import { FAULTS, faultyClient, type Plan } from "./faulty-client.js";
import { control, type Harness, none, withDirectory } from "./harness.js";
import { brokenPromises, cortexId, createLog, type Log, readAll, type Tx, tallyOnce } from "./log.js";
import type { ClientKind } from "./marks.js";

/** One mutation of the app: its events are those of its trace. */
interface Step {
  traceId: string;
  /** How many events it stores; 0 where it rolls back. */
  events: number;
  write(tx: Tx): Promise<unknown>;
}

interface Found {
  runs: number;
  partial: number;
  notOnce: number;
  stamps: number;
  unhealed: number;
}

const ATTEMPTS = 4;
let copies = 0;
const WITHDRAWN = new Error("the app withdraws");

export const faults: Harness = {
  name: "faults",
  fault: "injected faults",
  required: "whole or nothing; retry exactly once; without ids and keys it must double",
  timeout: [600_000, 600_000],
  async run() {
    return withDirectory(async (directory) => {
      const template = join(directory, "template.db");
      const db = await createLog(`file:${join(directory, "log.db")}`);
      await db.run(sql`vacuum into ${template}`); // all in one file, to copy
      db.$client.close();

      const found = { runs: 0, partial: 0, notOnce: 0, stamps: 0, unhealed: 0 };
      const points = [];
      for (const client of ["own", "plain"] as const) {
        points.push(await runAll(template, client, steps, found));
      }
      const { runs, partial, notOnce, stamps, unhealed } = found;
      const naive = { ...found, notOnce: 0 };
      await runAll(template, "own", naiveSteps, naive);
      const doubled = naive.notOnce;
      return {
        ran: `${steps().length} mutations, each call failing in ${FAULTS.length} ways; on the own client and on @libsql/client's`,
        count: `${points.join(" + ")} × ${FAULTS.length} points`,
        figures: [
          [`${runs} runs`, runs > 100],
          none(partial, "partial"),
          none(notOnce, "not exactly once"),
          none(stamps, "stamps wrong"),
          none(unhealed, "not healed by a retry"),
          control(`without ids and keys ${doubled} doubled`, doubled),
        ],
      };
    });
  },
};

/** Every form of append, with ids or keys of the caller's, beside a row that is not idempotent by itself. */
function steps(): Step[] {
  const nextId = ulidFactory();
  const ids = Array.from({ length: 12 }, nextId);
  const id = (n: number) => ids[n]!;
  const cortex = openCortex({ id: cortexId(0), origin: "cortex" });
  const change = { action: "update" as const };
  const plain = { ...change, cortexId: cortexId(1), origin: "peer" };
  return [
    {
      ...{ traceId: "single", events: 1 },
      async write(tx) {
        await tallyOnce(tx, "single", id(0));
        return [await append(tx, { ...plain, id: id(0), traceId: "single" })];
      },
    },
    {
      ...{ traceId: "batch", events: 3 },
      async write(tx) {
        await tallyOnce(tx, "batch", id(1));
        return append(
          tx,
          [1, 2, 3].map((n) => ({ ...plain, id: id(n), traceId: "batch" })),
        );
      },
    },
    {
      ...{ traceId: "keyed", events: 2 },
      async write(tx) {
        await tallyOnce(tx, "keyed", id(10));
        return append(
          tx,
          [10, 11].map((n) => ({ ...plain, idempotencyKey: id(n), traceId: "keyed" })),
        );
      },
    },
    {
      ...{ traceId: "cortex", events: 1 },
      async write(tx) {
        await tallyOnce(tx, "cortex", id(4));
        return [await cortex.append(tx, { ...change, idempotencyKey: id(4), traceId: "cortex" })];
      },
    },
    {
      ...{ traceId: "cortex-batch", events: 2 },
      async write(tx) {
        await tallyOnce(tx, "cortex-batch", id(5));
        return cortex.append(
          tx,
          [5, 6].map((n) => ({ ...change, idempotencyKey: id(n), traceId: "cortex-batch" })),
        );
      },
    },
    {
      ...{ traceId: "withdrawn", events: 0 },
      async write(tx) {
        await tallyOnce(tx, "withdrawn", id(7));
        await cortex.append(tx, { ...change, idempotencyKey: id(7), traceId: "withdrawn" });
        throw WITHDRAWN;
      },
    },
    {
      ...{ traceId: "nested", events: 1 },
      async write(tx) {
        await tallyOnce(tx, "nested", id(8));
        await tx
          .transaction(async (inner) => {
            await cortex.append(inner, { ...change, idempotencyKey: id(9), traceId: "nested" });
            throw WITHDRAWN;
          })
          .catch((error) => {
            if (error !== WITHDRAWN) throw error;
          });
        return [await cortex.append(tx, { ...change, idempotencyKey: id(8), traceId: "nested" })];
      },
    },
  ];
}

/** The control: ids of the log's own making, which cannot tell a retry. */
function naiveSteps(): Step[] {
  const event = { action: "update" as const, traceId: "naive", cortexId: cortexId(1), origin: "peer" };
  return [{ traceId: "naive", events: 1, write: async (tx) => [await append(tx, event)] }];
}

/** Answers how many calls there are, and adds what was found where each of them fails. */
async function runAll(template: string, client: ClientKind, steps: () => Step[], found: Found) {
  const { calls } = await runScenario(template, client, { fault: "before", at: 0, calls: 0 }, steps());
  for (let at = 1; at <= calls; at++) {
    for (const fault of FAULTS) {
      const one = await runScenario(template, client, { fault, at, calls: 0 }, steps());
      found.runs++;
      for (const key of ["partial", "notOnce", "stamps", "unhealed"] as const) found[key] += one[key];
      const isWrong = one.partial + one.notOnce + one.stamps + one.unhealed > 0;
      if (isWrong && steps !== naiveSteps) console.error("faults:", { client, at, fault }, one);
    }
  }
  return calls;
}

async function runScenario(template: string, kind: ClientKind, plan: Plan, steps: readonly Step[]) {
  const file = `${template}.${copies++}`;
  copyFileSync(template, file);
  const witness = await openLibsql(`file:${file}`);
  const url = `file:${file}`;
  const client = kind === "own" ? (await openLibsql(url)).$client : createClient({ url, timeout: 20 });
  const db = drizzle({ client: faultyClient(client, plan) }) as Log;
  const found = { calls: 0, partial: 0, notOnce: 0, stamps: 0, unhealed: 0 };

  for (const step of steps) {
    let answer: StoredEvent[] | undefined;
    for (let attempt = 0; attempt < ATTEMPTS && answer === undefined; attempt++) {
      try {
        answer = (await writeTransaction(db, step.write, { deadline: 5_000 })) as StoredEvent[];
      } catch (error) {
        const [events, tally] = await countOf(witness, step.traceId);
        const nothing = events === 0 && tally === 0;
        const whole = step.events > 0 && events === step.events && (tally === 1 || step.traceId === "naive");
        if (!nothing && !whole && step.traceId !== "naive") found.partial++;
        if (error === WITHDRAWN) break;
      }
    }
    if (answer === undefined && step.events > 0) found.unhealed++;
    const [events, tally] = await countOf(witness, step.traceId);
    const once = events === step.events && (step.traceId === "naive" || tally === Math.sign(step.events));
    if (!once) found.notOnce++;
    if (answer && step.traceId !== "naive") {
      const log = (await readAll(witness)).filter((event) => event.traceId === step.traceId);
      if (JSON.stringify(log.map(place)) !== JSON.stringify(answer.map(place))) found.notOnce++;
    }
  }
  const { counters, clocks } = brokenPromises((await readAll(witness)).filter((event) => event.vclock));
  found.stamps = counters + clocks;
  found.calls = plan.calls;
  witness.$client.close();
  client.close();
  return found;
}

const place = ({ seq, id }: StoredEvent) => [seq, id];

/** What another connection sees of a mutation: its events, and the app's row. */
async function countOf(db: Log, traceId: string): Promise<[events: number, tally: number]> {
  const [row] = await db.values<[number, number]>(
    sql`select (select count(*) from events where trace_id = ${traceId}),
      (select coalesce(sum(n), 0) from tallies where trace_id = ${traceId})`,
  );
  return [row![0], row![1]];
}
