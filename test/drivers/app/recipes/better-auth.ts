import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { forTrace } from "drizzle-event-log";
import { CORTEX_ID } from "./tools.js";

process.env.DATABASE_URL = `file:${join(mkdtempSync(join(tmpdir(), "recipe-")), "app.db")}`;
process.env.CORTEX_ID = CORTEX_ID;
process.env.BETTER_AUTH_URL = "http://localhost";
process.env.BETTER_AUTH_SECRET = "a secret of this test, long enough to be one";
process.env.BETTER_AUTH_TELEMETRY = "0";
const kit = "node_modules/drizzle-kit/bin.cjs";
const args = ["--dialect", "turso", "--url", process.env.DATABASE_URL];
execFileSync(process.execPath, [kit, "push", "--schema", "recipes/better-auth/auth-schema.ts", ...args]);

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
