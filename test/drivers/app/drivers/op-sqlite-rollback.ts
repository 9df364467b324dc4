// What Drizzle 0.45 makes of a transaction of op-sqlite 8: it does not wait for its function, and commits at once. Prints
// what is left of two writes that were rolled back.
import { setImmediate as turn } from "node:timers/promises";
import SQLite from "better-sqlite3";
import { drizzle } from "drizzle-orm/op-sqlite";

const client = new SQLite(":memory:");
client.exec("create table notes (id text)");
const executeAsync = async (source: string, params: unknown[] = []) => {
  await turn();
  return client.prepare(source).run(params);
};
const db: any = drizzle({ executeAsync } as any);
const outcome = db.transaction(async (tx: any) => {
  await tx.run("insert into notes values ('a')");
  await tx.run("insert into notes values ('b')");
  throw new Error("roll back");
});
await outcome.catch(() => {});
for (let n = 0; n < 10; n++) await turn();
console.log(client.prepare("select count(*) from notes").pluck().get());
