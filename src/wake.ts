import { type Database, isSync } from "./database.js";
import { reading } from "./input-error.js";
import { monotonicNow } from "./real-time.js";
import { nextTurn, pause } from "./wait.js";

// How long to wait between two looks, in milliseconds: where they cost next to nothing, and over a network.
const NEAR = 100;
const FAR = 1000;

/** What tells of the commits to a database. */
export interface Commits {
  /** Called in every commit of this process: they have to be quick, and must not throw. */
  readonly listeners: Set<() => void>;
  /** Another text after every commit, whoever made it. */
  version(): string;
}

const sources = new WeakMap<object, () => Commits>();

/** For the door that opens a client: who tells of the commits to the database that it has open now. */
export function tellCommits(client: object, source: () => Commits): void {
  sources.set(client, source);
}

/** A wait for commits. What is committed after `begin` ends the next `news`. */
interface Watch {
  begin(): void;
  /**
   * Resolves when there may be something new, when the signal aborts, or after `atMost` milliseconds; in a later turn
   * of the event loop, so that what a burst of commits has written is read at once.
   */
  news(signal: AbortSignal | undefined, atMost?: number): Promise<void>;
  end(): void;
}

/**
 * Watches by the commits of the database's client and looks at its version every `interval`; where nobody tells of
 * them, there may be something new after every `interval`.
 */
export function watchCommits(db: Database, interval = defaultInterval(db)): Watch {
  const client = clientOf(db);
  let commits: Commits | undefined;
  let version: string | undefined;
  let isNews = false;
  let wake = () => {};
  const listener = () => {
    isNews = true;
    wake();
  };
  const end = () => commits?.listeners.delete(listener);
  return {
    begin() {
      end(); // The client may have been opened anew.
      commits = sources.get(client)?.();
      commits?.listeners.add(listener);
      isNews = false;
      version = commits?.version();
    },
    async news(signal, atMost = Number.POSITIVE_INFINITY) {
      const end = monotonicNow() + atMost;
      while (!isNews && !signal?.aborted && monotonicNow() < end) {
        await pause(Math.min(interval, atMost), signal, (end) => {
          wake = end;
        });
        if (client.closed || commits === undefined || commits.version() !== version) break;
      }
      await nextTurn();
    },
    end,
  };
}

interface AnyClient {
  closed?: unknown;
  protocol?: unknown;
}

/** The driver's client, an object of its own where there is none. */
function clientOf(db: Database): AnyClient {
  const client = reading("db", (): unknown => Reflect.get(db, "$client"));
  return typeof client === "object" && client !== null ? client : {};
}

function defaultInterval(db: Database): number {
  return isSync(db) || clientOf(db).protocol === "file" ? NEAR : FAR;
}
