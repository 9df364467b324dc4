import { join } from "node:path";
import { sql } from "drizzle-orm";
import { type Harness, heard, none, plural, startChild, withDirectory } from "./harness.js";
import type { HolderArguments } from "./lock-holder.js";
import { type ClientKind, createMarks, partsOf } from "./marks.js";
import type { WaitingArguments, WaitingReport } from "./waiting-writer.js";

const WRITES = 1_000;
const HELD = 5_000;
const READ = 5;

export const heldLock: Harness = {
  name: "held-lock",
  fault: "a lock held for long",
  required: `all stored, in the order of the calls; reads p99 ≤ ${READ} ms beyond those before; @libsql/client must not store all`,
  timeout: [600_000, 600_000],
  async run() {
    const own = await runHeld("own", HELD);
    const plain = await runHeld("plain", 500);
    const [before, meanwhile] = [p99(own.idle), p99(own.waiting)];
    return {
      ran: `${WRITES.toLocaleString("en")} writes waiting while another process holds the lock for ${HELD / 1000} s; reads beside them`,
      count: `${plural(own.stored, "write")}, ${plural(own.waiting.length, "read")}`,
      figures: [
        [`${own.stored} stored`, own.stored === WRITES && own.whole === WRITES],
        none(own.disorder, "out of order"),
        [`reads p99 ${meanwhile.toFixed(1)} ms (before ${before.toFixed(1)} ms)`, meanwhile - before <= READ],
        [`${own.waiting.length} reads meanwhile`, own.waiting.length > HELD / 50],
        [`control: @libsql/client stored ${plain.whole}`, plain.whole < WRITES],
      ],
    };
  },
};

async function runHeld(client: ClientKind, held: number) {
  return withDirectory(async (directory) => {
    const file = join(directory, "held.db");
    const db = await createMarks(`file:${file}`);
    const args: WaitingArguments = { url: `file:${file}`, client, writes: WRITES };
    const holding: HolderArguments = { file, hold: [held, held], leave: [0, 0], isOnce: true };
    const holder = startChild("./lock-holder.ts", holding);
    await heard(holder);
    const writer = startChild("./waiting-writer.ts", args);
    await heard(writer); // It calls.
    await heard(writer); // It has called.
    holder.tell("go");
    writer.tell("go");
    await heard(holder);
    const report = await heard<WaitingReport>(writer);
    if (client === "own" && report.failed > 0) console.error("held-lock:", report.error);
    await Promise.all([writer.exit, holder.exit]);
    const parts = await partsOf(db);
    const rows = await db.values<[number]>(sql`select n from marks where part = 1 order by rowid`);
    db.$client.close();
    const whole = [...parts.values()].filter((n) => n === 2).length;
    return { ...report, whole, disorder: disorder(rows.map((row) => row[0])) };
  });
}

const disorder = (numbers: readonly number[]) =>
  numbers.filter((n, i) => i > 0 && n < numbers[i - 1]!).length;

const p99 = (times: readonly number[]) =>
  times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0;
