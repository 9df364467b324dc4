import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import {
  type Child,
  control,
  type Harness,
  heard,
  MEMORY,
  none,
  plural,
  startChild,
  withDirectory,
} from "./harness.js";
import type { HolderArguments } from "./lock-holder.js";
import { type ClientKind, createMarks, openAs, partsOf } from "./marks.js";
import type { MixedArguments, MixedLine } from "./mixed-writer.js";

/** Of the control fewer: it fails loudly where more of them meet, and is to fail silently. */
const LANES = { own: 24, plain: 6 };
const LIFE = 200;
/** A process has begun to live when it has stored so many: before, it mostly loads and compiles its code. */
const BEGUN = { own: 50, plain: 0 };

interface Told {
  stored: number[];
  /** On purpose, and not. */
  withdrawn: number[];
  failed: number[];
  kills: number;
}

export const mixedWriters: Harness = {
  name: "mixed-writers",
  fault: "mixed writers",
  required: "0 acknowledged lost, 0 refused present, 0 partial, none fails; @libsql/client must lose",
  timeout: [600_000, 1_800_000],
  async run({ short }) {
    const onDisk = await runMixed("own", short ? 300 : 2_000, tmpdir());
    const inMemory = await runMixed("own", short ? 1_000 : 18_000, MEMORY);
    const plain = await runUntilLost(short ? 100 : 1_000);
    const both = (count: (run: typeof onDisk) => number) => count(onDisk) + count(inMemory);
    const stored = both(({ told }) => told.stored.length);
    const kills = both(({ told }) => told.kills);
    const withdrawn = both(({ told }) => told.withdrawn.length);
    const integrity = `${onDisk.integrity}, ${inMemory.integrity}`;
    return {
      ran: `db.run, batches, transactions, events, shared transactions in one process, killed with -9 ${LIFE} ms after its ${BEGUN.own}th write, beside one that holds the lock on and off; ${plural(onDisk.told.stored.length, "write")} on the disk, the others on a file in memory`,
      count: `${plural(stored, "write")}, ${plural(kills, "kill")}`,
      figures: [
        none(
          both((run) => run.lost),
          "lost",
        ),
        none(
          both((run) => run.refusedPresent),
          "refused present",
        ),
        none(
          both((run) => run.partial),
          "partial",
        ),
        none(
          both(({ told }) => told.failed.length),
          "failed",
        ),
        [`${withdrawn} withdrawn`, withdrawn > 0],
        [`integrity ${integrity}`, integrity === "ok, ok"],
        control(
          `@libsql/client lost ${plain.lost} of ${plain.told.stored.length} acknowledged, ${plain.told.failed.length} failed`,
          plain.lost,
        ),
      ],
    };
  },
};

/** @libsql/client fails loudly or loses silently, by where the lock meets it: mostly both, in each run. */
async function runUntilLost(writes: number) {
  let run = await runMixed("plain", writes, tmpdir());
  for (let again = 0; run.lost === 0 && again < 9; again++) run = await runMixed("plain", writes, tmpdir());
  return run;
}

async function runMixed(client: ClientKind, writes: number, parent: string) {
  return withDirectory(async (directory) => {
    const file = join(directory, "mixed.db");
    const url = `file:${file}`;
    (await createMarks(url)).$client.close();
    const holding: HolderArguments = { file, hold: [1, 8], leave: [5, 20], isOnce: false };
    const holder = startChild("./lock-holder.ts", holding);
    await heard(holder);
    holder.tell("go");

    const told: Told = { stored: [], withdrawn: [], failed: [], kills: 0 };
    const start = (from: number) => {
      const args: MixedArguments = { url, client, lanes: LANES[client], from };
      return startChild("./mixed-writer.ts", args, { isCompiled: true });
    };
    let next = start(0);
    while (told.stored.length < writes) {
      const child = next;
      next = start((told.kills + 1) * 1_000_000); // It takes longer to start than it will live.
      await runOne(child, told, BEGUN[client]);
    }
    next.kill();
    holder.kill();
    await Promise.all([next.exit, holder.exit]);
    return { told, ...(await check(url, told)) };
  }, parent);
}

async function runOne(child: Child, told: Told, begun: number): Promise<void> {
  await heard(child);
  child.tell("go");
  const begin = told.stored.length;
  let isDying = false;
  for (;;) {
    const line: MixedLine | undefined = await child.next();
    if (line === undefined) break;
    if (!isDying && told.stored.length >= begin + begun) {
      isDying = true;
      setTimeout(child.kill, LIFE);
    }
    if ("stored" in line) told.stored.push(line.stored);
    else if (line.isMeant) told.withdrawn.push(line.refused);
    else {
      if (told.failed.length === 0)
        console.error("mixed-writers: first failure:", line.error.split("\n", 1)[0]);
      told.failed.push(line.refused);
    }
  }
  if ((await child.exit) !== "SIGKILL") throw new Error("a writer ended before it was killed");
  told.kills++;
}

/** What is in the file, against what was said. */
async function check(url: string, { stored, withdrawn, failed }: Told) {
  const db = await openAs("own", url);
  const parts = await partsOf(db);
  const [row] = await db.values<[string]>(sql`pragma integrity_check`);
  db.$client.close();
  return {
    integrity: row![0],
    lost: stored.filter((n) => parts.get(n) !== 2).length,
    refusedPresent: [...withdrawn, ...failed].filter((n) => parts.has(n)).length,
    partial: [...parts.values()].filter((n) => n !== 2).length,
  };
}
