// A process that writes with plain autocommit statements while another holds the lock, again until it is let, and then
// 50 more. It tells on stdout what was acknowledged, and never closes its client. Run by kill.test.ts.
import { writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@libsql/client";
import { openLibsql } from "drizzle-event-log/libsql";

const [whose, url] = process.argv.slice(2) as [string, string];
const client = whose === "ours" ? (await openLibsql(url)).$client : createClient({ url });
const write = async (body: string) => {
  await client.execute({ sql: "insert into notes (body) values (?)", args: [body] });
  writeSync(1, `${body}\n`);
};
const first = async (): Promise<void> =>
  write("first").catch(async () => {
    await sleep(1);
    return first();
  });
setTimeout(() => writeSync(1, "met\n"), 50);
await first();
for (let i = 0; i < 50; i++) await write(`${i}`);
writeSync(1, "done\n");
setInterval(() => {}, 1000);
