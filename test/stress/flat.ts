import { join } from "node:path";
import type { FlatArguments, FlatReport, Sample } from "./flat-writer.js";
import { control, type Harness, heard, none, plural, startChild, withDirectory } from "./harness.js";
import { FORMS, REFUSED_FORMS } from "./marks.js";

/** What it may grow by, in MiB: the caches of SQLite and of V8 fill up. */
const HEAP = 2;
const RSS = 24;
/** What the write-ahead log is truncated to, and one round of what is written meanwhile, in MiB. */
const LOG = 32;

export const flat: Harness = {
  name: "flat",
  fault: "many writes",
  required: `after a warm-up heap +≤ ${HEAP} MiB, process +≤ ${RSS} MiB, log ≤ ${LOG} MiB, no descriptor more; clients left open must show`,
  timeout: [600_000, 1_800_000],
  async run({ short }) {
    const writes = short ? 20_000 : 200_000;
    const own = await runFlat(writes, false);
    const leaking = await runFlat(1_000, true);
    if (own.errors.length > 0) console.error("flat:", own.errors);
    const [heap, rss] = [grown(own, "heap") / 2 ** 20, grown(own, "rss") / 2 ** 20];
    const log = Math.max(...own.samples.map((sample) => sample.log)) / 2 ** 20;
    const [descriptors, leaked] = [grown(own, "descriptors"), grown(leaking, "descriptors")];
    return {
      ran: "writes in all ways, refused ones among them, reads, snapshots, large arguments, ever new texts; 8 lanes",
      count: plural(writes, "write"),
      figures: [
        [
          `${own.stored} stored`,
          own.stored === (writes * FORMS.length) / (FORMS.length + REFUSED_FORMS.length),
        ],
        none(own.errors.length, "errors"),
        [`heap ${signed(heap)} MiB`, heap <= HEAP],
        [`process ${signed(rss)} MiB of ${(own.samples.at(-1)!.rss / 2 ** 20).toFixed(0)}`, rss <= RSS],
        [`log ${log.toFixed(0)} MiB`, log <= LOG],
        [
          `descriptors ${signed(descriptors, 0)} of ${own.samples.at(-1)!.descriptors}`,
          descriptors <= 0 && own.samples.every((sample) => sample.descriptors > 0),
        ],
        control(`clients left open: descriptors ${signed(leaked, 0)}`, leaked),
      ],
    };
  },
};

async function runFlat(writes: number, leaks: boolean): Promise<FlatReport> {
  return withDirectory(async (directory) => {
    const args: FlatArguments = { file: join(directory, "flat.db"), writes, leaks };
    const child = startChild("./flat-writer.ts", args);
    const report = await heard<FlatReport>(child);
    await child.exit;
    return report;
  });
}

/** From the least in the second quarter to the least in the last: what rises and falls again has not grown. */
function grown({ samples }: FlatReport, key: keyof Sample): number {
  const quarter = samples.length / 4;
  const of = (from: number) => samples.slice(from, from + quarter).map((sample) => sample[key]);
  return Math.min(...of(quarter * 3)) - Math.min(...of(quarter));
}

const signed = (n: number, digits = 1) => `${n < 0 ? "−" : "+"}${Math.abs(n).toFixed(digits)}`;
