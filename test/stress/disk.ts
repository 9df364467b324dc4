import { chmodSync } from "node:fs";
import { join } from "node:path";
import { type DiskFault, diskFaults, replaced } from "./disk-faults.js";
import type { DiskArguments, DiskLine } from "./disk-writer.js";
import {
  type Child,
  control,
  type Harness,
  heard,
  none,
  plural,
  startChild,
  sum,
  withDirectory,
} from "./harness.js";
import { type ClientKind, createMarks, FORMS, mark, openAs, partsOf } from "./marks.js";

const NOBODY = 65_534;
/** What the parent writes where the child never can. */
const BEFORE = 12;

type Written = Exclude<DiskLine, { opened: string }>;

export const disk: Harness = {
  name: "disk",
  fault: "a failing disk",
  required:
    "an error; 0 acknowledged lost, 0 refused present; written again when mended; @libsql/client must lose",
  timeout: [600_000, 600_000],
  async run() {
    return withDirectory(async (directory) => {
      const found: Awaited<ReturnType<typeof runFault>>[] = [];
      const faults = diskFaults(directory);
      for (const fault of faults) found.push(await runFault(fault, "own"));
      const plain = await runFault(replaced, "plain");
      const count = (key: keyof (typeof found)[number]) => sum(found.map((one) => Number(one[key])));
      return {
        ran: faults.map(({ name }) => name).join(", "),
        count: plural(faults.length, "fault"),
        figures: [
          [`${count("acknowledged")} acknowledged`, found.every((one) => one.acknowledged > 0)],
          none(count("lost"), "lost"),
          [`${count("refused")} refused`, found.every((one) => one.refused > 0)],
          none(count("present"), "refused present"),
          none(count("partial"), "partial"),
          none(count("strange"), "other errors"),
          none(count("unnoticed"), "unnoticed"),
          none(count("unmended"), "not written when mended"),
          control(`@libsql/client lost ${plain.lost} of ${plain.acknowledged} (file replaced)`, plain.lost),
        ],
      };
    });
  },
};

async function runFault(fault: DiskFault, client: ClientKind) {
  return withDirectory(async (directory) => {
    chmodSync(directory, 0o755);
    fault.prepare?.(directory);
    try {
      return await runIn(directory, fault, client);
    } finally {
      fault.cleanUp?.(directory);
    }
  });
}

async function runIn(directory: string, fault: DiskFault, client: ClientKind) {
  const file = join(directory, "disk.db");
  const url = `file:${file}`;
  const db = await createMarks(url);
  const before = fault.atOpen ? await writeSome(db) : nothing();
  if (!fault.atOpen) db.$client.close();
  else await fault.break?.(file);

  const args: DiskArguments = { url, client, writes: fault.writes, lanes: client === "own" ? 4 : 1 };
  if (fault.atOpen && process.getuid?.() === 0) args.uid = NOBODY;
  const child = startChild("./disk-writer.ts", args, fault.options);
  const { opened } = await heard<{ opened: string }>(child);
  if (!fault.atOpen) Object.assign(before, await tell(child));
  if (!fault.atOpen) await fault.break?.(file);
  const broken = opened === "ok" ? await tell(child) : { ...nothing(), refused: [-1], codes: [opened] };
  await fault.mend?.(file);
  const mended = fault.mend ? await tell(child) : nothing();
  child.kill();
  await child.exit;
  db.$client.close();

  const parts = fault.isGone ? new Map<number, number>() : await read(url);
  const all = [...(fault.isGone ? [] : before.stored), ...broken.stored, ...mended.stored];
  const found = {
    acknowledged: before.stored.length + broken.stored.length + mended.stored.length,
    lost: all.filter((n) => parts.get(n) !== 2).length,
    refused: broken.refused.length,
    present: broken.refused.filter((n) => parts.has(n)).length,
    partial: [...parts.values()].filter((n) => n !== 2).length,
    strange: broken.codes.filter((code) => !fault.codes.includes(code)).length,
    unnoticed: fault.mayStore ? 0 : broken.stored.length,
    unmended: before.refused.length + mended.refused.length,
  };
  const { lost, present, partial, strange, unnoticed, unmended } = found;
  if (client === "own" && lost + present + partial + strange + unnoticed + unmended > 0) {
    console.error("disk:", fault.name, opened, found, broken.codes);
  }
  return found;
}

const nothing = (): Written => ({ stored: [], refused: [], codes: [] });

function tell(child: Child): Promise<Written> {
  child.tell("go");
  return heard<Written>(child);
}

async function writeSome(db: Awaited<ReturnType<typeof openAs>>): Promise<Written> {
  const written = nothing();
  for (let n = 1_000_000; n < 1_000_000 + BEFORE; n++) {
    await mark(db, n, FORMS[n % FORMS.length]!);
    written.stored.push(n);
  }
  return written;
}

async function read(url: string): Promise<Map<number, number>> {
  const db = await openAs("own", url);
  const parts = await partsOf(db);
  db.$client.close();
  return parts;
}
