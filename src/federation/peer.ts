import { checkDatabase, type Database } from "../database.js";
import type { Action, Actions, Event } from "../event.js";
import { type Frontier, frontier, hashAt } from "../frontier.js";
import { checkedOptions, InputError, reading, shapeOf } from "../input-error.js";
import type { ReadOptions } from "../read.js";
import { tableOf } from "../table.js";
import type { VectorClock } from "../vector-clock.js";
import { missing } from "./missing.js";

export type Later<T> = T | PromiseLike<T>;

/** Another log, wherever it is. */
export interface Peer {
  /** What it has. */
  frontier(signal?: AbortSignal): Later<Frontier>;
  /** The hash of its event of this cortex with this counter; undefined or null if it has none. */
  hashAt(cortexId: string, counter: number, signal?: AbortSignal): Later<string | null | undefined>;
  /** What a log with this clock lacks of it, at most `limit`, causes first; an event may be in the JSON form. */
  missing(clock: VectorClock, limit: number, signal?: AbortSignal): Later<readonly (Event<any> | string)[]>;
}

/** A log in another Drizzle database, as a peer. Throws InputError `NOT_A_DATABASE`, `INVALID_TABLE`. */
export function databasePeer<A extends Actions = Action>(db: Database, options?: ReadOptions<A>): Peer {
  checkDatabase(db);
  const table = tableOf(checkedOptions(options));
  return {
    frontier: async () => frontier(db, { table }),
    hashAt: async (cortexId, counter) => hashAt(db, cortexId, counter, { table }),
    missing: async (known, limit) => missing(db, known, { table, limit }),
  };
}

/** The peer's functions, read once. */
export function checkedPeer(peer: unknown): Peer {
  const { frontier, hashAt, missing } = reading("peer", () => {
    const { frontier, hashAt, missing } = Object(peer) as Partial<Peer>;
    return { frontier, hashAt, missing };
  });
  if (typeof frontier === "function" && typeof hashAt === "function" && typeof missing === "function") {
    return {
      frontier: (...args) => Reflect.apply(frontier, peer, args),
      hashAt: (...args) => Reflect.apply(hashAt, peer, args),
      missing: (...args) => Reflect.apply(missing, peer, args),
    };
  }
  throw new InputError("INVALID_PEER", "peer", `must be a peer, got ${shapeOf(peer)}`);
}
