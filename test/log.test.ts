import { createClient } from "@libsql/client";
import { drizzle } from "drizzle-orm/libsql";
import { migrate } from "drizzle-orm/libsql/migrator";
import { expect, test } from "vitest";
import {
  append,
  appendQuery,
  feed,
  forTrace,
  get,
  latest,
  migrationsFolder,
  newULID,
  pages,
  since,
} from "../src/index.js";

test("smoke", async () => {
  const db = drizzle(createClient({ url: ":memory:" }));
  await migrate(db, { migrationsFolder });
  const c = newULID();
  const e = await db.transaction((tx) =>
    append(tx, {
      action: "create",
      traceId: "t",
      cortexId: c,
      origin: "o",
      data: { a: 1 },
      vclock: { [c]: 1 },
    }),
  );
  console.log(e);
  const es = await db.transaction((tx) =>
    append(tx, [
      { action: "update", traceId: "t", cortexId: c, origin: "o", data: null },
      e,
      { action: "update", traceId: "t", cortexId: c, origin: "o" },
    ]),
  );
  console.log(es, await forTrace(db, "t"), await since(db, "", 2), await latest(db), await get(db, e.id));
  for await (const p of pages(db, { limit: 2, actions: ["update"], traceId: "t" })) console.log(p);
  const [r] = await db.batch([appendQuery(db, { action: "update", traceId: "t", cortexId: c, origin: "o" })]);
  console.log(r, await db.batch([appendQuery(db, e)]));
  await expect(db.batch([appendQuery(db, { ...e, origin: "x" })])).rejects.toThrow();
});
