// Found by the close harness of the stress run.
import { openLibsql } from "drizzle-event-log/libsql";
import { sql } from "drizzle-orm";
import { expect, test } from "vitest";
import { newFile } from "../libsql/local-file.js";

test("a read transaction whose client is closed while it begins leaves no snapshot behind to other clients", async () => {
  const url = `file:${newFile()}`;
  const [one, other] = [await openLibsql(url), await openLibsql(url)];
  await other.run(sql`create table notes (id integer primary key)`);

  const begun = one.$client.transaction("read");
  one.$client.close();
  await expect(begun).rejects.toMatchObject({ code: "CLIENT_CLOSED" });

  await other.run(sql`insert into notes values (1)`);
  expect(await other.values(sql`select id from notes`)).toHaveLength(1);
  const next = await other.$client.transaction("read");
  next.close();
  other.$client.close();
});
