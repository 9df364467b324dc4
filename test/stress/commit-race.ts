import { join } from "node:path";
import {
  type Harness,
  heard,
  none,
  plural,
  startChild,
  startTogether,
  sum,
  withDirectory,
} from "./harness.js";
import { brokenPromises, cortexId, createLog, difference, readAll } from "./log.js";
import type { ReaderArguments, ReaderReport } from "./reader.js";
import type { WriterArguments, WriterReport } from "./writer.js";

const SKEWS = [0, -2000, 1000, 5000];
const SIZES = [1, 3];

export const commitRace: Harness = {
  name: "commit-race",
  fault: "commit race",
  required:
    "0 missed, 0 doubled; counters dense, ids rise per cortex, clocks causal; the `since` control must miss",
  timeout: [600_000, 600_000],
  async run({ short }) {
    const events = short ? 4_000 : 20_000;
    const race = await runRace("cortex", events);
    const naive = await runRace("naive", short ? 2_000 : 4_000);
    const broken = brokenPromises(race.events);
    const ids = race.events.map((event) => event.id);
    const fed = difference(race.ids, race.seen.feed);
    const tailed = difference(race.ids, race.seen.tail);
    const stored = difference(race.ids, ids);
    const control = difference(naive.ids, naive.seen.since);
    const controlFeed = difference(naive.ids, naive.seen.feed);
    return {
      ran: "4 processes, clocks 0/−2/+1/+5 s; feed and tail paging all the time",
      count: plural(ids.length, "event"),
      figures: [
        [
          `${stored.missed + stored.strange + Math.abs(ids.length - events)} lost`,
          stored.missed + stored.strange === 0 && ids.length === events,
        ],
        none(fed.missed + tailed.missed, "missed"),
        none(fed.doubled + tailed.doubled, "doubled"),
        none(broken.counters, "counters not dense"),
        none(broken.ids, "ids not rising"),
        none(broken.clocks, "clocks not causal"),
        none(broken.order, "ids not after their causes"),
        [
          `control: since missed ${control.missed} of ${naive.ids.length} (feed ${controlFeed.missed})`,
          control.missed > 0 && controlFeed.missed === 0,
        ],
      ],
    };
  },
};

async function runRace(form: WriterArguments["form"], events: number) {
  return withDirectory(async (directory) => {
    const url = `file:${join(directory, "race.db")}`;
    const db = await createLog(url);
    const readerArguments: ReaderArguments = { url };
    const reader = startChild("./reader.ts", readerArguments);
    await heard(reader);
    const transactions = (events / SKEWS.length / sum(SIZES)) * SIZES.length;
    const writers = SKEWS.map((skew, n) => {
      const args: WriterArguments = {
        url,
        cortexId: cortexId(n),
        skew,
        transactions,
        lanes: 2,
        sizes: SIZES,
        form,
      };
      return startChild("./writer.ts", args);
    });
    await startTogether(writers);
    const reports = await Promise.all(writers.map((writer) => heard<WriterReport>(writer)));
    await Promise.all(writers.map((writer) => writer.exit));
    reader.endInput();
    const seen = await heard<ReaderReport>(reader);
    await reader.exit;
    const stored = await readAll(db);
    db.$client.close();
    return { ids: reports.flatMap((report) => report.ids), seen, events: stored };
  });
}
