import { sql } from "drizzle-orm";
import { installPinned } from "../drivers/install.js";
import { type Server, startServer } from "../drivers/server.js";
import { seeded } from "../fixture.js";
import {
  type Child,
  control,
  type Harness,
  none,
  plural,
  startChild,
  startTogether,
  sum,
} from "./harness.js";
import { brokenPromises, cortexId, createLog, type Log, readAll } from "./log.js";
import type { ServerLine, ServerWriterArguments } from "./server-writer.js";

const PROCESSES = 4;
const KILLS = 20;
const EVENTS = 2_000;
/** Until a retry without a key has shown its fault. */
const MOST_KILLS = 100;

export const server: Harness = {
  name: "server",
  fault: "server killed",
  required: "all acknowledged there, once, with the seq that was told; the control doubles",
  timeout: [600_000, 600_000],
  async run({ seed }) {
    const random = seeded(seed);
    const keyed = await writeUnderKills({ random, keyed: true, events: EVENTS, kills: KILLS });
    // The same, but each retry is an event of its own; it goes on until one was stored twice.
    const naive = await writeUnderKills({ random, keyed: false, events: EVENTS, kills: MOST_KILLS });
    return {
      ran: `${PROCESSES} processes write to a libSQL server by http and ws, it is killed with -9 as they commit and started again, seed ${seed}`,
      count: plural(keyed.kills, "kill"),
      figures: [
        [`${keyed.kills} kills`, keyed.kills === KILLS],
        [`${keyed.acknowledged} acknowledged`, keyed.acknowledged === EVENTS],
        [`${keyed.retries} retried`, keyed.retries >= KILLS],
        none(keyed.missing, "missing"),
        none(keyed.doubled, "doubled"),
        none(keyed.moved, "at another seq than told"),
        none(keyed.stamps, "stamps wrong"),
        control(`${naive.doubled} doubled after ${naive.kills} kills`, naive.doubled),
      ],
    };
  },
};

interface Trial {
  random: () => number;
  keyed: boolean;
  events: number;
  kills: number;
}

async function writeUnderKills({ random, keyed, events, kills }: Trial) {
  const server = await startServer(installPinned("tools"));
  try {
    const db = await createLog(`http://${server.address}`);
    const writers = Array.from({ length: PROCESSES }, (_, n) => {
      const args: ServerWriterArguments = {
        url: `${n % 2 ? "ws" : "http"}://${server.address}`,
        ...{ cortexId: cortexId(n % 2), name: `writer-${n}`, events: events / PROCESSES, keyed },
      };
      return startChild("./server-writer.ts", args);
    });
    await startTogether(writers);
    const plan = { every: Math.floor(events / (kills + 1)), kills, random };
    // The control goes on until it has shown its fault.
    const isEnough = async () => !keyed && (await countDoubled(db)) > 0;
    const { told, retries, killed } = await killOften(server, writers, plan, isEnough);
    const log = await readAll(db);
    const seqs = new Map<string, number[]>();
    for (const { traceId, seq } of log) seqs.set(traceId, [...(seqs.get(traceId) ?? []), seq]);
    db.$client.close();
    return {
      ...{ kills: killed, retries, acknowledged: told.size },
      missing: [...told.keys()].filter((key) => !seqs.has(key)).length,
      doubled: [...seqs.values()].filter((places) => places.length > 1).length,
      moved: [...told].filter(([key, seq]) => !seqs.get(key)?.includes(seq)).length,
      stamps: sum(Object.values(brokenPromises(log))),
    };
  } finally {
    server.close();
  }
}

const countDoubled = async (db: Log): Promise<number> => {
  const [row] = await db.values<[number]>(sql`select count(*) - count(distinct trace_id) from events`);
  return row![0];
};

/** Hears what the writers say, and kills the server after each so many acknowledgements, at a commit. */
async function killOften(
  server: Server,
  writers: readonly Child[],
  { every, kills, random }: { every: number; kills: number; random: () => number },
  isEnough: () => Promise<boolean>,
) {
  const told = new Map<string, number>();
  let [retries, killed] = [0, 0];
  let restarting: Promise<void> | undefined;
  const restart = async () => {
    // As it is about to commit, as it has, or as it answers.
    await new Promise<void>((resolve) => setTimeout(resolve, random() * 8));
    await server.restart();
    if (await isEnough()) for (const writer of writers) writer.kill();
    restarting = undefined;
  };
  const hear = async (writer: Child) => {
    for (;;) {
      const line: ServerLine | undefined = await writer.next();
      if (line === undefined) return;
      if ("acknowledged" in line) told.set(line.acknowledged, line.seq);
      else if ("done" in line) retries += line.retries;
      else if (!restarting && killed < kills && told.size >= every * (killed + 1)) {
        killed++;
        restarting = restart();
      }
    }
  };
  await Promise.all(writers.map(hear));
  await restarting;
  return { told, retries, killed };
}
