import type { Frontier } from "../frontier.js";
import { InputError, reading, shapeOf } from "../input-error.js";
import { isPlainObject } from "../json.js";
import { isULID } from "../ulid.js";
import type { Later, Peer } from "./peer.js";

/** What two logs hold alike of a cortex, by comparing hashes; or why that cannot be told. */
export type Comparison =
  | { shared: number; isFork: boolean; error?: undefined }
  | { shared: number; error: InputError };

/** The hash of the cortex's event with this counter in one of the logs, undefined if that is not there. */
type HashAt = (counter: number) => PromiseLike<string | undefined>;

type Last = Frontier[string];

/**
 * How far two logs hold the same history of a cortex: to the end of the shorter one, if their hashes are equal there.
 * Otherwise it has forked after the last counter at which they are. Bisection finds that one, for equal hashes mean
 * that all before them is equal, too.
 *
 * Never a false fork: a hash at a counter stays what it is, however the logs move on meanwhile. One that is not there
 * is no difference.
 */
export async function compare(
  ours: Last,
  theirs: Last,
  ourHash: HashAt,
  theirHash: HashAt,
): Promise<Comparison> {
  const shorter = Math.min(ours.counter, theirs.counter);
  const areEqual = async (counter: number): Promise<boolean | undefined> => {
    const [a, b] = await Promise.all([
      counter === ours.counter ? ours.hash : ourHash(counter),
      counter === theirs.counter ? theirs.hash : theirHash(counter),
    ]);
    return a === undefined || b === undefined ? undefined : a === b;
  };
  let [agreed, differs] = [0, shorter + 1];
  for (let counter = shorter; agreed + 1 < differs; counter = agreed + Math.floor((differs - agreed) / 2)) {
    const equal = await areEqual(counter);
    if (equal === undefined) {
      const problem = "answers with no hash for a counter that the frontier claims";
      return { shared: agreed, error: new InputError("INVALID_PEER", "peer.hashAt", problem) };
    }
    if (equal) agreed = counter;
    else differs = counter;
  }
  return { shared: agreed, isFork: agreed < shorter };
}

/** Where hashes are to be had that are not at the end of a frontier. */
interface Hashes {
  ours: (cortexId: string, counter: number) => Later<string | undefined>;
  from: Peer;
  signal: AbortSignal | undefined;
}

// How many cortexes are compared at once, each by a question at a time.
const AT_ONCE = 16;

/** Compares every cortex that both logs know, or these; what only one of them knows, they share nothing of. */
export async function compareAll(
  ours: Frontier,
  theirs: Frontier,
  hashes: Hashes,
  ids: readonly string[] = Object.keys(ours),
): Promise<Map<string, Comparison>> {
  const compareOne = async (id: string): Promise<[string, Comparison]> => {
    const [a, b] = [ours, theirs].map((logs) => (Object.hasOwn(logs, id) ? logs[id] : undefined));
    if (!a || !b) return [id, { shared: 0, isFork: false }];
    const theirHash = async (counter: number) => {
      const hash = await hashes.from.hashAt(id, counter, hashes.signal);
      return hash === undefined || hash === null ? undefined : checkedHash(hash, "peer.hashAt");
    };
    return [id, await compare(a, b, async (counter) => hashes.ours(id, counter), theirHash)];
  };
  const all: [string, Comparison][] = [];
  for (let i = 0; i < ids.length; i += AT_ONCE) {
    all.push(...(await Promise.all(ids.slice(i, i + AT_ONCE).map(compareOne))));
  }
  return new Map(all);
}

const HASH = /^[0-9a-f]{64}$/;

/** A frontier as a peer states it. */
export function checkedFrontier(frontier: unknown): Frontier {
  const refuse = (field: string, problem: string): never => {
    throw new InputError("INVALID_PEER", field, problem);
  };
  return reading("peer.frontier", () => {
    if (!isPlainObject(frontier))
      return refuse("peer.frontier", `must be a plain object, got ${shapeOf(frontier)}`);
    const entries = Object.entries(frontier).map(([id, last]) => {
      if (!isULID(id)) return refuse("peer.frontier", `has a key that is not a ULID, but ${shapeOf(id)}`);
      const { counter, hash } = Object(last) as Partial<Last>;
      if (!Number.isSafeInteger(counter) || counter! < 1) {
        return refuse(
          `peer.frontier.${id}.counter`,
          `must be a whole number from 1, got ${shapeOf(counter)}`,
        );
      }
      return [id, { counter: counter!, hash: checkedHash(hash, `peer.frontier.${id}.hash`) }] as const;
    });
    return Object.fromEntries(entries);
  });
}

function checkedHash(hash: unknown, field: string): string {
  if (typeof hash === "string" && HASH.test(hash)) return hash;
  throw new InputError("INVALID_PEER", field, `must be 64 hex digits, got ${shapeOf(hash)}`);
}
