import { readFileSync } from "node:fs";
import {
  append,
  type Event,
  formatEvent,
  frontier,
  getEvent,
  hashAt,
  newULID,
  openCortex,
  parseEvent,
} from "drizzle-event-log";
import { accept, databasePeer, missing, pull } from "drizzle-event-log/federation";
import { sql } from "drizzle-orm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson } from "../src/json.js";
import { eventHash, hashOf, isProven, parseProof, payloadDigest } from "../src/proof.js";
import { portableSHA256, sha256 } from "../src/sha256.js";
import {
  ALPHA,
  BETA,
  drivers,
  errorOf,
  event,
  everything,
  openLibsql,
  openSqlite,
  thrownBy,
} from "./fixture.js";
import * as independent from "./independent-proof.js";

interface Vector {
  name: string;
  event: object;
  salt: string;
  previous: string;
  payload: string;
  hash: string;
}

const vectors = JSON.parse(readFileSync("docs/proof-vectors.json", "utf8")) as Vector[];

describe("docs/proof-vectors.json", () => {
  test("are ten, each after the one before", () => {
    expect(vectors).toHaveLength(10);
    expect(vectors.map(({ previous }) => previous)).toEqual(
      ["", ...vectors.map(({ hash }) => hash)].slice(0, 10),
    );
  });

  test.each(vectors)("$name: the package and a few independent lines come to the same", (vector) => {
    const event = parseEvent<any>(JSON.stringify(vector.event));
    for (const one of [independent, { payloadDigest, eventHash }]) {
      expect(one.payloadDigest(event, vector.salt)).toBe(vector.payload);
      expect(one.eventHash(event, vector.payload, vector.previous)).toBe(vector.hash);
    }
  });

  test("docs/proof.md shows them", () => {
    const page = readFileSync("docs/proof.md", "utf8");
    for (const { name, hash } of vectors) expect(page).toContain(`| ${name} | \`${hash}\` |`);
  });

  test.each(vectors)("$name: a log takes it, by its proof", ({ event, salt, hash }) => {
    const before = vectors.slice(
      0,
      vectors.findIndex((one) => one.hash === hash),
    );
    const { db } = openSqlite();
    const lines = [...before, { event, salt, hash }].map((one) =>
      JSON.stringify({ ...one.event, proof: `${one.hash}.${one.salt}` }),
    );
    const page = lines.map((line) => parseEvent(line));
    // The one of two cortexes builds on what another wrote.
    const other = event as { vclock: Record<string, number> };
    if (before.some(({ event }) => Object.keys((event as Event).vclock!).length > 1) || other.vclock[BETA]) {
      const theirs = [1, 2, 3].map((n) => ({
        ...{ id: newULID(), action: "update", traceId: "t", cortexId: BETA, origin: "b" },
        ...{ timestamp: "2026-01-01T00:00:00Z", vclock: { [BETA]: n } },
      }));
      db.transaction((tx) => accept(tx, independent.chained(theirs as Event[])));
    }
    db.transaction((tx) => accept(tx, page));
    expect(frontier(db)[ALPHA]).toEqual({ counter: page.length, hash });
  });
});

describe("SHA-256", () => {
  test("by node:crypto and by the portable implementation is the same, for any text", () => {
    expect(sha256).not.toBe(portableSHA256);
    const text = fc.string({ unit: "grapheme", maxLength: 300 });
    fc.assert(
      fc.property(text, (text) => {
        expect(portableSHA256(text)).toBe(sha256(text));
      }),
      { numRuns: 500 },
    );
    expect(portableSHA256("x".repeat(1_000_003))).toBe(sha256("x".repeat(1_000_003)));
    expect(sha256("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  });

  test("a log that is written without node:crypto is the same log", async () => {
    const process = globalThis.process;
    const { vi } = await import("vitest");
    vi.resetModules();
    vi.stubGlobal("process", { ...process, getBuiltinModule: undefined });
    const portable = await import("../src/sha256.js");
    vi.unstubAllGlobals();
    expect(portable.sha256).toBe(portable.portableSHA256);
    expect(portable.sha256("abc")).toBe(sha256("abc"));
  });
});

test("the canonical form is the same whatever the order of keys, and tells values apart", () => {
  const value = fc.jsonValue().map((json) => JSON.parse(JSON.stringify(json)));
  const shuffled = (node: any): any => {
    if (Array.isArray(node)) return node.map(shuffled);
    if (typeof node !== "object" || node === null) return node;
    const entries = Object.entries(node).reverse();
    return Object.fromEntries(entries.map(([key, entry]) => [key, shuffled(entry)]));
  };
  fc.assert(
    fc.property(value, (json) => {
      expect(canonicalJson(shuffled(json))).toBe(canonicalJson(json));
      expect(JSON.parse(canonicalJson(json))).toEqual(json);
    }),
  );
});

test("whatever its texts hold and its clock's order is, an event has the hash of its canonical form", () => {
  const escaped = fc.constantFrom(
    '"',
    "\\",
    "\n",
    "\u001f",
    "\u007f",
    "\u2028",
    "\ud83e\udd8a",
    "\ud800",
    "é",
  );
  const text = fc.string({
    unit: fc.oneof(escaped, fc.string({ unit: "binary", minLength: 1, maxLength: 1 })),
  });
  const clocks = fc.constantFrom({ [ALPHA]: 3 }, { [ALPHA]: 3, [BETA]: 2 }, { [BETA]: 2, [ALPHA]: 3 });
  const maybe = fc.option(text, { nil: undefined });
  const texts = fc.record({ origin: text, traceId: text, actor: maybe, idempotencyKey: maybe });
  fc.assert(
    fc.property(texts, clocks, fc.jsonValue(), (fields, vclock, data) => {
      const given = {
        ...event({ id: ALPHA, timestamp: "2026-01-01T00:00:00Z", data }),
        ...fields,
        vclock,
      } as Event;
      const payload = payloadDigest(given, "5a".repeat(16));
      expect(payload).toBe(independent.payloadDigest(given, "5a".repeat(16)));
      expect(eventHash(given, payload, "")).toBe(independent.eventHash(given, payload, ""));
    }),
    { numRuns: 1000 },
  );
});

/** A log with a history of one cortex, and the page that a peer would get. */
function history() {
  const { db } = openSqlite();
  const cortex = openCortex({ id: ALPHA, origin: "alpha" });
  const told = { actor: "user", meta: { a: 1 }, idempotencyKey: "key" };
  db.transaction((tx) =>
    cortex.append(tx, [
      { action: "create", traceId: "t", data: { title: "one" } },
      { action: "update", traceId: "t", data: null, ...told },
      { action: "update", traceId: "t" },
    ]),
  );
  return { db, page: missing(db, {}) as Event[] };
}

const follows = (page: readonly Event[]) =>
  page.every((one, i) => isProven(one, one.proof!, i === 0 ? "" : hashOf(page[i - 1]!.proof!)));

describe("a chain", () => {
  test("has a proof for each event with a clock, and none for others", () => {
    const { db, page } = history();
    db.transaction((tx) => append(tx, event()));
    expect(follows(page)).toBe(true);
    const rows = db.values(sql`select proof, counter from events order by seq`);
    expect(rows.map((row) => [typeof (row as any)[0], (row as any)[1]])).toEqual([
      ...[1, 2, 3].map((counter) => ["string", counter]),
      ["object", null],
    ]);
    const salts = page.map(({ proof }) => parseProof(proof!).salt);
    expect(new Set(salts).size).toBe(3);
  });

  test.each(drivers)(
    "on %s goes on from wherever it was left: other processes, batches, peers",
    async (_, open) => {
      const { db } = (await open()) as unknown as Awaited<ReturnType<typeof openLibsql>>;
      const change = { action: "update", traceId: "t" } as const;
      const writers = [1, 2, 3].map(() => openCortex({ id: ALPHA, origin: "alpha" }));
      const other = openCortex({ id: BETA, origin: "beta" });
      for (let i = 0; i < 12; i++) {
        await db.transaction((tx) => writers[i % 3]!.append(tx, change));
        await db.transaction((tx) => writers[0]!.append(tx, [change, change]));
        await db.transaction((tx) => writers[0]!.append(tx, change));
        if (i % 4 === 0) await db.transaction((tx) => other.append(tx, change));
      }
      const own = { id: newULID(), ...change, cortexId: ALPHA, origin: "alpha" };
      await db.transaction((tx) => append(tx, { ...own, vclock: { [ALPHA]: 49 } }));
      await db.transaction((tx) => writers[0]!.append(tx, change));
      const page = (await missing(db, {})) as Event[];
      for (const id of [ALPHA, BETA])
        expect(follows(page.filter(({ cortexId }) => cortexId === id))).toBe(true);
      expect((await frontier(db))[ALPHA]!.counter).toBe(50);
    },
  );

  test("that breaks off with a rolled back transaction goes on from what was kept", async () => {
    const { db } = openSqlite();
    const cortex = openCortex({ id: ALPHA, origin: "alpha" });
    const change = { action: "update", traceId: "t" } as const;
    for (let i = 0; i < 6; i++) {
      await errorOf(() =>
        db.transaction((tx) => {
          cortex.append(tx, change);
          if (i % 2 === 0) throw new Error("undone");
        }),
      );
    }
    expect(follows(missing(db, {}) as Event[])).toBe(true);
  });

  test("verifies where the payload is gone and its digest is kept", () => {
    const { page } = history();
    let previous = "";
    for (const one of page) {
      const { hash, salt } = parseProof(one.proof!);
      const digest = payloadDigest(one, salt);
      const { data: _, meta: __, ...erased } = one as Event & { data?: unknown };
      expect(eventHash(erased as Event, digest, previous)).toBe(hash);
      previous = hash;
    }
  });

  test("ordinary reads answer without proofs, and those for a peer with them", async () => {
    const { db, page } = history();
    expect((await everything(db as never)).some((one) => "proof" in one)).toBe(false);
    expect(getEvent(db, page[0]!.id)).not.toHaveProperty("proof");
    for (const one of page) expect(parseEvent(formatEvent(one))).toEqual(parseEvent(formatEvent({ ...one })));
    expect(parseEvent(formatEvent(page[0]!)).proof).toBe(page[0]!.proof);
  });
});

describe("accept", () => {
  const altered: [field: string, over: Record<string, unknown>][] = [
    ["id", { id: newULID() }],
    ["action", { action: "trash" }],
    ["traceId", { traceId: "other" }],
    ["origin", { origin: "other" }],
    ["actor", { actor: "other" }],
    ["presence of an actor", { actor: undefined }],
    ["timestamp", { timestamp: "2020-01-01T00:00:00Z" }],
    ["data", { data: 1 }],
    ["data absent, not null", { data: undefined }],
    ["meta", { meta: { a: 2 } }],
    ["presence of meta", { meta: undefined }],
    ["idempotencyKey", { idempotencyKey: "other" }],
    ["presence of a key", { idempotencyKey: undefined }],
  ];
  test.each(altered)("refuses an event that was altered: %s", async (_, over) => {
    const { page } = history();
    const { db } = openSqlite();
    const fake = [page[0]!, { ...page[1]!, ...over }] as Event[];
    const error = await errorOf(() => db.transaction((tx) => accept(tx, fake)));
    expect(error).toMatchObject({ name: "ConflictError", code: "BROKEN_CHAIN", cortexId: ALPHA });
    expect(await everything(db as never)).toEqual([]);
    db.transaction((tx) => accept(tx, page));
  });

  test.each([0, 63, 65, 96])("refuses a proof with another digit at %i", async (at) => {
    const { page } = history();
    const { proof } = page[0]!;
    const digit = proof![at] === "0" ? "1" : "0";
    const fake = { ...page[0]!, proof: proof!.slice(0, at) + digit + proof!.slice(at + 1) };
    const { db } = openSqlite();
    expect(await errorOf(() => db.transaction((tx) => accept(tx, [fake])))).toMatchObject({
      code: "BROKEN_CHAIN",
    });
  });

  test.each([
    [undefined, "NO_PROOF"],
    [null, "INVALID_PROOF"],
    ["", "INVALID_PROOF"],
    [7, "INVALID_PROOF"],
    [`${"0".repeat(64)}.${"0".repeat(31)}`, "INVALID_PROOF"],
    [`${"0".repeat(64)}.${"A".repeat(32)}`, "INVALID_PROOF"],
    [`${"0".repeat(64)}.${"0".repeat(32)}.`, "INVALID_PROOF"],
    [`${"0".repeat(64)}.${"0".repeat(32)}.a+b`, "INVALID_PROOF"],
    [`${"0".repeat(64)}.${"0".repeat(32)}\n`, "INVALID_PROOF"],
    [`${"0".repeat(64)}.${"0".repeat(32)}.${"a".repeat(5001)}`, "INVALID_PROOF"],
  ])("refuses the proof %j as %s before any SQL", async (proof, code) => {
    const { page } = history();
    const { db, statements } = openSqlite();
    db.transaction((tx) => {
      statements.length = 0;
      const error = thrownBy(() => accept(tx, [{ ...page[0]!, proof } as Event]));
      expect(error).toMatchObject({ name: "InputError", code, field: "events[0].proof" });
      expect(statements).toEqual([]);
    });
  });

  test("refuses what goes on from another history of the cortex, though every counter fits", async () => {
    const [one, other] = [history(), history()];
    const { db } = openSqlite();
    db.transaction((tx) => accept(tx, one.page.slice(0, 2)));
    const error = await errorOf(() => db.transaction((tx) => accept(tx, other.page.slice(2))));
    expect(error).toMatchObject({ code: "BROKEN_CHAIN", id: other.page[2]!.id });
    expect((await everything(db as never)).length).toBe(2);
    // The log's own history goes on.
    db.transaction((tx) => accept(tx, one.page));
  });

  test("refuses an event that is there, word for word, but came after another history", async () => {
    const { page } = history();
    const { db } = openSqlite();
    const [first, ...rest] = page.map(({ proof: _, ...one }) => one as Event);
    db.transaction((tx) => accept(tx, independent.chained([first!, ...rest])));
    const elsewhere = independent.chained([{ ...first!, origin: "elsewhere" }, ...rest]);
    expect(await errorOf(() => db.transaction((tx) => accept(tx, [elsewhere[1]!])))).toMatchObject({
      ...{ code: "FORK", id: rest[0]!.id, existingId: rest[0]!.id },
    });
  });

  test("control: by the counters alone such a history would have been taken", async () => {
    const [one, other] = [history(), history()];
    const clocks = (page: readonly Event[]) => page.map(({ vclock }) => vclock);
    expect(clocks(one.page)).toEqual(clocks(other.page));
    expect(frontier(one.db)[ALPHA]!.hash).not.toBe(frontier(other.db)[ALPHA]!.hash);
  });

  test("keeps a signature as it came, and passes it on", async () => {
    const signed = openSqlite();
    const cortex = openCortex({ id: ALPHA, origin: "alpha", sign: (hash) => `signed-${hash.slice(0, 8)}` });
    signed.db.transaction((tx) => cortex.append(tx, { action: "create", traceId: "t" }));
    const [relay, last] = [openSqlite(), openSqlite()];
    await pull(relay.db, databasePeer(signed.db));
    await pull(last.db, databasePeer(relay.db));
    const [event] = missing(last.db, {});
    const { hash, signature } = parseProof(event!.proof!);
    expect(signature).toBe(`signed-${hash.slice(0, 8)}`);
    expect(event!.proof).toBe(missing(signed.db, {})[0]!.proof);
  });

  test("with verify takes only what is signed, asked of each event once that is new", async () => {
    const signed = openSqlite();
    const cortex = openCortex({ id: ALPHA, origin: "alpha", sign: (hash) => `s-${hash.slice(0, 8)}` });
    const write = () => signed.db.transaction((tx) => cortex.append(tx, { action: "update", traceId: "t" }));
    write();
    write();
    const page = missing(signed.db, {}) as Event[];
    const asked: unknown[][] = [];
    const verify = (cortexId: string, hash: string, signature: string | undefined) => {
      asked.push([cortexId, hash, signature]);
      return signature === `s-${hash.slice(0, 8)}`;
    };
    const { db } = openSqlite();
    const take = (events: readonly Event[], options: object = { verify }) =>
      db.transaction((tx) => accept(tx, events, options));
    const unsigned = { ...page[1]!, proof: page[1]!.proof!.slice(0, 97) };
    for (const fake of [unsigned, { ...page[1]!, proof: `${unsigned.proof}.s-other` }]) {
      expect(await errorOf(() => take([page[0]!, fake]))).toMatchObject({
        ...{ name: "ConflictError", code: "SIGNATURE", id: page[1]!.id },
      });
    }
    expect(await everything(db as never)).toEqual([]);
    asked.length = 0;
    take(page);
    take(page);
    expect(asked).toEqual(
      page.map(({ proof }) => [ALPHA, hashOf(proof!), `s-${hashOf(proof!).slice(0, 8)}`]),
    );
    const answers = [undefined, 1, "yes", Promise.resolve(true), Promise.reject(new Error("late"))];
    write();
    const third = missing(signed.db, {}).slice(2) as Event[];
    for (const answer of answers) {
      expect(await errorOf(() => take(third, { verify: () => answer }))).toMatchObject({
        ...{ name: "InputError", code: "INVALID_FUNCTION", field: "verify" },
      });
    }
    expect(await errorOf(() => take(third, { verify: "yes" }))).toMatchObject({ code: "INVALID_FUNCTION" });
    expect(await everything(db as never)).toHaveLength(2);
  });
});

describe("append", () => {
  const own = (counter: number, over: object = {}) => event({ vclock: { [ALPHA]: counter }, ...over });

  test.each<[string, ReturnType<typeof own>]>([
    ["its cortex's second event, before the first", own(2)],
    ["a counter as great as can be", own(Number.MAX_SAFE_INTEGER)],
    ["one that counts an event that is not there", own(1, { vclock: { [ALPHA]: 1, [BETA]: 1 } })],
  ])("refuses as GAP %s", async (_, input) => {
    for (const open of [openLibsql, async () => openSqlite()]) {
      const { db } = (await open()) as unknown as Awaited<ReturnType<typeof openLibsql>>;
      expect(await errorOf(() => db.transaction((tx) => append(tx, input)))).toMatchObject({
        ...{ name: "ConflictError", code: "GAP", cortexId: ALPHA },
      });
      expect(await errorOf(() => db.transaction((tx) => append(tx, [event(), input])))).toMatchObject({
        code: "GAP",
      });
      expect(await everything(db)).toEqual([]);
    }
  });

  test("of a batch with clocks goes on within the batch, and its retry is answered by what is stored", () => {
    const { db } = openSqlite();
    const batch = [1, 2, 3].map((n) => own(n, { id: newULID() }));
    const stored = db.transaction((tx) => append(tx, batch));
    const before = frontier(db);
    expect(db.transaction((tx) => append(tx, [...batch, own(4)]))).toMatchObject([...stored, { seq: 4 }]);
    expect(hashAt(db, ALPHA, 3)).toBe(before[ALPHA]!.hash);
    expect(follows(missing(db, {}) as Event[])).toBe(true);
  });

  test("takes no proof: the log makes it", () => {
    const { db, page } = history();
    db.transaction((tx) => {
      const error = thrownBy(() => append(tx, page[0] as never));
      expect(error).toMatchObject({ name: "InputError", code: "INVALID_PROOF", field: "proof" });
    });
  });

  test("draws the salt from the randomness that it is given", () => {
    const salts = [0, 0.999].map((number) => {
      const { db } = openSqlite();
      db.transaction((tx) => append(tx, own(1), { randomness: () => number }));
      return parseProof(missing(db, {})[0]!.proof!).salt;
    });
    expect(salts).toEqual(["0".repeat(32), "f".repeat(32)]);
  });
});

describe("sign", () => {
  test.each([undefined, null, 7, "", "a b", "a.b", "é", "a".repeat(5001), Promise.resolve("a"), {}])(
    "that answers with %s is refused, and nothing is written",
    async (answer) => {
      const { db } = openSqlite();
      const cortex = openCortex({ id: ALPHA, origin: "alpha", sign: () => answer as string });
      const error = await errorOf(() =>
        db.transaction((tx) => cortex.append(tx, { action: "create", traceId: "t" })),
      );
      expect(error).toMatchObject({ name: "InputError", code: "INVALID_SIGNATURE", field: "sign" });
      expect(await everything(db as never)).toEqual([]);
    },
  );

  test("that is no function is refused", () => {
    const error = thrownBy(() => openCortex({ id: ALPHA, origin: "alpha", sign: "secret" as never }));
    expect(error).toMatchObject({ code: "INVALID_FUNCTION", field: "sign" });
  });
});

describe.each(drivers)("frontier on %s", (_, open) => {
  test("is the clock, with the hash of the event at each counter", async () => {
    const { db } = (await open()) as unknown as Awaited<ReturnType<typeof openLibsql>>;
    expect(await frontier(db)).toEqual({});
    const change = { action: "update", traceId: "t" } as const;
    for (const [id, n] of [
      [ALPHA, 3],
      [BETA, 1],
    ] as const) {
      const cortex = openCortex({ id, origin: "x" });
      for (let i = 0; i < n; i++) await db.transaction((tx) => cortex.append(tx, change));
    }
    await db.transaction((tx) => append(tx, event({ cortexId: newULID() })));
    const page = await missing(db, {});
    const hashes = (id: string) =>
      page.filter(({ cortexId }) => cortexId === id).map(({ proof }) => hashOf(proof!));
    expect(await frontier(db)).toEqual({
      [ALPHA]: { counter: 3, hash: hashes(ALPHA)[2] },
      [BETA]: { counter: 1, hash: hashes(BETA)[0] },
    });
    for (const n of [1, 2, 3]) expect(await hashAt(db, ALPHA, n)).toBe(hashes(ALPHA)[n - 1]);
    expect(await hashAt(db, ALPHA, 4)).toBeUndefined();
    expect(await hashAt(db, newULID(), 1)).toBeUndefined();
  });

  test("bad input is refused before any SQL", async () => {
    const { db, statements } = (await open()) as unknown as Awaited<ReturnType<typeof openLibsql>>;
    const refused: [() => unknown, string][] = [
      [() => frontier(null as never), "NOT_A_DATABASE"],
      [() => frontier(db, { table: {} as never }), "INVALID_TABLE"],
      [() => hashAt(db, "x", 1), "INVALID_CORTEX_ID"],
      [() => hashAt(db, ALPHA, 0), "INVALID_CURSOR"],
      [() => hashAt(db, ALPHA, 1.5), "INVALID_CURSOR"],
    ];
    for (const [run, code] of refused) expect(thrownBy(run)).toMatchObject({ code });
    expect(statements).toEqual([]);
  });
});
