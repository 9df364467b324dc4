// Keeps the contract on an embedded replica of the server at an address, and what holds between the two:
// `replica.ts <address>`.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient } from "@libsql/client";
import { drizzle } from "drizzle-orm/libsql";
import { DROPS, keepAll, keepPromises, type Report } from "../contract/index.js";
import { migrationFor } from "../contract/log.js";
import { replication } from "../contract/replica.js";
import { logOf } from "./local.js";
import { readMigrations } from "./migrations.js";

const [url = ""] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "drivers-replica-"));
const clients = ["replica", "other"].map((name) =>
  createClient({ url: `file:${join(folder, name)}.db`, syncUrl: url }),
);
const [replica, other] = clients as [Client, Client];
const primary = createClient({ url });
const report = (report: Report) => console.log(JSON.stringify(report));

const logFor = (client: Client) => ({
  ...logOf(
    drizzle({ client }),
    (statement) => client.execute(statement),
    () => {},
  ),
  sync: () => client.sync(),
});

/** The database of the server, emptied: each promise has it for itself. */
async function migrate(statements: readonly string[]) {
  await replica.batch([...DROPS, ...statements], "write");
}

await keepPromises(
  readMigrations(),
  async (statements) => {
    await migrate(statements);
    return logFor(replica);
  },
  report,
);
await keepAll(
  replication,
  async () => {
    await migrate(migrationFor(readMigrations(), "events"));
    return { primary: logFor(primary), replica: logFor(replica), other: logFor(other) };
  },
  report,
);
for (const client of [...clients, primary]) client.close();
rmSync(folder, { recursive: true });
