import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { append } from "drizzle-event-log";
import { writeTransaction } from "drizzle-event-log/libsql";
import { sql } from "drizzle-orm";
import { seeded } from "../fixture.js";
import type { ConsumerArguments } from "./consumer-process.js";
import {
  type Child,
  control,
  type Harness,
  heard,
  none,
  plural,
  startChild,
  withDirectory,
} from "./harness.js";
import { cortexId, createLog, type Log } from "./log.js";

const PROCESSES = 4;
const KILL_EVERY = 200;
const LIMIT = 10;
/** Events of a round: they come for some 5 seconds. */
const ROUND = 2_500;
/** Processes that stand by before a round begins: to start one takes a core longer than KILL_EVERY. */
const RESERVE = 45;

export const consumers: Harness = {
  name: "consumers",
  fault: "consumers killed",
  required: "each event applied once, in order; a cursor of the copied kind must double",
  timeout: [900_000, 900_000],
  async run({ short, seed }) {
    const events = short ? 3_000 : 20_000;
    const own = await runConsumers("consume", events, seeded(seed));
    const copied = await runConsumers("copied", short ? 500 : 2_000, seeded(seed));
    return {
      ran: `${PROCESSES} processes under one name, one killed with -9 every ${KILL_EVERY} ms and replaced, pages of ${LIMIT}, seed ${seed}`,
      count: `${plural(events, "event")}, ${plural(own.kills, "kill")}`,
      figures: [
        none(own.missed, "missed"),
        none(own.doubled, "doubled"),
        none(own.disordered, "out of order"),
        [`killed every ${own.pause} ms`, own.kills > 0],
        control(`the copied pattern doubled ${copied.doubled} of ${copied.events}`, copied.doubled),
      ],
    };
  },
};

async function runConsumers(form: ConsumerArguments["form"], events: number, random: () => number) {
  return withDirectory(async (directory) => {
    const url = `file:${join(directory, "consumers.db")}`;
    const db = await createLog(url);
    await db.run(sql`create table applied (seq integer not null)`);
    await db.run(sql`create table cursors (name text primary key, seq integer not null)`);
    const args: ConsumerArguments = { url, form, limit: LIMIT };
    const crew = newCrew(() => startChild("./consumer-process.ts", args, { isCompiled: true }));
    let kills = 0;
    let killing = 0;
    for (let filled = 0; filled < events; ) {
      await crew.reserve(RESERVE);
      await crew.begin();
      const size = Math.min(ROUND, events - filled);
      const filling = fill(db, size);
      filled += size;
      const start = performance.now();
      for (let n = 1; !(await isThrough(db, filled)); n++, kills++) {
        await sleep(Math.max(0, start + n * KILL_EVERY - performance.now()));
        await crew.replace(Math.floor(random() * PROCESSES));
      }
      killing += performance.now() - start;
      await filling;
    }
    await crew.end();
    const pause = Math.round(killing / Math.max(1, kills));
    const rows = await db.values<[number]>(sql`select seq from applied order by rowid`);
    db.$client.close();
    const seqs = rows.map((row) => row[0]);
    const distinct = new Set(seqs).size;
    const disordered = seqs.filter((seq, i) => i > 0 && seq < seqs[i - 1]!).length;
    return { events, kills, pause, missed: events - distinct, doubled: seqs.length - distinct, disordered };
  });
}

/** Appends them a hundred at a time, one hundred for each kill. */
async function fill(db: Log, events: number): Promise<void> {
  const event = { action: "update" as const, traceId: "trace", cortexId: cortexId(0), origin: "writer" };
  for (let left = events; left > 0; left -= 100) {
    const batch = Array.from({ length: Math.min(left, 100) }, () => event);
    await writeTransaction(db, (tx) => append(tx, batch), { deadline: 120_000 });
    await sleep(KILL_EVERY);
  }
}

async function isThrough(db: Log, events: number): Promise<boolean> {
  const [row] = await db.values<[number]>(sql`select count(distinct seq) from applied`);
  return row![0] >= events;
}

/** Processes at work, and others that stand by. */
function newCrew(start: () => Child) {
  const spares: Child[] = [];
  const atWork: Child[] = [];
  const exits: Promise<number | string>[] = [];
  const reserve = async (count: number) => {
    while (spares.length < count) {
      const started = [start(), start()];
      for (const child of started) await heard(child);
      spares.push(...started);
    }
  };
  const put = async (place: number) => {
    await reserve(1);
    const spare = spares.shift()!;
    spare.tell("go");
    atWork[place] = spare;
  };
  return {
    reserve,
    begin: async () => {
      for (let place = 0; place < PROCESSES; place++) if (!atWork[place]) await put(place);
    },
    replace: async (place: number) => {
      const child = atWork[place]!;
      child.kill();
      exits.push(child.exit);
      await put(place);
    },
    end: async () => {
      const all = [...atWork, ...spares];
      for (const child of all) child.kill();
      exits.push(...all.map(({ exit }) => exit));
      const ends = new Set(await Promise.all(exits));
      if (`${[...ends]}` !== "SIGKILL") throw new Error("a consumer ended before it was killed");
    },
  };
}
