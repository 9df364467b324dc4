// A process of its own for huge-events.test.ts, for what goes wrong in here aborts it. Prints what it found as JSON.
import { createClient } from "@libsql/client";
import {
  append,
  clock,
  divergences,
  feed,
  forTrace,
  heads,
  latest,
  type NewEvent,
  newULID,
  pages,
  type Reducer,
  type StoredEvent,
  since,
  stateAt,
  tail,
} from "drizzle-event-log";
import { databasePeer, missing, pull } from "drizzle-event-log/federation";
import { migrateEvents } from "drizzle-event-log/migrations";
import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/libsql";

type Page = StoredEvent[];

const [task = "", file = "", count = "0", size = "0"] = process.argv.slice(2);
const COUNT = Number(count);
const SIZE = Number(size);
const MAX = { maxDataBytes: 2 ** 25 };
const ALPHA = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const BETA = "01BX5ZZKBKACTAV9WEVGEMMVS0";

async function open(name: string) {
  const db = drizzle(createClient({ url: `file:${name}` }));
  await migrateEvents(db);
  return db;
}

/** The data of the event with this seq: so many bytes as JSON. */
const dataOf = (seq: number) => String(seq).padEnd(SIZE - 2, "x");

/** One trace of `COUNT` events in a chain, but the last one is another cortex's, which knows none of them. */
async function fill(): Promise<void> {
  const db = await open(file);
  for (let seq = 1; seq <= COUNT; seq++) {
    const [cortexId, vclock] = seq < COUNT ? [ALPHA, { [ALPHA]: seq }] : [BETA, { [BETA]: 1 }];
    const event = {
      action: "update",
      traceId: "trace",
      cortexId,
      origin: "o",
      data: dataOf(seq),
      vclock,
    } as const;
    await db.transaction((tx) => append(tx, event, MAX));
  }
}

/** Events with a clock of 256 entries each, but the first 255, and no data. */
async function fillClocks(): Promise<void> {
  const db = await open(file);
  const others = Array.from({ length: 255 }, () => newULID());
  const all = Object.fromEntries(others.map((id) => [id, 1]));
  const batch = Array.from({ length: COUNT }, (_, i): NewEvent => {
    const cortexId = others[i] ?? ALPHA;
    // The others' first events know nothing of each other, ALPHA's know them all.
    const vclock = cortexId === ALPHA ? { ...all, [ALPHA]: i + 1 - others.length } : { [cortexId]: 1 };
    return { action: "update", traceId: "trace", cortexId, origin: "o", vclock };
  });
  while (batch.length > 0) await db.transaction((tx) => append(tx, batch.splice(0, 1000)));
}

/** What each kind of read brings, each page looked at and let go. */
async function read(): Promise<void> {
  const db = await open(file);
  const found: Record<string, unknown> = {};
  const isWhole = ({ seq, data }: StoredEvent) => SIZE === 0 || data === dataOf(seq);

  /** Reads pages until one is empty, each from the last event of the one before. */
  async function until(next: (last?: StoredEvent) => Promise<Page>): Promise<number[]> {
    const seqs: number[] = [];
    for (let last: StoredEvent | undefined; ; ) {
      const page = await next(last);
      if (page.length === 0) return seqs;
      seqs.push(...page.filter(isWhole).map(({ seq }) => seq));
      last = page.at(-1);
    }
  }
  const told = async (name: string, seqs: number[] | Promise<number[]>) => {
    const list = await seqs;
    const inOrder = list.every((seq, i) => i === 0 || Math.abs(seq - list[i - 1]!) === 1);
    found[name] = { events: list.length, inOrder };
  };

  await told(
    "feed by seq",
    until((last) => feed(db, { after: last?.seq ?? 0 })),
  );
  await told(
    "feed by cursor",
    until((last) => feed(db, { after: last ?? 0, limit: 1_000_000 })),
  );
  const all: number[] = [];
  for await (const page of pages(db, { limit: 100 })) all.push(...page.filter(isWhole).map(({ seq }) => seq));
  await told("pages", all);
  const followed: number[] = [];
  for await (const page of tail(db)) {
    followed.push(...page.filter(isWhole).map(({ seq }) => seq));
    if (followed.length >= COUNT) break;
  }
  await told("tail", followed);
  const trace = (last?: StoredEvent) =>
    forTrace(db, "trace", { limit: 1000, ...(last && { after: last.id }) });
  await told("forTrace by pages", until(trace));
  await told(
    "since",
    until((last) => since(db, last?.id ?? "", 1000)),
  );
  await told(
    "latest",
    until((last) => latest(db, { limit: 1000, ...(last && { before: last.seq }) })),
  );
  found.heads = (await heads(db, "trace")).map(({ seq }) => seq);
  found.divergences = (await divergences(db)).map((one) => one.heads.map(({ seq }) => seq));
  const sum: Reducer<number> = { update: (n, event) => n + (isWhole(event as StoredEvent) ? 1 : 0) };
  found.stateAt = await stateAt(db, "trace", { seq: COUNT }, sum, 0);
  const known: Record<string, number> = {};
  const lacked = until(async () => {
    const page = await missing(db, known);
    for (const { cortexId, vclock } of page) known[cortexId] = vclock![cortexId]!;
    return page;
  });
  await told("missing", lacked);
  found.paged = megabytes();
  const copy = await open(`${file}.copy`);
  const { stored, refused } = await pull(copy, databasePeer(db), MAX);
  found.pull = { stored, refused: refused.length, clock: await clock(copy) };
  // Not a page: as large as it is.
  await told(
    "forTrace",
    (await forTrace(db, "trace")).filter(isWhole).map(({ seq }) => seq),
  );
  found.peak = megabytes();
  console.log(JSON.stringify(found));
}

const megabytes = () => Math.round(process.resourceUsage().maxRSS / 1024);

/** What the package does not do: one text of it all. */
async function unbounded(): Promise<void> {
  const db = await open(file);
  const [row] = (await db.values(
    sql`select group_concat(data) from (select data from events order by seq)`,
  )) as [[string]];
  console.log(JSON.stringify({ length: row[0].length }));
}

await { fill, fillClocks, read, unbounded }[task]!();
