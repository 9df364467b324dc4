import { clock } from "../clock.js";
import { checkDatabase, type Database } from "../database.js";
import type { Action, Actions, Event } from "../event.js";
import { checkedOptions, InputError, reading, shapeOf } from "../input-error.js";
import type { ReadOptions } from "../read.js";
import { tableOf } from "../table.js";
import type { VectorClock } from "../vector-clock.js";
import { missing } from "./missing.js";

export type Later<T> = T | PromiseLike<T>;

/** Another log, wherever it is. */
export interface Peer {
  /** What it has. */
  clock(signal?: AbortSignal): Later<VectorClock>;
  /** What a log with this clock lacks of it, at most `limit`, causes first; an event may be in the JSON form. */
  missing(clock: VectorClock, limit: number, signal?: AbortSignal): Later<readonly (Event<any> | string)[]>;
}

/** A log in another Drizzle database, as a peer. Throws InputError `NOT_A_DATABASE`, `INVALID_TABLE`. */
export function databasePeer<A extends Actions = Action>(db: Database, options?: ReadOptions<A>): Peer {
  checkDatabase(db);
  const table = tableOf(checkedOptions(options));
  return {
    clock: async () => clock(db, { table }),
    missing: async (known, limit) => missing(db, known, { table, limit }),
  };
}

/** The peer's functions, read once. */
export function checkedPeer(peer: unknown): Peer {
  const { clock, missing } = reading("peer", () => {
    const { clock, missing } = Object(peer) as Partial<Peer>;
    return { clock, missing };
  });
  if (typeof clock === "function" && typeof missing === "function") {
    return {
      clock: (...args) => Reflect.apply(clock, peer, args),
      missing: (...args) => Reflect.apply(missing, peer, args),
    };
  }
  throw new InputError("INVALID_PEER", "peer", `must be a peer, got ${shapeOf(peer)}`);
}
