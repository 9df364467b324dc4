import {
  append,
  compareClocks,
  drifted,
  feed,
  incrementClock,
  clock as logClock,
  openCortex,
  type StoredEvent,
  ulidFactory,
  ulidTime,
} from "drizzle-event-log";
import { accept, missing } from "drizzle-event-log/federation";
import { writeTransaction } from "drizzle-event-log/libsql";
import fc from "fast-check";
import { seeded } from "../fixture.js";
import { control, type Harness, plural } from "./harness.js";
import { cortexId, createLog, type Log } from "./log.js";

const START = 1_800_000_000_000;
const HOUR = 3_600_000;
const MAX_DRIFT = 5 * 60_000;
const YEARS = 10 * 365 * 24 * HOUR;

/** A node: its own log, its own clock. */
interface Node {
  db: Log;
  id: string;
  now: number;
  write(events: number): Promise<StoredEvent[]>;
}

/** An event, and the clock of its writer when it was written. */
interface Written {
  event: StoredEvent;
  at: number;
}

interface Found {
  events: number;
  pairs: number;
  /** Pairs of cause and effect whose ids are in the wrong order, though the cause was within the drift. */
  wrong: number;
  poisoned: number;
}

const node = fc.nat({ max: 1 });
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("write" as const), node, events: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("sync" as const), node }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("tick" as const), by: fc.constantFrom(0, 1, 1_000, 60_000) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("jump" as const),
      node,
      by: fc.constantFrom(-1, -10_000, -HOUR, HOUR, 2 * MAX_DRIFT, -2 * MAX_DRIFT, YEARS, -YEARS),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("poison" as const),
      node,
      years: fc.integer({ min: 1, max: 5000 }),
    }),
  },
);
const scenario = fc.record({
  offsets: fc.constantFrom([0, 0], [HOUR, -HOUR], [-HOUR, HOUR], [0, 5_000], [1_000, -2_000]),
  frozen: fc.boolean(),
  steps: fc.array(step, { minLength: 5, maxLength: 30, size: "max" }),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

export const clock: Harness = {
  name: "clock",
  fault: "clock",
  required: "ids rise per cortex; happened-before ⇒ id order within drift; poison not followed, but listed",
  timeout: [600_000, 600_000],
  async run({ short, seed }) {
    const numRuns = short ? 150 : 1_500;
    const all: Found = { events: 0, pairs: 0, wrong: 0, poisoned: 0 };
    const property = fc.asyncProperty(scenario, async (scenario) => {
      const found = await play(scenario, seed, cortexNode);
      for (const key of ["events", "pairs", "wrong", "poisoned"] as const) all[key] += found[key];
      if (found.wrong > 0) throw new Error(`${found.wrong} effects have ids before their causes`);
    });
    const details = await fc.check(property, { numRuns, seed });
    if (details.failed) console.error(fc.defaultReportMessage(details), details.errorInstance);
    let wrong = 0;
    for (const one of fc.sample(scenario, { numRuns: 50, seed })) {
      wrong += (await play(one, seed, naiveNode)).wrong;
    }
    return {
      ran: `two nodes exchange events; clocks ±1 h, stepping back, frozen, +10 years; seed ${seed}`,
      count: plural(details.numRuns, "run"),
      figures: [
        [`${details.failed ? 1 : 0} counterexamples`, !details.failed],
        [`${all.events} events, ${all.pairs} ordered pairs`, all.pairs > numRuns],
        [`${all.poisoned} poisons not followed`, all.poisoned > numRuns / 10],
        control(`an id generator per process: ${wrong} pairs out of order`, wrong),
      ],
    };
  },
};

async function play(
  { offsets, frozen, steps }: Scenario,
  seed: number,
  open: (n: number, db: Log, random: () => number) => Node,
): Promise<Found> {
  const random = seeded(seed);
  const nodes = [0, 1].map(async (n) => open(n, await createLog(":memory:"), random));
  const [a, b] = (await Promise.all(nodes)) as [Node, Node];
  const written: Written[] = [];
  let poisons = 0;
  [a, b].forEach((node, n) => {
    node.now += offsets[n]!;
  });
  try {
    for (const step of steps) {
      if (step.do === "tick") {
        a.now += step.by;
        if (!frozen) b.now += step.by;
        continue;
      }
      const [here, there] = step.node === 0 ? [a, b] : [b, a];
      if (step.do === "jump") here.now = Math.max(1, here.now + step.by);
      else if (step.do === "sync") await sync(there.db, here.db);
      else if (step.do === "poison") await poison(here, step.years, ++poisons, random);
      else {
        const events = await here.write(step.events);
        written.push(...events.map((event) => ({ event, at: here.now })));
      }
      await checkDrifted(here);
    }
    return { events: written.length, poisoned: poisons, ...orderOf(written, open === cortexNode) };
  } finally {
    for (const { db } of [a, b]) db.$client.close();
  }
}

function cortexNode(n: number, db: Log, randomness: () => number): Node {
  const self: Node = {
    ...{ db, id: cortexId(n), now: START },
    write: (events) =>
      writeTransaction(db, (tx) =>
        cortex.append(
          tx,
          Array.from({ length: events }, () => CHANGE),
        ),
      ),
  };
  const cortex = openCortex({ id: self.id, origin: "node", now: () => self.now, randomness });
  return self;
}

const CHANGE = { action: "update", traceId: "t" } as const;

/** The control: the same clocks, but ids from a generator that does not look into the log. */
function naiveNode(n: number, db: Log, randomness: () => number): Node {
  const nextId = ulidFactory({ now: () => self.now, randomness });
  const self: Node = {
    ...{ db, id: cortexId(n), now: START },
    write: (events) =>
      writeTransaction(db, async (tx) => {
        const all: StoredEvent[] = [];
        for (let i = 0; i < events; i++) {
          const vclock = incrementClock(await logClock(tx), self.id);
          all.push(await append(tx, { ...CHANGE, id: nextId(), cortexId: self.id, origin: "node", vclock }));
        }
        return all;
      }),
  };
  return self;
}

/** Copies what the other log has and this one lacks, in the order of its arrival there. */
async function sync(from: Log, to: Log): Promise<void> {
  await writeTransaction(to, async (tx) => accept(tx, await missing(from, await logClock(tx))));
}

/** A third node's event, from years ahead; each of them is from another cortex. */
async function poison({ db, now }: Node, years: number, n: number, randomness: () => number): Promise<void> {
  const time = Math.min(now + (years * YEARS) / 10, 2 ** 48 - 1);
  const id = ulidFactory({ now: () => time, randomness })();
  const cortex = `01BX5ZZKBKACTAV9WEVGEMM${String(n).padStart(3, "0")}`;
  await writeTransaction(db, async (tx) =>
    append(tx, { ...CHANGE, id, cortexId: cortex, origin: "poison", vclock: { [cortex]: 1 } }),
  );
}

async function checkDrifted({ db, now }: Node): Promise<void> {
  const listed = await drifted(db, { now: () => now, limit: 1000 });
  const far = (await feed(db)).filter(({ id }) => ulidTime(id) > now + MAX_DRIFT);
  const names = (events: StoredEvent[]) =>
    events
      .map(({ id }) => id)
      .sort()
      .join();
  if (names(listed) !== names(far)) throw new Error("drifted() does not list what is too far ahead");
}

/** Holds the ids against what happened before what. `strict`: they keep a cortex's promises. */
function orderOf(written: readonly Written[], strict: boolean) {
  const found = { pairs: 0, wrong: 0 };
  const last = new Map<string, string>();
  for (const [i, { event, at }] of written.entries()) {
    const own = last.get(event.cortexId) ?? "";
    if (event.id <= own) throw new Error(`${event.id} does not rise above the cortex's ${own}`);
    last.set(event.cortexId, event.id);
    const furthest = Math.max(at + MAX_DRIFT, own === "" ? 0 : ulidTime(own)) + 1;
    if (strict && ulidTime(event.id) > furthest) throw new Error(`${event.id} follows what is too far ahead`);
    for (const cause of written.slice(0, i)) {
      if (compareClocks(cause.event.vclock!, event.vclock!) !== "before") continue;
      if (ulidTime(cause.event.id) > at + MAX_DRIFT) continue;
      found.pairs++;
      if (cause.event.id >= event.id) found.wrong++;
    }
  }
  return found;
}
