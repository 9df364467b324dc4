// What hostile peers cost: the most memory and the longest stop of the event loop, case by case, as a table or with --json.
// node --expose-gc --max-old-space-size=256 --import tsx test/hostile-cost.ts [<part of a name> …]
import { readFileSync, writeFileSync } from "node:fs";
import {
  type Action,
  type Event,
  formatEvent,
  openCortex,
  type StoredEvent,
  ulidFactory,
} from "drizzle-event-log";
import { databasePeer, httpPeer, missing, pull, serveLog } from "drizzle-event-log/federation";
import { openSqlite } from "./fixture.js";
import { watchLoop } from "./stress/loop-block.js";

export interface Cost {
  name: string;
  /** What became of it. */
  outcome: string;
  /** The longest stop of the event loop, in milliseconds. */
  block: number;
  /** How much the process grew at the most, in MiB. */
  memory: number;
}

const makeId = ulidFactory();
const EVE = makeId();
const HASH = "0".repeat(64);
const headers = { "event-log-cortex": EVE };
const bytes = (text: string) => new TextEncoder().encode(text);

/** A body that repeats these bytes until so many have been sent, 64 KiB at a time. */
function repeating(piece: Uint8Array, total: number, first = new Uint8Array()): ReadableStream<Uint8Array> {
  const many = new Uint8Array(Math.max(piece.length, Math.floor(2 ** 16 / piece.length) * piece.length));
  for (let i = 0; i < many.length; i += piece.length) many.set(piece, i);
  let sent = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(sent === 0 && first.length > 0 ? first : many.slice());
      sent += many.length;
      if (sent >= total) controller.close();
    },
  });
}

interface Answers {
  frontier?: () => BodyInit;
  missing?: () => BodyInit;
}

/** A peer that answers with these bodies, whatever it is asked. */
function liar({ frontier = () => "{}", missing = () => "" }: Answers, options = {}) {
  const fetch = async (url: unknown) =>
    new Response(String(url).includes("/frontier") ? frontier() : missing(), { headers });
  return httpPeer("http://peer.test", { fetch: fetch as typeof globalThis.fetch, ...options });
}

async function pulled(peer: Parameters<typeof pull>[1], options = {}): Promise<string> {
  const { db, client } = openSqlite();
  try {
    const { stored, refused } = await pull(db, peer, options);
    const codes = [...new Set(refused.map(({ error }) => error.code))];
    return `${stored} stored${refused.length > 0 ? `, ${refused.length} ${codes.join(", ")}` : ""}`;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  } finally {
    client.close();
  }
}

/** Valid events of one cortex, as lines. */
function linesOf(count: number, data: unknown): string[] {
  const { db, client } = openSqlite();
  const cortex = openCortex<Action>({ id: makeId(), origin: "eve" });
  for (let i = 0; i < count; i += 10) {
    const mutations = Array.from({ length: Math.min(10, count - i) }, () => ({
      ...{ action: "update" as const, traceId: "t", data },
    }));
    db.transaction((tx) => cortex.append(tx, mutations));
  }
  const lines: string[] = [];
  for (let known = 0; known < count; ) {
    const page: StoredEvent[] = missing(db, { [cortex.id]: known });
    for (const event of page) lines.push(`${formatEvent(event as Event)}\n`);
    known += page.length;
  }
  client.close();
  return lines;
}

/** A log of events, served. */
function served(count: number, data: unknown) {
  const { db } = openSqlite();
  const cortex = openCortex<Action>({ id: EVE, origin: "eve" });
  for (let i = 0; i < count; i++) {
    db.transaction((tx) => cortex.append(tx, { action: "update", traceId: "t", data }));
  }
  return { db, answer: serveLog(db, { cortexId: EVE, authorize: () => true, timeout: 200 }) };
}

const post = (body: BodyInit) =>
  new Request("http://log.test/missing", { method: "POST", body, duplex: "half" } as RequestInit);

/** Each is made ready first, and then measured. */
const cases: [name: string, ready: () => () => Promise<string> | string][] = [
  ["nothing, for as long as most of these take", () => () => idle()],
  [
    "a frontier of 2 million entries",
    () => () =>
      pulled(liar({ frontier: () => repeating(bytes(`"${makeId()}":{"counter":1},`), 2 ** 26, bytes("{")) })),
  ],
  ["64 MiB of line ends", () => () => pulled(liar({ missing: () => repeating(bytes("\n"), 2 ** 26) }))],
  ["one line of 60 MiB", () => () => pulled(liar({ missing: () => repeating(bytes("[1,"), 60 * 2 ** 20) }))],
  ["brackets without end", () => () => pulled(liar({ missing: () => repeating(bytes("["), 2 ** 28) }))],
  [
    "ten lines of 6 MiB, each of numbers",
    () => {
      const line = bytes(`{"id":[${"1,".repeat(3 * 2 ** 20)}1]}\n`);
      return () => pulled(liar({ missing: () => repeating(line, 60 * 2 ** 20) }));
    },
  ],
  [
    "64 events of emoji, a mebibyte each",
    () => {
      const body = new Blob(linesOf(64, "😀".repeat(2 ** 18 - 1)));
      return () => pulled(liar({ missing: () => body.stream() }));
    },
  ],
  [
    "1,000 events of 48 KiB of numbers",
    () => {
      const body = new Blob(
        linesOf(
          1000,
          Array.from({ length: 24_000 }, () => 1),
        ),
      );
      return () => pulled(liar({ missing: () => body.stream() }));
    },
  ],
  [
    "1,000 strangers a page, for ever",
    () => {
      const [line] = linesOf(1, "x");
      const page = () =>
        Array.from({ length: 1000 }, () =>
          line!.replace(/"cortex_id":"[^"]*"/, `"cortex_id":"${makeId()}"`),
        ).join("");
      const pages = Array.from({ length: 5 }, page);
      let i = 0;
      return () => pulled(liar({ missing: () => pages[i++ % 5]! }));
    },
  ],
  [
    "255 cortexes, and a fork claimed of each",
    () => {
      const { db } = openSqlite();
      for (let i = 0; i < 255; i++) {
        const cortex = openCortex<Action>({ id: makeId(), origin: `${i}` });
        const changes = Array.from({ length: 8 }, () => ({ action: "update" as const, traceId: "t" }));
        db.transaction((tx) => cortex.append(tx, changes));
      }
      const peer = databasePeer(db);
      const lying = {
        ...peer,
        frontier: async () =>
          Object.fromEntries(
            Object.entries(await peer.frontier()).map(([id, { counter }]) => [id, { counter, hash: HASH }]),
          ),
        hashAt: () => HASH,
      };
      return async () => {
        const { refused } = await pull(db, lying);
        return `${refused.length} ${[...new Set(refused.map(({ error }) => error.code))]}`;
      };
    },
  ],
  [
    "nothing at all, until idleTimeout",
    () => () =>
      pulled(
        liar(
          { missing: () => new ReadableStream({ pull: () => new Promise(() => {}) }) },
          { idleTimeout: 300 },
        ),
      ),
  ],
  [
    "a byte now and then, until timeout",
    () => () =>
      pulled(
        liar(
          {
            missing: () =>
              new ReadableStream({
                async pull(controller) {
                  await new Promise((resolve) => setTimeout(resolve, 5));
                  controller.enqueue(bytes(" "));
                },
              }),
          },
          { timeout: 300 },
        ),
      ),
  ],
  [
    "a question of 100 MiB",
    () => {
      const { answer } = served(1, "x");
      return async () => `${(await answer(post(repeating(bytes(" "), 100 * 2 ** 20)))).status}`;
    },
  ],
  [
    "a question that does not come",
    () => {
      const { answer } = served(1, "x");
      return async () =>
        `${(await answer(post(new ReadableStream({ pull: () => new Promise(() => {}) })))).status}`;
    },
  ],
  [
    "a question of 1,300 cortexes, 20 times",
    () => {
      const { answer } = served(1, "x");
      const clock = Object.fromEntries(Array.from({ length: 1300 }, () => [makeId(), 1]));
      return async () => {
        for (let i = 0; i < 20; i++) {
          await (await answer(post(JSON.stringify({ clock })))).text();
          await new Promise(setImmediate); // As requests come, each in a turn of its own.
        }
        return "answered";
      };
    },
  ],
  [
    "questions for the largest page, 5 times",
    () => {
      const { answer } = served(40, "x".repeat(2 ** 20 - 2));
      return async () => {
        for (let i = 0; i < 5; i++) await (await answer(post('{"clock":{}}'))).arrayBuffer();
        return "answered";
      };
    },
  ],
];

async function idle(): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return "";
}

/** The most that the process has held since this was last asked; on Linux. */
function peak(): number {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    writeFileSync("/proc/self/clear_refs", "5");
    return Number(kilobytes) / 1024;
  } catch {
    return process.memoryUsage().rss / 2 ** 20;
  }
}

const costs: Cost[] = [];
const wanted = process.argv.slice(2).filter((arg) => !arg.startsWith("--"));
for (const [name, ready] of cases) {
  if (wanted.length > 0 && !wanted.some((part) => name.includes(part))) continue;
  const run = ready();
  await new Promise((resolve) => setTimeout(resolve, 50));
  globalThis.gc?.();
  peak();
  const before = process.memoryUsage().rss / 2 ** 20;
  const longest = watchLoop();
  const outcome = await run();
  await new Promise((resolve) => setTimeout(resolve, 5));
  const block = longest();
  costs.push({ name, outcome, block, memory: Math.max(0, peak() - before) });
}
if (process.argv.includes("--json")) console.log(JSON.stringify(costs));
else {
  for (const { name, outcome, block, memory } of costs) {
    console.log(
      `${name.padEnd(45)} ${block.toFixed(0).padStart(5)} ms ${memory.toFixed(0).padStart(5)} MiB  ${outcome}`,
    );
  }
}
