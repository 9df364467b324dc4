import { type } from "arktype";
import { openCortex } from "drizzle-event-log";
import * as v from "valibot";
import { describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { ALPHA, errorOf, inputErrorOf, openLibsql, openSqlite } from "./fixture.js";

type Input = { title: string; done?: boolean | undefined; tags: { name: string }[] };
type Output = { title: string; done: boolean; tags: { name: string }[] };

const schemas = {
  zod: z.object({
    title: z.string().trim(),
    done: z.boolean().default(false),
    tags: z.array(z.object({ name: z.string() })),
  }),
  valibot: v.object({
    title: v.pipe(v.string(), v.trim()),
    done: v.optional(v.boolean(), false),
    tags: v.array(v.object({ name: v.string() })),
  }),
  arktype: type({
    title: "string.trim",
    done: "boolean = false",
    tags: type({ name: "string" }).array(),
  }),
};

describe.each(Object.entries(schemas))("a schema of %s", (_, create) => {
  const cortex = openCortex({ id: ALPHA, origin: "alpha", schemas: { create } });

  test("stores its output: defaults and transforms", async () => {
    const { db } = await openLibsql();
    const input: Input = { title: " Milk ", tags: [{ name: "a" }] };
    const stored = await db.transaction((tx) =>
      cortex.append(tx, { action: "create", traceId: "note", data: input }),
    );
    expect(stored.data).toEqual({ title: "Milk", done: false, tags: [{ name: "a" }] });
  });

  test("refuses with the path of what does not fit, and no text of it", () => {
    const { db } = openSqlite();
    const cases: [data: unknown, path: (string | number)[]][] = [
      [{ title: "ok", tags: [{ name: "a" }, { name: { secret: "hunter2" } }] }, ["tags", 1, "name"]],
      [{ title: ["hunter2"], tags: [] }, ["title"]],
      ["hunter2", []],
      [undefined, []],
    ];
    db.transaction((tx) => {
      for (const [data, path] of cases) {
        const refused = inputErrorOf(() =>
          cortex.append(tx, { action: "create", traceId: "note", data: data as Input }),
        );
        expect(refused).toMatchObject({ code: "INVALID_DATA", field: "data" });
        expect(refused.path).toEqual(path);
        expect(refused.message).not.toContain("hunter2");
      }
    });
  });
});

test("asynchronous schemas of zod and valibot are refused", async () => {
  const { db } = await openLibsql();
  const create = z.string().refine(async () => true);
  const update = v.pipeAsync(
    v.string(),
    v.checkAsync(async () => true),
  );
  const cortex = openCortex({ id: ALPHA, origin: "alpha", schemas: { create, update } });
  for (const action of ["create", "update"] as const) {
    const refused = await errorOf(() =>
      db.transaction((tx) => cortex.append(tx, { action, traceId: "note", data: "text" })),
    );
    expect(refused).toMatchObject({ name: "InputError", code: "ASYNC_SCHEMA" });
  }
});

test("the schema of each library types what goes in and what comes out", () => {
  const { db } = openSqlite();
  const zod = openCortex({ id: ALPHA, origin: "alpha", schemas: { create: schemas.zod } });
  const valibot = openCortex({ id: ALPHA, origin: "alpha", schemas: { create: schemas.valibot } });
  const arktype = openCortex({ id: ALPHA, origin: "alpha", schemas: { create: schemas.arktype } });
  db.transaction((tx) => {
    const good = { action: "create", traceId: "note", data: { title: "Milk", tags: [] } } as const;
    const bad = { action: "create", traceId: "note", data: { title: 7, tags: [] } } as const;
    const a = zod.append(tx, { ...good, data: { title: "Milk", tags: [] } });
    if (a.action === "create") expectTypeOf(a.data).toEqualTypeOf<Output>();
    const b = valibot.append(tx, { ...good, data: { title: "Milk", tags: [] } });
    if (b.action === "create") expectTypeOf(b.data).toEqualTypeOf<Output>();
    const c = arktype.append(tx, { ...good, data: { title: "Milk", tags: [] } });
    if (c.action === "create") expectTypeOf(c.data).toEqualTypeOf<Output>();
    // @ts-expect-error a title is text
    expect(() => zod.append(tx, { ...bad, data: { title: 7, tags: [] } })).toThrow("does not fit");
    // @ts-expect-error a title is text
    expect(() => valibot.append(tx, { ...bad, data: { title: 7, tags: [] } })).toThrow("does not fit");
    // @ts-expect-error a title is text
    expect(() => arktype.append(tx, { ...bad, data: { title: 7, tags: [] } })).toThrow("does not fit");
  });
});
