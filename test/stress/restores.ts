// A federation whose machines do not behave: they are set back to old backups, cloned, asked twice, pulled from two sides
// at once, and lied to. One seed again, alone: npx tsx test/stress/restores.ts <seed> …
import type SQLite from "better-sqlite3";
import {
  type Action,
  append,
  ConflictError,
  type Cortex,
  type Mutation,
  openCortex,
} from "drizzle-event-log";
import {
  databasePeer,
  httpPeer,
  type Peer,
  type PullReport,
  pull,
  salvage,
  serveLog,
} from "drizzle-event-log/federation";
import { drizzle } from "drizzle-orm/better-sqlite3";
import { seeded } from "../fixture.js";
import { control, type Harness, plural } from "./harness.js";
import {
  altered,
  type Causes,
  type History,
  lastCommon,
  misled,
  noteCauses,
  readHistory,
  taken,
} from "./restores-oracle.js";
import { neverCame, openMemory, runGiven, runSeeds, type Simulated, type Tally, tallied } from "./seeds.js";

const STEPS = 40;
const DAY = 86_400_000;

export const restores: Harness = {
  name: "restores",
  fault: "old backups, clones, overlapping pulls, poison",
  required:
    "each fork told by each pull that meets it, none falsely; after salvage all logs equal, nothing lost",
  timeout: [600_000, 6_000_000],
  async run(options) {
    const { total, figures, shown, seeds, controlSeeds } = await runSeeds(import.meta.url, options, SHOWN);
    const silent = `without the comparison of hashes forks are silent in ${shown.blind} of ${controlSeeds} seeds`;
    const early = `with the old rule for duplicates pulls end early in ${shown.impatient} of ${controlSeeds}`;
    return {
      ran: `${plural(seeds, "seed")}: ${tallied(FAULTS, total)}`,
      count: plural(total.events ?? 0, "event"),
      figures: [
        ...[...figures, neverCame(FAULTS, total)],
        ...[control(silent, shown.blind), control(early, shown.impatient)],
      ],
    };
  },
};

/** What happened at least once, or the simulation shows nothing. */
const FAULTS = [
  ...[
    "restores",
    "clones",
    "forks told",
    "keys on two nodes",
    "overlapping pulls",
    "poisoned pulls",
    "crashes",
  ],
  ...["writes during a pull", "days of drift", "salvaged events", "copied events"],
];

/** What a control must come to. */
const SHOWN = { blind: "that its clock does not mean", impatient: "did not bring" };

interface Node {
  i: number;
  client: SQLite.Database;
  db: any;
  cortex: Cortex;
  skew: number;
  backups: Buffer[];
}

interface Controls {
  /** Compares no hashes: every peer seems to have this log's own. */
  blind?: boolean;
  /** Takes a page that stores nothing for the end. */
  impatient?: boolean;
}

class Crash extends Error {}

/** Random steps, then every fork is mended; what is wrong, of all that was promised. */
export async function simulate(
  seed: number,
  { blind = false, impatient = false }: Controls = {},
): Promise<Simulated> {
  const random = seeded(seed);
  const chance = (probability: number) => random() < probability;
  const whole = (below: number) => Math.floor(random() * below);
  const pick = <T>(list: readonly T[]): T => list[whole(list.length)]!;
  const tally: Tally = {};
  const count = (name: string, n = 1) => {
    tally[name] = (tally[name] ?? 0) + n;
  };

  let now = Date.UTC(2026, 0);
  let made = 0;
  const problems: string[] = [];
  const causes: Causes = new Map();
  const nodes: Node[] = [];
  const traces = Array.from({ length: 3 }, (_, i) => `trace-${i}`);

  const newId = () => `01BX5ZZKBKACTAV9WEVGEMM${String(made++).padStart(3, "0")}`;
  function openNode(backup?: Buffer, id = newId()): Node {
    const client = openMemory(backup);
    const skew = whole(1_200_000) - 600_000;
    const node: Node = { i: nodes.length, client, db: drizzle({ client }), skew, backups: [], cortex: null! };
    node.cortex = openCortexOf(node, id);
    nodes.push(node);
    return node;
  }
  function openCortexOf(node: Node, id: string): Cortex {
    return openCortex<Action>({
      id,
      origin: `node ${node.i}`,
      now: () => now + node.skew,
      randomness: random,
    });
  }

  function write(node: Node): void {
    const key = chance(0.15) ? whole(6) : undefined;
    const mutations = Array.from({ length: key === undefined ? 1 + whole(3) : 1 }, (): Mutation => {
      if (key !== undefined) {
        return {
          action: "update",
          traceId: traces[key % 3]!,
          data: { key },
          idempotencyKey: `request ${key}`,
        };
      }
      return {
        ...{ action: "update", traceId: pick(traces), data: { n: made++ } },
        ...(chance(0.2) && { actor: `user ${whole(3)}`, meta: { reason: whole(9) } }),
      };
    });
    if (key !== undefined) count("keys on two nodes");
    const local = { action: "create", traceId: "local", cortexId: node.cortex.id, origin: "local" } as const;
    node.db.transaction((tx: any) => {
      if (chance(0.1)) append(tx, local);
      node.cortex.append(tx, mutations);
    });
    count("events", noteCauses(causes, readHistory(node.client)));
  }

  /** A peer as one meets it: over HTTP or not, and with what goes on while it answers. */
  function peerOf(node: Node, from: Node, during: () => void, poison: string | undefined): Peer {
    const plain = chance(0.25) ? overHttp(from) : databasePeer(from.db);
    const own = databasePeer(node.db);
    return {
      async frontier(signal) {
        const theirs = await plain.frontier(signal);
        if (!blind) return theirs;
        const ours = await own.frontier();
        const hash = async (id: string, counter: number) =>
          (await own.hashAt(id, counter)) ?? theirs[id]!.hash;
        const lied = Object.entries(theirs).map(async ([id, { counter }]) => [
          id,
          { counter, hash: counter <= (ours[id]?.counter ?? 0) ? await hash(id, counter) : theirs[id]!.hash },
        ]);
        return Object.fromEntries(await Promise.all(lied));
      },
      hashAt: (...args) => (blind ? own.hashAt(...args) : plain.hashAt(...args)),
      async missing(known, limit, signal) {
        const page = await plain.missing(known, limit, signal);
        during();
        return page.map((event) => poisoned(event, poison));
      },
    };
  }

  /** One pull, with all that may happen meanwhile; and whether it did what it must. */
  async function pullFrom(node: Node, from: Node, isQuiet = false): Promise<PullReport | undefined> {
    const before = { ours: readHistory(node.client), theirs: readHistory(from.client) };
    const lacking = before.theirs.clocked.filter(({ id }) => !before.ours.ids.has(id));
    const poison = !isQuiet && chance(0.15) && lacking.length > 0 ? pick(lacking).id : undefined;
    if (poison) count("poisoned pulls");
    const isBusy = !isQuiet && chance(0.2);
    const crashing = !isQuiet && chance(0.1);
    const during = () => {
      if (!isBusy || !chance(0.5)) return;
      count("writes during a pull");
      write(pick(nodes));
    };
    let stored = -1;
    try {
      const report = await pull(node.db, peerOf(node, from, during, poison), {
        limit: pick(isQuiet ? [20, 1000] : [1, 2, 3, 7, 20, 100, 1000, 5000]),
        onProgress(soFar) {
          if (impatient && soFar.stored === stored) throw new Crash();
          stored = impatient ? soFar.stored : -1;
        },
        transaction: async (work) => {
          const outcome = node.db.transaction((tx: any) => {
            const accepted = work(tx);
            if (crashing && chance(0.5)) throw new Crash();
            return accepted;
          });
          return outcome;
        },
      });
      check(node, from, before, report, { poison, isAlone: !isBusy && inFlight === 0 });
      return report;
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      if (!impatient) count("crashes");
      else check(node, from, before, undefined, { poison, isAlone: !isBusy && !crashing });
      return undefined;
    }
  }

  let inFlight = 0;

  function check(
    node: Node,
    from: Node,
    before: { ours: History; theirs: History },
    pulled: PullReport | undefined,
    { poison, isAlone }: { poison: string | undefined; isAlone: boolean },
  ): void {
    const wrong = (what: string) => problems.push(`node ${node.i} from ${from.i}: ${what}`);
    const after = { ours: readHistory(node.client), theirs: readHistory(from.client) };
    // What the pull must have brought; beside others, there may be more.
    const must = taken(before.ours, before.theirs, causes, poison);
    // But a fork that was made meanwhile stands in the way.
    const still = taken(after.ours, before.theirs, causes, poison);
    const lacking = [...must].filter((id) => still.has(id));
    if (lacking.length > 0) wrong(`did not bring ${lacking.length} events of ${must.size}`);
    if (isAlone) {
      const more = [...after.ours.ids].filter((id) => !before.ours.ids.has(id) && !must.has(id));
      if (more.length > 0) wrong(`brought ${more.length} events that it must not`);
    }
    if (!pulled) return;
    const told = new Map(pulled.refused.flatMap(({ error }) => forkIn(error)));
    count("forks told", told.size);
    for (const id of before.ours.cortexes.keys()) {
      const agreed = lastCommon(before.ours, before.theirs, id);
      if (agreed !== undefined && told.get(id) !== agreed)
        wrong(`a fork after ${agreed} told as ${told.get(id)}`);
    }
    for (const [id, agreed] of told) {
      if (lastCommon(after.ours, after.theirs, id) !== agreed) wrong(`a false fork after ${agreed}`);
    }
    for (const { error } of pulled.refused) {
      if (!poison && told.size === 0) wrong(`refused without a fork: ${error.code}`);
    }
  }

  function inspect({ i, client }: Node): void {
    const wrong = misled(readHistory(client), causes).length;
    if (wrong > 0) problems.push(`node ${i}: ${wrong} events have causes that its clock does not mean`);
    const others = altered(client);
    if (others > 0) problems.push(`node ${i}: ${others} events are not as they were`);
  }

  async function step(): Promise<void> {
    const node = pick(nodes);
    const action = random();
    now += whole(5000);
    if (action < 0.35) write(node);
    else if (action < 0.7) await pullFrom(node, pick(nodes.filter((other) => other !== node)));
    else if (action < 0.8) {
      count("overlapping pulls");
      const from = Array.from({ length: 2 + whole(2) }, () => pick(nodes.filter((other) => other !== node)));
      inFlight++;
      await Promise.all(from.map((other) => pullFrom(node, other)));
      inFlight--;
    } else if (action < 0.88) node.backups.push(node.client.serialize());
    else if (action < 0.94 && node.backups.length > 0) {
      count("restores");
      inspect(node);
      node.client.close();
      node.client = openMemory(pick(node.backups));
      node.db = drizzle({ client: node.client });
      node.cortex = openCortexOf(node, node.cortex.id);
      // "Pull before you write" is what it should do.
      if (chance(0.5)) write(node);
    } else if (action < 0.96 && nodes.length < 6) {
      count("clones");
      openNode(node.client.serialize(), node.cortex.id);
    } else {
      count("days of drift");
      node.skew += (whole(9) - 4) * DAY;
    }
  }

  /** All logs as the first one has them: a log that has forked from it is begun anew, and the old one salvaged. */
  async function mend(): Promise<void> {
    const reference = nodes[0]!;
    for (const node of nodes.slice(1)) {
      const reports = [await pullFrom(reference, node, true), await pullFrom(node, reference, true)];
      if (!reports.some((one) => one!.refused.some(({ error }) => forkIn(error).length > 0))) continue;
      const old = { ...node };
      node.client = openMemory();
      node.db = drizzle({ client: node.client });
      node.cortex = openCortexOf(node, newId());
      await pullFrom(node, reference, true);
      // Cut off once, and run again.
      let pages = 0;
      const transaction = (work: any) => {
        if (pages++ === 1) throw new Crash();
        return node.db.transaction(work);
      };
      const limit = 1 + whole(20);
      await salvage(old.db, node.db, node.cortex, { limit, transaction }).catch((error) => {
        if (!(error instanceof Crash)) throw error;
      });
      const { salvaged, copied } = await salvage(old.db, node.db, node.cortex, { limit });
      count("salvaged events", salvaged);
      count("copied events", copied);
      inspect(old);
      old.client.close();
      noteCauses(causes, readHistory(node.client));
      await pullFrom(reference, node, true);
    }
    for (const node of nodes.slice(1)) await pullFrom(node, reference, true);
  }

  try {
    const size = 2 + whole(3);
    for (let i = 0; i < size; i++) openNode();
    for (let i = 0; i < STEPS; i++) await step();
    for (const node of nodes) inspect(node);
    if (blind) return { problems, tally };

    const all = nodes.map(({ client }) => readHistory(client));
    await mend();
    const texts = new Set<string>();
    for (const [i, node] of nodes.entries()) {
      inspect(node);
      const history = readHistory(node.client);
      const contents = new Set(history.clocked.map(({ content }) => content));
      const lost = all.flatMap(({ clocked }) => clocked).filter(({ content }) => !contents.has(content));
      if (lost.length > 0) problems.push(`node ${i} lost ${lost.length} events that a log had`);
      const local = all[i]!.local.filter((id) => !history.ids.has(id));
      if (local.length > 0) problems.push(`node ${i} lost ${local.length} events without a clock`);
      texts.add(
        history.clocked
          .map(({ text }) => text)
          .sort()
          .join(),
      );
    }
    if (texts.size > 1) problems.push("the logs are not equal");
    for (const [i, node] of nodes.entries()) {
      const from = nodes[(i + 1) % nodes.length]!;
      const { stored, refused } = (await pullFrom(node, from, true))!;
      if (stored > 0 || refused.length > 0) problems.push(`node ${node.i} from ${from.i}: not mended`);
    }
  } catch (error) {
    problems.push(String(error instanceof Error ? error.stack : error));
  } finally {
    for (const { client } of nodes) client.close();
  }
  return { problems, tally };
}

const forkIn = (error: unknown): [string, number][] =>
  error instanceof ConflictError && error.agreed !== undefined ? [[error.cortexId, error.agreed]] : [];

/** The event as the peer has altered it. */
function poisoned(event: any, id: string | undefined): any {
  if (id === undefined) return event;
  if (typeof event !== "string") return event.id === id ? { ...event, data: { poison: true } } : event;
  const parsed = JSON.parse(event);
  return parsed.id === id ? JSON.stringify({ ...parsed, data: { poison: true } }) : event;
}

function overHttp(node: Node): Peer {
  const answer = serveLog(node.db, { cortexId: node.cortex.id, authorize: () => true });
  const fetch = async (input: any, init: any) => answer(new Request(input, init));
  return httpPeer("http://peer.test/log", { fetch: fetch as typeof globalThis.fetch });
}

await runGiven(import.meta.url, simulate);
