import type { Database, Result } from "./database.js";
import { explained } from "./migration-error.js";
import { nextTurn } from "./wait.js";

/**
 * Work on a database as a generator: `const rows = yield* done(db.values(query))`. On a synchronous driver it
 * runs to its end at once, on an asynchronous one it goes on when each outcome is there. Not `async`/`await`: on
 * a synchronous driver an awaited step would run after the transaction has ended.
 */
export type Steps<T> = Generator<unknown, T, any>;

const TURN = Symbol("turn");

/** The outcome of a query. As `yield` alone, with its type. */
export function* done<T>(outcome: T | PromiseLike<T>): Steps<T> {
  return isPending(outcome) ? yield outcome : outcome;
}

/** Lets other tasks have a turn, on an asynchronous driver: on a synchronous one nobody can wait. */
export function* turn(): Steps<void> {
  yield TURN;
}

/**
 * Runs the steps; the answer is of the kind that `db` gives. The first query starts before this returns, also
 * when nobody awaits it.
 */
export function run<D extends Database, T>(_db: D, steps: Steps<T>): Result<D, T> {
  try {
    let step = steps.next();
    while (!step.done && !isPending(step.value)) step = steps.next(step.value);
    return (step.done ? step.value : goOn(steps, step.value as PromiseLike<unknown>)) as Result<D, T>;
  } catch (error) {
    throw explained(error);
  }
}

function goOn<T>(steps: Steps<T>, first: PromiseLike<unknown>): Promise<T> {
  return new Promise((resolve, reject) => {
    const go = (resume: () => IteratorResult<unknown, T>): void => {
      try {
        const step = resume();
        if (step.done) resolve(step.value);
        else if (isPending(step.value)) wait(step.value);
        else wait(step.value === TURN ? nextTurn() : Promise.resolve(step.value));
      } catch (error) {
        reject(explained(error));
      }
    };
    const wait = (outcome: PromiseLike<unknown>): void => {
      outcome.then(
        (value) => go(() => steps.next(value)),
        (error) => go(() => steps.throw(error)),
      );
    };
    wait(first);
  });
}

const turns = new WeakMap<Database, PromiseLike<unknown>>();

/**
 * Runs the steps when the earlier ones on this database or transaction are done, failed or not. An append looks at the
 * log and then inserts: of two through Promise.all the second must see what the first has inserted.
 */
export function inTurn<X extends Database, T>(tx: X, steps: () => Steps<T>): Result<X, T> {
  const start = () => run(tx, steps());
  const earlier = turns.get(tx);
  const outcome = earlier ? earlier.then(start, start) : start();
  if (isPending(outcome)) turns.set(tx, outcome);
  return outcome as Result<X, T>;
}

export function isPending<T>(outcome: T | PromiseLike<T>): outcome is PromiseLike<T> {
  return typeof (outcome as Partial<PromiseLike<T>> | null | undefined)?.then === "function";
}
