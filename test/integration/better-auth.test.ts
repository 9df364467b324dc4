// A library that writes by itself, beside events, in one database: better-auth through its own Drizzle adapter.
import { createClient } from "@libsql/client";
import { betterAuth } from "better-auth";
import { drizzleAdapter } from "better-auth/adapters/drizzle";
import { feed, openCortex } from "drizzle-event-log";
import { type LibsqlDatabase, openLibsql, writeTogether } from "drizzle-event-log/libsql";
import { migrateEvents } from "drizzle-event-log/migrations";
import { generateSQLiteDrizzleJson, generateSQLiteMigration } from "drizzle-kit/api";
import { drizzle } from "drizzle-orm/libsql";
import { expect, test } from "vitest";
import { ALPHA } from "../fixture.js";
import { cleanUps, hold, newFile } from "../libsql/local-file.js";
import * as schema from "./better-auth-schema.js";

const SIGN_UPS = 60;
const EVENTS = 5;
const cortex = openCortex({ id: ALPHA, origin: "app" });

async function prepared(db: LibsqlDatabase, transaction: boolean) {
  cleanUps.push(() => db.$client.close());
  await migrateEvents(db);
  const tables = await generateSQLiteDrizzleJson(schema);
  const none = await generateSQLiteDrizzleJson({});
  await db.$client.migrate(await generateSQLiteMigration(none, tables));
  const auth = betterAuth({
    baseURL: "http://localhost",
    secret: "a secret of this test, long enough to be one",
    telemetry: { enabled: false },
    rateLimit: { enabled: false },
    database: drizzleAdapter(db, { provider: "sqlite", schema, transaction }),
    emailAndPassword: {
      enabled: true,
      // Its own takes long on purpose.
      password: { hash: async (text) => `hash of ${text}`, verify: async () => true },
    },
  });
  return { db, auth };
}

const emails = Array.from({ length: SIGN_UPS }, (_, n) => `user-${n}@example.org`);

/** Each of them signs up, and the app tells of it: by `db.transaction`, by shared ones. */
function signUpAll({ db, auth }: Awaited<ReturnType<typeof prepared>>) {
  return Promise.allSettled(
    emails.flatMap((email, n) => [
      auth.api.signUpEmail({ body: { email, name: `User ${n}`, password: "correct horse" } }),
      ...Array.from({ length: EVENTS }, (_, i) => {
        const event = { action: "update" as const, traceId: email, data: { i } };
        return i % 2 === 0
          ? db.transaction((tx) => cortex.append(tx, event))
          : writeTogether(db, (tx) => cortex.append(tx, event));
      }),
    ]),
  );
}

test.each([true, false])(
  "sign-ups and events are all there, each once (its transactions: %s)",
  async (its) => {
    const file = newFile();
    const app = await prepared(await openLibsql(`file:${file}`), its);
    const letGo = await hold(file);
    const signedUp = signUpAll(app);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await letGo();
    const outcomes = await signedUp;

    expect(outcomes.filter(({ status }) => status === "rejected")).toEqual([]);
    const { db, auth } = app;
    const users = await db.select().from(schema.user);
    expect(users.map(({ email }) => email).sort()).toEqual([...emails].sort());
    const ids = users.map(({ id }) => id).sort();
    const accounts = await db.select().from(schema.account);
    expect(accounts.map(({ userId }) => userId).sort()).toEqual(ids);
    const sessions = await db.select().from(schema.session);
    expect(sessions.map(({ userId }) => userId).sort()).toEqual(ids);
    const events = await feed(db, { limit: 1_000 });
    const told = events.map(({ traceId, data }) => `${traceId} ${JSON.stringify(data)}`);
    expect(told).toHaveLength(SIGN_UPS * EVENTS);
    expect(new Set(told)).toHaveLength(SIGN_UPS * EVENTS);
    // Their counters are dense, as no write was lost or came twice.
    expect(events.map(({ vclock }) => vclock?.[ALPHA])).toEqual(events.map((_, i) => i + 1));

    const body = { email: emails[0]!, password: "correct horse" };
    expect((await auth.api.signInEmail({ body })).user.email).toBe(emails[0]);
  },
);

test("the control: with @libsql/client's own client they fail", async () => {
  const db = drizzle({ client: createClient({ url: `file:${newFile()}` }) }) as LibsqlDatabase;
  const { auth } = await prepared(db, true);
  const outcomes = await Promise.allSettled(
    emails.map((email) => auth.api.signUpEmail({ body: { email, name: "", password: "correct horse" } })),
  );
  expect(outcomes.filter(({ status }) => status === "rejected").length).toBeGreaterThan(0);
});
