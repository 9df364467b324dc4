import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import { forTrace } from "drizzle-event-log";
import { generateSQLiteDrizzleJson, generateSQLiteMigration } from "drizzle-kit/api";

process.env.DATABASE_URL = `file:${join(mkdtempSync(join(tmpdir(), "recipe-")), "app.db")}`;
process.env.BETTER_AUTH_URL = "http://localhost";
process.env.BETTER_AUTH_SECRET = "a secret of this test, long enough to be one";
process.env.BETTER_AUTH_TELEMETRY = "0";
const schema = await import("./better-auth/auth-schema.js" as string);
const client = createClient({ url: process.env.DATABASE_URL });
const [none, tables] = [await generateSQLiteDrizzleJson({}), await generateSQLiteDrizzleJson(schema)];
await client.migrate(await generateSQLiteMigration(none, tables));
client.close();

const { auth, db } = await import("./better-auth/auth.js" as string);
const emails = ["a@example.org", "b@example.org"];
const users = await Promise.all(
  emails.map((email) => auth.api.signUpEmail({ body: { email, name: "User", password: "correct horse" } })),
);
for (const { user } of users) {
  const [created, ...rest] = await forTrace(db, `user:${user.id}`);
  assert.deepEqual([created!.action, rest.length], ["create", 0]);
}
db.$client.close();
