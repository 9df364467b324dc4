// Keeps the contract in workerd, on a D1 database and in a Durable Object: POST /d1 or /durable-object with the
// files of SQL. Answers with a report for each promise.

// @ts-expect-error workerd's types would stand in for Node's
import { DurableObject } from "cloudflare:workers";
import { drizzle as drizzleD1 } from "drizzle-orm/d1";
import { drizzle as drizzleDurable } from "drizzle-orm/durable-sqlite";
import { DROPS, keepPromises, type Log, type Report } from "../contract/index.js";

async function keep(
  request: Request,
  open: (statements: readonly string[]) => Promise<Log>,
): Promise<Response> {
  const reports: Report[] = [];
  await keepPromises((await request.json()) as string[], open, (report) => void reports.push(report));
  return Response.json(reports);
}

export default {
  async fetch(request: Request, { DB, LOGS }: any): Promise<Response> {
    if (new URL(request.url).pathname !== "/d1") return LOGS.get(LOGS.idFromName("log")).fetch(request);
    return keep(request, async (statements) => {
      await DB.batch([...DROPS, ...statements].map((statement) => DB.prepare(statement)));
      return { db: drizzleD1(DB), run: (statement) => DB.prepare(statement).run(), close: () => {} };
    });
  },
};

export class LogObject extends DurableObject {
  fetch(request: Request): Promise<Response> {
    const { storage } = (this as any).ctx;
    return keep(request, async (statements) => {
      const run = async (statement: string) => storage.sql.exec(statement).toArray();
      for (const statement of [...DROPS, ...statements]) await run(statement);
      const db: any = drizzleDurable(storage);
      return { db, transaction: async (work: any) => db.transaction(work), run, close: () => {} };
    });
  }
}
