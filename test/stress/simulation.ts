// A federation in one process, in which everything random comes from a seed. One seed again, alone:
// npx tsx test/stress/simulation.ts <seed> …
import {
  type Action,
  ConflictError,
  type Cortex,
  clock,
  divergences,
  type Event,
  feed,
  formatEvent,
  heads,
  openCortex,
  type StoredEvent,
  since,
  type VectorClock,
} from "drizzle-event-log";
import { accept, databasePeer, missing, pull } from "drizzle-event-log/federation";
import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/better-sqlite3";
import { drizzle as drizzleLibsql } from "drizzle-orm/libsql";
import { openLibsql, seeded } from "../fixture.js";
import { control, type Harness, plural } from "./harness.js";
import { neverCame, openMemory, runGiven, runSeeds, type Simulated, type Tally, tallied } from "./seeds.js";

const LIBSQL_EVERY = 25;

export const simulation: Harness = {
  name: "simulation",
  fault: "skewed clocks, bad network, crashes, partitions",
  required:
    "all logs end equal, causal, gapless; projectors exactly once; the id-cursor control misses events",
  timeout: [600_000, 1_800_000],
  async run(options) {
    const { total, figures, shown, seeds, controlSeeds } = await runSeeds(import.meta.url, options, SHOWN);
    const missed = `an id cursor misses events in ${shown.idCursor} of ${controlSeeds} seeds`;
    return {
      ran: `${plural(seeds, "seed")}: 3–8 cortexes, ${tallied(FAULTS, total)}`,
      count: plural(total.appended ?? 0, "event"),
      figures: [...figures, neverCame(FAULTS, total), control(missed, shown.idCursor)],
    };
  },
};

/** What happened at least once, or the simulation shows nothing. */
const FAULTS = [
  ...["crashes", "lost", "doubled", "reordered", "shuffled", "cut lines", "clock steps", "divergences"],
  ...["writes during a pull", "refused pages"],
];

/** What a control must come to. */
const SHOWN = { idCursor: "missing" };

/** A message on its way: a question with what the asker has, or the answer to it. */
interface Message {
  from: Node;
  to: Node;
  known: VectorClock | string;
  page?: Event[];
}

interface Node {
  i: number;
  log: Log;
  cortex?: Cortex;
  skew: number;
  neighbours: Node[];
  /** For the control alone: the id of the last event taken from each neighbour. */
  cursors: Map<Node, string>;
}

/** A log on either kind of driver. `steps` yields what the library answers with, and goes on with its outcome. */
interface Log {
  db: any;
  transaction<T>(steps: (tx: any) => Steps<T>): Promise<T>;
  /** As after a crash: nothing in memory but the connection. */
  restart(): void;
  close(): void;
}

type Steps<T> = Generator<any, T, any>;

class Crash extends Error {}
class Lost extends Error {}

/** Two hundred random steps, then all lines mended and every log synced until nothing is new; what is wrong. */
export async function simulate(seed: number, { idCursor = false } = {}): Promise<Simulated> {
  const random = seeded(seed);
  const chance = (probability: number) => random() < probability;
  const whole = (below: number) => Math.floor(random() * below);
  const pick = <T>(list: readonly T[]): T => list[whole(list.length)]!;

  const tally: Tally = {};
  const count = (name: string, n = 1) => {
    tally[name] = (tally[name] ?? 0) + n;
  };
  let now = Date.UTC(2026, 0);
  const written = new Map<string, string>();
  const inFlight: Message[] = [];
  const cut = new Set<string>();
  const traces = Array.from({ length: 2 + whole(5) }, (_, i) => `trace-${i}`);

  const line = (a: Node, b: Node) => [a.i, b.i].sort().join("-");
  const crashes = () => {
    if (!chance(0.05)) return;
    count("crashes");
    throw new Crash();
  };

  const nodes: Node[] = [];
  const size = 3 + whole(6);
  for (let i = 0; i < size; i++) {
    const log = seed % LIBSQL_EVERY === 0 ? await libsqlLog() : sqliteLog();
    await log.transaction(function* (tx) {
      yield tx.run(sql`create table seen (event_id text not null)`);
      yield tx.run(sql`create table place (seq integer not null, id text not null)`);
    });
    const node: Node = { i, log, skew: whole(1_200_000) - 600_000, neighbours: [], cursors: new Map() };
    open(node);
    nodes.push(node);
  }
  for (const [a, b] of topology(pick(["line", "ring", "star", "mesh", "random"]), size, whole)) {
    nodes[a]!.neighbours.push(nodes[b]!);
    nodes[b]!.neighbours.push(nodes[a]!);
  }

  function open(node: Node): void {
    const id = `01BX5ZZKBKACTAV9WEVGEMMV${String(node.i).padStart(2, "0")}`;
    const time = () => now + node.skew;
    node.cortex = openCortex<Action>({ id, origin: `node ${node.i}`, now: time, randomness: random });
  }

  /** Runs `work`; if it crashes, the node forgets what it had in memory and what was on its way to it. */
  async function atRisk(node: Node, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof Lost) return;
      if (!(error instanceof Crash)) throw error;
      node.log.restart();
      open(node);
      const kept = inFlight.filter(({ from, to }) => from !== node && to !== node);
      inFlight.splice(0, inFlight.length, ...kept);
    }
  }

  async function write(node: Node): Promise<void> {
    const mutations = Array.from({ length: chance(0.8) ? 1 : 3 }, () => ({
      ...{ action: "update" as const, traceId: pick(traces), data: { by: node.i, n: whole(1000) } },
    }));
    await atRisk(node, async () => {
      const stored = await node.log.transaction(function* (tx) {
        crashes();
        const stored: StoredEvent[] = yield node.cortex!.append(tx, mutations);
        crashes();
        return stored;
      });
      // Committed: from here on it must come to every log.
      for (const event of stored) written.set(event.id, formatEvent(event));
      count("appended", stored.length);
    });
  }

  /** Takes the feed's next page into a table, which is what it must hold once each, in the same transaction. */
  async function project(node: Node): Promise<boolean> {
    let idle = false;
    await atRisk(node, async () => {
      idle = await node.log.transaction(function* (tx) {
        const [place] = yield tx.values(sql`select seq, id from place`);
        const after = place ? { seq: Number(place[0]), id: place[1] as string } : 0;
        const page: StoredEvent[] = yield feed(tx, { after, limit: 1 + whole(10) });
        crashes();
        const last = page.at(-1);
        if (!last) return true;
        const ids = JSON.stringify(page.map(({ id }) => id));
        yield tx.run(sql`insert into seen select value from json_each(${ids})`);
        crashes();
        yield tx.run(sql`delete from place`);
        yield tx.run(sql`insert into place values (${last.seq}, ${last.id})`);
        crashes();
        return false;
      });
    });
    return idle;
  }

  /** A shuffled page may come before its causes; it changes nothing and comes again. No other is refused. */
  function refuse(error: unknown, isShuffled: boolean): void {
    if (!isShuffled || !(error instanceof ConflictError) || error.code !== "GAP") throw error;
    count("refused pages");
  }

  /** Stores a page that came over the network, whole or not at all. */
  async function take(node: Node, from: Node, page: readonly Event[], isShuffled = false): Promise<void> {
    await atRisk(node, async () => {
      try {
        await node.log.transaction(function* (tx) {
          if (idCursor) yield storeNaively(tx, page);
          else yield accept(tx, page, { now: () => now + node.skew });
          crashes();
        });
      } catch (error) {
        refuse(error, isShuffled);
      }
      if (idCursor && page.length > 0) node.cursors.set(from, page.at(-1)!.id);
    });
  }

  const pageFor = async (node: Node, known: VectorClock | string, limit: number): Promise<Event[]> =>
    typeof known === "string" ? since(node.log.db, known, limit) : missing(node.log.db, known, { limit });

  const asks = async (node: Node, from: Node): Promise<VectorClock | string> =>
    idCursor ? (node.cursors.get(from) ?? "") : clock(node.log.db);

  /** One message more, or the next one of those under way, in any order. */
  async function deliver(): Promise<void> {
    const i = whole(inFlight.length);
    const message = inFlight[i];
    if (!message) return;
    if (i > 0) count("reordered");
    if (chance(0.1)) count("doubled");
    else inFlight.splice(i, 1);
    const { from, to, known, page } = message;
    if (chance(0.15) || cut.has(line(from, to))) return count("lost");
    if (page) {
      return chance(0.1) ? take(to, from, shuffled(page), true) : take(to, from, page);
    }
    const answer = await pageFor(to, known, 1 + whole(8));
    inFlight.push({ from: to, to: from, known, page: answer });
  }

  function shuffled(page: readonly Event[]): Event[] {
    count("shuffled");
    const ranked = page.map((event) => ({ event, rank: random() }));
    return ranked.sort((a, b) => a.rank - b.rank).map(({ event }) => event);
  }

  /** A pull over a line that may break at each message, while others, and the two themselves, go on writing. */
  async function pullFrom(node: Node, from: Node, mended = false): Promise<number> {
    const peer = databasePeer(from.log.db);
    const over = async <T>(answer: () => T | PromiseLike<T>): Promise<T> => {
      if (!mended && (cut.has(line(node, from)) || chance(0.1))) {
        count("lost");
        throw new Lost();
      }
      return answer();
    };
    let stored = 0;
    let isShuffled = false;
    await atRisk(node, async () => {
      const pulled = await pull(
        node.log.db,
        {
          frontier: () => over(() => peer.frontier()),
          hashAt: (...args) => over(() => peer.hashAt(...args)),
          missing: async (known, limit) => {
            const page = (await over(() => peer.missing(known, limit))) as Event[];
            if (mended) return page;
            if (chance(0.2)) {
              count("writes during a pull");
              await write(pick(nodes));
            }
            if (!chance(0.05)) return page;
            isShuffled = true;
            return shuffled(page);
          },
        },
        {
          limit: mended ? 20 : 1 + whole(10),
          transaction: (work) =>
            node.log.transaction(function* (tx) {
              const accepted = yield work(tx);
              if (!mended) crashes();
              return accepted;
            }),
        },
      );
      for (const { error } of pulled.refused) {
        refuse(error, isShuffled);
      }
      stored = pulled.stored;
    });
    return stored;
  }

  async function step(): Promise<void> {
    const node = pick(nodes);
    const action = random();
    now += whole(3000);
    if (action < 0.3) await write(node);
    else if (action < 0.4) await project(node);
    else if (action < 0.55) {
      const to = pick(node.neighbours);
      inFlight.push({ from: node, to, known: await asks(node, to) });
    } else if (action < 0.85) await deliver();
    else if (action < 0.92) {
      if (!idCursor) await pullFrom(node, pick(node.neighbours));
    } else if (action < 0.96) {
      count("clock steps");
      node.skew += whole(240_000) - 120_000;
    } else if (cut.size > 0 && chance(0.5)) cut.clear();
    else {
      count("cut lines");
      cut.add(line(node, pick(node.neighbours)));
    }
  }

  async function settle(): Promise<void> {
    cut.clear();
    inFlight.length = 0;
    // A mended line brings everything over at once; news goes one node further in each round.
    for (let round = 0, news = true; news && round < 50; round++) {
      news = false;
      for (const node of nodes) {
        for (const from of node.neighbours) {
          if (idCursor) {
            const page = await pageFor(from, await asks(node, from), 100_000);
            if (page.length > 0) news = true;
            await take(node, from, page);
          } else if ((await pullFrom(node, from, true)) > 0) news = true;
        }
      }
    }
    for (const node of nodes) while (!(await project(node)));
  }

  const problems: string[] = [];
  try {
    for (let i = 0; i < 200; i++) await step();
    await settle();
    for (const node of nodes) problems.push(...(await check(node, written)));
    const seen = await Promise.all(nodes.map((node) => divergedTraces(node, traces)));
    for (const [i, text] of seen.entries()) {
      if (text !== seen[0]) problems.push(`node ${i}: heads ${text}, on node 0 ${seen[0]}`);
    }
    count("divergences", (await divergences(nodes[0]!.log.db)).length);
  } catch (error) {
    problems.push(String(error instanceof Error ? error.stack : error));
  } finally {
    for (const { log } of nodes) log.close();
  }
  return { problems, tally };
}

/** For the control: what a port of the seed does with a page, which knows of no gaps. `append` would refuse them. */
function storeNaively(tx: any, page: readonly Event[]): unknown {
  const rows = page.map(({ id, action, traceId, cortexId, origin, timestamp, data, vclock }) => [
    ...[id, action, traceId, cortexId, origin, timestamp, JSON.stringify(data), JSON.stringify(vclock)],
    vclock![cortexId],
  ]);
  return tx.run(sql`insert into events
    (id, action, trace_id, cortex_id, origin, timestamp, data, vclock, counter, proof)
    select value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8,
      ${`${"0".repeat(64)}.${"0".repeat(32)}`}
    from json_each(${JSON.stringify(rows)}) where value->>0 not in (select id from events)`);
}

/** What is wrong with a log and its projector, of all that was promised. */
async function check({ i, log }: Node, written: ReadonlyMap<string, string>): Promise<string[]> {
  const events = (await feed(log.db, { limit: 1_000_000 })) as StoredEvent[];
  const lines = new Map(events.map((event) => [event.id, formatEvent(event)]));
  const lacking = [...written].filter(([id]) => !lines.has(id)).length;
  const strange = [...lines].filter(([id]) => !written.has(id)).length;
  const other = [...lines].filter(([id, text]) => written.has(id) && written.get(id) !== text).length;

  let outOfOrder = 0;
  let lowIds = 0;
  const counters = new Map<string, number>();
  const lastIds = new Map<string, string>();
  for (const { id, cortexId, vclock = {} } of events) {
    if (vclock[cortexId] !== (counters.get(cortexId) ?? 0) + 1) outOfOrder++;
    counters.set(cortexId, vclock[cortexId] ?? 0);
    if (Object.entries(vclock).some(([cause, n]) => n > (counters.get(cause) ?? 0))) outOfOrder++;
    if (id <= (lastIds.get(cortexId) ?? "")) lowIds++;
    lastIds.set(cortexId, id);
  }
  const seen = ((await log.db.values(sql`select event_id from seen order by rowid`)) as [string][]).map(
    (row) => row[0],
  );
  const projected = seen.join() === events.map(({ id }) => id).join();

  const wrong: [number, string][] = [
    [lacking, "missing"],
    [strange, "that nobody committed"],
    [other, "with other content"],
    [outOfOrder, "before a cause, or with a gap before it"],
    [lowIds, "with an id not above the cortex's last"],
    [projected ? 0 : seen.length, "projected, not each of the log's events once"],
  ];
  return wrong.filter(([n]) => n > 0).map(([n, what]) => `node ${i}: ${plural(n, "event")} ${what}`);
}

async function divergedTraces({ log }: Node, traces: readonly string[]): Promise<string> {
  const all = await Promise.all(traces.map(async (traceId) => heads(log.db, traceId)));
  const diverged = (await divergences(log.db)).map(({ traceId, heads }) => [
    traceId,
    heads.map(({ id }) => id),
  ]);
  const several = traces.map((traceId, i) => [traceId, all[i]!.map(({ id }) => id)]);
  const naive = several.filter(([, ids]) => ids!.length > 1).sort();
  if (JSON.stringify(naive) !== JSON.stringify(diverged))
    return `unlike divergences(): ${JSON.stringify(diverged)}`;
  return JSON.stringify(several);
}

/** The lines of a network in which every node reaches every other. */
function topology(kind: string, size: number, whole: (below: number) => number): [number, number][] {
  const nodes = Array.from({ length: size }, (_, i) => i);
  const inLine = nodes.slice(1).map((i): [number, number] => [i - 1, i]);
  if (kind === "line") return inLine;
  if (kind === "ring") return [...inLine, [size - 1, 0]];
  if (kind === "star") return nodes.slice(1).map((i) => [0, i]);
  const all = nodes.flatMap((b) => nodes.slice(0, b).map((a): [number, number] => [a, b]));
  if (kind === "mesh") return all;
  const tree = nodes.slice(1).map((i): [number, number] => [whole(i), i]);
  return [...tree, ...all.filter(() => whole(4) === 0)];
}

/** Runs the steps one after another, at once where the driver is: an `async` function would outlive the transaction. */
function runSteps<T>(steps: Steps<T>): T | Promise<T> {
  const next = (value?: unknown): any => {
    const { done, value: outcome } = steps.next(value);
    if (done) return outcome;
    return typeof (outcome as any)?.then === "function" ? (outcome as any).then(next) : next(outcome);
  };
  return next();
}

function sqliteLog(): Log {
  const client = openMemory();
  const log: Log = {
    db: drizzle({ client }),
    transaction: async (steps) => log.db.transaction((tx: unknown) => runSteps(steps(tx))),
    restart() {
      log.db = drizzle({ client });
    },
    close: () => client.close(),
  };
  return log;
}

async function libsqlLog(): Promise<Log> {
  const { client, db } = await openLibsql();
  const log: Log = {
    db,
    transaction: async (steps) => log.db.transaction(async (tx: unknown) => runSteps(steps(tx))),
    restart() {
      log.db = drizzleLibsql(client);
    },
    close: () => client.close(),
  };
  return log;
}

await runGiven(import.meta.url, simulate);
