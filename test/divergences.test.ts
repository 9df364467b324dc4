import { divergences, type NewEvent, newULID } from "drizzle-event-log";
import { beforeAll, expect, test } from "vitest";
import { addAll, event, type Libsql, openLibsql } from "./fixture.js";
import { watchLoop } from "./stress/loop-block.js";

const HEADS = 250;
const TRACES = 500;
// The longest that the event loop may stand still, in milliseconds: a tenth is what it takes alone. Comparing whole
// clocks took 780 and more.
const LONGEST = 500;

const cortexes = Array.from({ length: HEADS }, () => newULID());
const merger = newULID();
const traces = Array.from({ length: TRACES }, (_, i) => `trace-${String(i).padStart(3, "0")}`);

let split: Libsql;
let knowing: Libsql;
let merged: Libsql;

/** In each trace an event of every cortex, which knows of no other's. */
const concurrent = (traceId: string, i: number): NewEvent[] =>
  cortexes.map((cortexId) => event({ traceId, cortexId, vclock: { [cortexId]: i + 1 } }));

/** The same, but of cortexes that know all of the traces before: each clock has 250 entries. */
function afterOthers(traceId: string, i: number): NewEvent[] {
  const known = Object.fromEntries(cortexes.map((cortexId) => [cortexId, i]));
  const clockOf = (cortexId: string) => (i === 0 ? { [cortexId]: 1 } : { ...known, [cortexId]: i + 1 });
  return cortexes.map((cortexId) => event({ traceId, cortexId, vclock: clockOf(cortexId) }));
}

/** An event that has counted all of them. */
function merging(traceId: string, i: number): NewEvent {
  const known = Object.fromEntries(cortexes.map((cortexId) => [cortexId, i + 1]));
  return event({ traceId, cortexId: merger, vclock: { ...known, [merger]: i + 1 } });
}

beforeAll(async () => {
  [split, merged, knowing] = [(await openLibsql()).db, (await openLibsql()).db, (await openLibsql()).db];
  for (const [i, traceId] of traces.entries()) {
    await addAll(split, concurrent(traceId, i));
    if (i < 30) await addAll(knowing, afterOthers(traceId, i));
    const last = i === TRACES - 1 ? [] : [merging(traceId, i)];
    await addAll(merged, [...concurrent(traceId, i), ...last]);
  }
}, 300_000);

async function timed(name: string, db: Libsql, options: Parameters<typeof divergences>[1]) {
  const start = performance.now();
  const longest = watchLoop();
  const found = await divergences(db, options);
  const [block, total] = [longest(), performance.now() - start].map(Math.round);
  console.log(`${name}: longest block ${block} ms, ${total} ms in all`);
  expect(block).toBeLessThan(LONGEST);
  return found.map(({ traceId, heads }) => [traceId, heads.length]);
}

test("one of 500 traces with 250 heads each is found without a look at the others", async () => {
  expect(await timed("the first of 500", split, { limit: 1 })).toEqual([[traces[0], HEADS]]);
  const after = { limit: 1, after: traces.at(-2)! };
  expect(await timed("the last of 500", split, after)).toEqual([[traces.at(-1), HEADS]]);
});

test("499 traces that were merged before the one that is not do not hold up the event loop", async () => {
  expect(await timed("one behind 499 merged", merged, { limit: 1 })).toEqual([[traces.at(-1), HEADS]]);
});

test("nor do all 500 of them at once", async () => {
  const all = traces.map((traceId) => [traceId, HEADS]);
  expect(await timed("all 500", split, { limit: TRACES })).toEqual(all);
});

test("nor do clocks of 250 entries each", async () => {
  const all = traces.slice(0, 30).map((traceId) => [traceId, HEADS]);
  expect(await timed("30, with clocks of 250 entries", knowing, {})).toEqual(all);
});
