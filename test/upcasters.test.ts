import {
  type EventsTable,
  events,
  feed,
  forTrace,
  getEvent,
  latest,
  pages,
  tail,
  type Upcasters,
} from "drizzle-event-log";
import { describe, expect, expectTypeOf, test } from "vitest";
import { add, addAll, drivers, errorOf, event, openLibsql } from "./fixture.js";

interface NoteEvents {
  create: { title: string };
  star: undefined;
}

const log = events as unknown as EventsTable<NoteEvents>;

/** A title was once a bare text. */
const upcasters: Upcasters<NoteEvents> = {
  create: (data) => (typeof data === "string" ? { title: data } : (data as { title: string })),
};

describe.each(drivers)("upcasters on %s", (_, open) => {
  async function opened() {
    const { db } = (await open()) as unknown as Awaited<ReturnType<typeof openLibsql>>;
    const stored = await addAll(db, [
      event({ action: "create", data: "old" }),
      event({ action: "star" }),
      event({ action: "create", data: { title: "new" } }),
    ]);
    const [first, second, third] = stored;
    return { db, stored, upcast: [{ ...first!, data: { title: "old" } }, second!, third!] };
  }

  async function firstPage<T>(generator: AsyncGenerator<T>): Promise<T> {
    const step = await generator.next();
    await generator.return(undefined);
    return step.value;
  }

  test("every read that takes them answers with the payloads of today", async () => {
    const { db, upcast } = await opened();
    const options = { table: log, upcasters };
    expect(await forTrace(db, "trace", options)).toEqual(upcast);
    expect(await forTrace(db, "trace", { ...options, limit: 2 })).toEqual(upcast.slice(0, 2));
    expect(await feed(db, options)).toEqual(upcast);
    expect(await feed(db, { ...options, actions: ["create"] })).toEqual([upcast[0], upcast[2]]);
    expect(await latest(db, options)).toEqual([...upcast].reverse());
    expect(await firstPage(pages(db, options))).toEqual(upcast);
    expect(await firstPage(tail(db, options))).toEqual(upcast);
    expect(await getEvent(db, upcast[0]!.id, options)).toEqual(upcast[0]);
    expect(await getEvent(db, upcast[1]!.id, options)).toEqual(upcast[1]);
  });

  test("without them a payload is what was stored", async () => {
    const { db, stored } = await opened();
    expect(await feed(db)).toEqual(stored);
    expect(await getEvent(db, stored[0]!.id)).toEqual(stored[0]);
  });

  test("an event without an upcaster, or of an action that the upcasters inherit, stays as it is", async () => {
    const { db } = await opened();
    await add(db, event({ action: "toString", data: 1 }));
    const [last] = await latest(db, { limit: 1, upcasters: {} });
    expect(last).toMatchObject({ action: "toString", data: 1 });
  });

  test("what an upcaster throws is thrown by the read", async () => {
    const { db } = await opened();
    const broken = {
      create: () => {
        throw new RangeError("unknown form");
      },
    };
    const options = { upcasters: broken };
    for (const read of [
      () => feed(db, options),
      () => forTrace(db, "trace", options),
      () => firstPage(pages(db, options)),
      () => firstPage(tail(db, options)),
    ]) {
      expect(await errorOf(read)).toBeInstanceOf(RangeError);
    }
  });
});

test("an upcaster answers with the payload of its action", async () => {
  const { db } = await openLibsql();
  const wrong = () =>
    feed(db, {
      table: log,
      upcasters: {
        // @ts-expect-error a title is missing
        create: () => ({ name: "x" }),
      },
    });
  expect(wrong).toBeTypeOf("function");
  const [first] = await feed(db, { table: log, upcasters });
  if (first?.action === "create") expectTypeOf(first.data).toEqualTypeOf<{ title: string }>();
});
