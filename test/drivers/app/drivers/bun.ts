// Keeps the contract on Bun's own driver, in Bun: `bun drivers/bun.ts`.

import { drizzle } from "drizzle-orm/bun-sqlite";
import { keepPromises } from "../contract/index.js";
import { readMigrations } from "./migrations.js";

// @ts-expect-error Bun's types would stand in for Node's
const { Database } = await import("bun:sqlite");

await keepPromises(
  readMigrations(),
  async (statements) => {
    const client = new Database(":memory:");
    for (const statement of statements) client.run(statement);
    const db = drizzle({ client });
    const transaction = async (work: any) => db.transaction(work) as any;
    return { db, transaction, run: async (statement) => client.run(statement), close: () => client.close() };
  },
  (report) => console.log(JSON.stringify(report)),
);
