import type { StoredEvent } from "drizzle-event-log";
import type { Workers } from "./workers.js";

export interface Run {
  /** Of the log, too. */
  route: "append" | "naive";
  writers: number;
  /** How many appends each makes, one after another. */
  each: number;
  /** Which of them are sent twice, as by a client that lost the answer. */
  twice?: (n: number) => boolean;
}

export interface Audit {
  acknowledged: number;
  refused: number;
  /** Acknowledged and not there, or other than acknowledged. */
  lost: number;
  /** There without having been acknowledged, or more than once. */
  doubled: number;
  /** Whose clock does not count exactly what came before. */
  miscounted: number;
  /** How often the app's own query ran more often than events were stored. */
  strays: number;
  /** The longest wait for an answer, in milliseconds. */
  longest: number;
}

/** Several Workers append to one log at once, and what is there in the end is compared with what they were told. */
export async function writeTogether(workers: Workers, { route, writers, each, twice }: Run): Promise<Audit> {
  await workers.ask(0, `/${route}/migrate`);
  const acknowledged = new Map<string, string>();
  let [refused, longest] = [0, 0];
  const write = async (writer: number, n: number) => {
    const traceId = `${route}-${writer}-${n}`;
    const mutation = { action: "update", traceId, ...(twice?.(n) && { idempotencyKey: traceId }) };
    const send = () => workers.ask(writer, `/${route}/${route}`, { writer, mutation });
    const start = performance.now();
    try {
      const answers = await Promise.all(twice?.(n) ? [send(), send()] : [send()]);
      for (const { event } of answers) acknowledged.set(traceId, event.id);
    } catch (error) {
      refused++;
      if (route === "append") console.error(error);
    }
    longest = Math.max(longest, performance.now() - start);
  };
  await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      for (let n = 0; n < each; n++) await write(writer, n);
    }),
  );
  const { events, tally } = (await workers.ask(0, `/${route}/audit`)) as {
    events: StoredEvent[];
    tally: number;
  };
  const ids = new Map(events.map(({ traceId, id }) => [traceId, id]));
  return {
    ...{ acknowledged: acknowledged.size, refused, longest },
    lost: [...acknowledged].filter(([traceId, id]) => ids.get(traceId) !== id).length,
    doubled: events.length - ids.size + [...ids.keys()].filter((trace) => !acknowledged.has(trace)).length,
    miscounted: events.filter(({ seq, vclock }) => sum(Object.values(vclock!)) !== seq).length,
    strays: tally - events.length,
  };
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + n, 0);
