import { join } from "node:path";
import { createClient } from "@libsql/client";
import { openLibsql } from "drizzle-event-log/libsql";
import type { PoisonArguments } from "./busy-poison-writer.js";
import { control, type Harness, heard, startChild, withDirectory } from "./harness.js";
import { createLog, readAll } from "./log.js";

const APPENDS = 50;

export const busyPoison: Harness = {
  name: "busy-poison",
  fault: "BUSY poison",
  required: `${APPENDS}/${APPENDS} seen by another connection; plain writes by @libsql/client must lose`,
  timeout: [480_000, 480_000],
  async run({ short }) {
    const rounds = short ? 4 : 20;
    const safe = { acknowledged: 0, seen: 0 };
    let lost = 0;
    for (let i = 0; i < rounds; i++) {
      const { acknowledged, seen } = await round(i % 2 === 0 ? "transaction" : "autocommit");
      safe.acknowledged += acknowledged;
      safe.seen += seen;
      const plain = await round("plain");
      lost += plain.acknowledged - plain.seen;
    }
    const wanted = rounds * APPENDS;
    return {
      ran: `one SQLITE_BUSY, then ${APPENDS} appends, in transactions or not, kill -9`,
      count: `${rounds} rounds`,
      figures: [
        [
          `${safe.seen}/${wanted} seen by another connection`,
          safe.seen === wanted && safe.acknowledged === wanted,
        ],
        control(`@libsql/client lost ${lost} of ${wanted} acknowledged`, lost),
      ],
    };
  },
};

async function round(form: PoisonArguments["form"]) {
  return withDirectory(async (directory) => {
    const url = `file:${join(directory, "poison.db")}`;
    (await createLog(url)).$client.close();
    const args: PoisonArguments = { url, appends: APPENDS, form };
    const child = startChild("./busy-poison-writer.ts", args);
    await heard(child);

    const blocker = createClient({ url });
    const lock = await blocker.transaction("write");
    child.tell("go");
    const first = await heard<{ busy?: true }>(child);
    if (!first.busy) throw new Error("the writer was to meet SQLITE_BUSY");
    await lock.rollback();
    blocker.close();

    const acknowledged: string[] = [];
    for (;;) {
      const line = await heard<{ acknowledged?: string; done?: true }>(child);
      if (line.acknowledged) acknowledged.push(line.acknowledged);
      if (line.done) break;
    }
    child.kill();
    await child.exit;
    const other = await openLibsql(url);
    const ids = new Set((await readAll(other)).map((event) => event.id));
    other.$client.close();
    return { acknowledged: acknowledged.length, seen: acknowledged.filter((id) => ids.has(id)).length };
  });
}
