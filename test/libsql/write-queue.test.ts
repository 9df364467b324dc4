import { LibsqlError } from "@libsql/client";
import { afterEach, describe, expect, test, vi } from "vitest";
import { patienceOf } from "../../src/libsql/patience.js";
import { WriteQueue } from "../../src/libsql/write-queue.js";

vi.mock("../../src/real-time.js", () => import("../fakeable-time.js"));

afterEach(() => void vi.restoreAllMocks());

/** A queue in a time that passes only in uses and in pauses; and the pauses. */
function queueInTime() {
  let time = 0;
  const pauses: number[] = [];
  vi.spyOn(performance, "now").mockImplementation(() => time);
  vi.spyOn(globalThis, "setTimeout").mockImplementation(((run: () => void, milliseconds: number) => {
    if (milliseconds > 100) return; // a deadline
    pauses.push(milliseconds);
    queueMicrotask(() => {
      time += milliseconds;
      run();
    });
  }) as any);
  const queue = new WriteQueue(() => 0.5);
  const use = (milliseconds: number, refusals = 0) =>
    queue.submit(
      () => {
        if (refusals-- > 0) throw new LibsqlError("locked", "SQLITE_BUSY");
        time += milliseconds;
      },
      patienceOf(10_000),
      queue,
    );
  const pass = (milliseconds: number) => {
    time += milliseconds;
  };
  return { use, pauses, pass };
}

describe("the lock", () => {
  test("is left to others for 4 ms after 25 ms of use, if others were met", async () => {
    const { use, pauses } = queueInTime();
    await use(10, 1);
    expect(pauses).toEqual([2]);
    for (let i = 0; i < 9; i++) await use(10);
    expect(pauses.slice(1)).toEqual([4, 4, 4]);
  });

  test("is left to others for 4 ms after half a second of use, if none was met", async () => {
    const { use, pauses } = queueInTime();
    for (let i = 0; i < 49; i++) await use(10);
    expect(pauses).toEqual([]);
    for (let i = 0; i < 3; i++) await use(10);
    expect(pauses).toEqual([4]);
  });

  test("is used for 25 ms also by one who has waited for longer", async () => {
    const { use, pauses } = queueInTime();
    await use(10, 300);
    pauses.length = 0;
    for (let i = 0; i < 3; i++) await use(10);
    expect(pauses).toEqual([4]);
  });

  test("is asked for the more often, the longer it was not had", async () => {
    const { use, pauses } = queueInTime();
    await use(10, 300);
    expect(pauses[0]).toBe(2);
    expect(pauses.every((pause, i) => i === 0 || pause < pauses[i - 1]! || pause === 1)).toBe(true);
    expect(pauses.slice(-100)).toEqual(Array(100).fill(1));
    pauses.length = 0;
    await use(10, 1);
    expect(pauses).toEqual([expect.closeTo(2)]);
  });

  test("is not left to others by one who has not used it for a while", async () => {
    const { use, pauses, pass } = queueInTime();
    await use(10, 1);
    for (let i = 0; i < 20; i++) {
      pass(4);
      await use(20);
    }
    expect(pauses).toEqual([2]);
  });
});
